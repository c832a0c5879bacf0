"""The conformance suite where it is used: in somebody else's tests, and beside threads."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from pathlib import Path

import anyio
import anyio.to_thread
import pytest

from linx_async.testing.conformance.leftovers import threads_rest

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "conformance.md"
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def test_the_documented_example_runs_as_a_test_module_of_its_own(tmp_path: Path) -> None:
    blocks = [block for block in BLOCK.findall(PAGE.read_text(encoding="utf-8")) if runs(block)]
    (tmp_path / "test_lamps.py").write_text("\n\n".join(blocks), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider", tmp_path],
        cwd=tmp_path,
        env={name: text for name, text in os.environ.items() if not name.startswith("PYTEST")}
        | {"PYTHONPATH": str(PAGE.parents[2])},
        capture_output=True,
        text=True,
        check=False,
    )
    # There is no rival, on two backends, and no task to cancel on one of them.
    assert re.search(r"^31 passed, 3 skipped", done.stdout, re.MULTILINE), done.stdout


def runs(block: str) -> bool:
    """Whether it is what a module may have: no await outside of a function."""
    try:
        compile(block, PAGE, "exec")
    except SyntaxError:
        return False
    return True


@pytest.mark.anyio
async def test_it_waits_for_a_thread_that_was_left_behind() -> None:
    may_end, has_begun = threading.Event(), threading.Event()
    ended = False

    def work() -> None:
        nonlocal ended
        has_begun.set()
        may_end.wait()
        ended = True

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(lambda: anyio.to_thread.run_sync(work, abandon_on_cancel=True))
        await anyio.to_thread.run_sync(has_begun.wait)
        tasks.cancel_scope.cancel()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(anyio.to_thread.run_sync, may_end.set)
        await threads_rest()
    assert ended


IN_A_THREAD = """
import sys
import anyio, anyio.to_thread
from linx_async.testing import run_in_virtual_time
from linx_async.testing.conformance.leftovers import threads_rest

async def rest():
    await threads_rest()
    return anyio.current_time()

print(anyio.run(anyio.to_thread.run_sync, run_in_virtual_time, rest, backend=sys.argv[1]))
"""


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_it_does_not_wait_for_the_thread_that_its_event_loop_is_in(backend: str) -> None:
    command = [sys.executable, "-W", "error", "-c", IN_A_THREAD, backend]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "0.0\n"
