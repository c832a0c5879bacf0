"""The guards catch what they are there for, and nothing else."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from anyio import to_thread

from tests.loop_guard import LoopGuard

ROOT = Path(__file__).parents[2]

SOURCE = """
import os, time, warnings

def opens(path): open(path).close()
def lists(path): os.listdir(path.parent)
def makes(path): (path.parent / "new").mkdir()
def stats(path): path.exists()
def waits(path): time.sleep(0)
def reads(descriptor): os.read(descriptor, 1)
def writes(descriptor): os.write(descriptor, b"x")
def adopts(descriptor): os.fdopen(descriptor, closefd=False)
def imports(path): import this_module_is_not_there
def calls(function, *arguments): return function(*arguments)
"""


@pytest.fixture(scope="module")
def guard(tmp_path_factory: pytest.TempPathFactory) -> LoopGuard:
    return LoopGuard(tmp_path_factory.mktemp("package"))


@pytest.fixture
def module(guard: LoopGuard) -> Callable[[str], Any]:
    """Makes a module of the guarded package, in memory, with the functions above."""

    def make(place: str) -> Any:
        names: dict[str, Any] = {}
        exec(compile(SOURCE, os.path.join(guard.package, place), "exec"), names)
        return SimpleNamespace(**names)

    return make


@pytest.fixture
def found(guard: LoopGuard) -> Iterator[list[str]]:
    with guard.watching() as found:
        yield found


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.write_text("text")
    return path


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("opens", "open("),
        ("lists", "os.listdir("),
        ("makes", "os.mkdir("),
        ("stats", "os.stat("),
        ("waits", "time.sleep("),
    ],
)
async def test_a_blocking_call_of_the_package_is_found(
    name: str, call: str, module: Callable[[str], Any], found: list[str], file: Path
) -> None:
    getattr(module("sysctl/source.py"), name)(file)
    assert len(found) == 1
    assert found[0].startswith("sysctl/source.py:")
    assert f", {name}: {call}" in found[0]


@pytest.mark.anyio
async def test_reads_and_writes_of_an_open_file_are_found(
    module: Callable[[str], Any], found: list[str], file: Path
) -> None:
    source = module("sysctl/source.py")
    with file.open("r+b") as opened:
        source.reads(opened.fileno())
        source.writes(opened.fileno())
    assert [line.partition(": ")[2].partition("(")[0] for line in found] == ["os.read", "os.write"]


@pytest.mark.anyio
async def test_pipes_may_be_read_and_written(
    module: Callable[[str], Any], found: list[str]
) -> None:
    source = module("_kernel/inotify.py")
    ours, theirs = os.pipe()
    try:
        source.writes(theirs)
        source.reads(ours)
        source.adopts(ours)
    finally:
        os.close(ours)
        os.close(theirs)
    assert found == []


@pytest.mark.anyio
async def test_a_call_below_a_library_in_between_is_the_package_s(
    module: Callable[[str], Any], found: list[str], file: Path
) -> None:
    module("rtnl/codec.py").calls(file.read_text)
    assert [line.split(":")[0] for line in found] == ["rtnl/codec.py"]


@pytest.mark.anyio
async def test_a_worker_thread_may_block(
    module: Callable[[str], Any], found: list[str], file: Path
) -> None:
    await to_thread.run_sync(module("_kernel/files.py").opens, file)
    assert found == []


def test_without_an_event_loop_anything_goes(
    module: Callable[[str], Any], found: list[str], file: Path
) -> None:
    module("_kernel/files.py").opens(file)
    assert found == []


@pytest.mark.anyio
async def test_an_import_may_happen_anywhere(
    module: Callable[[str], Any], found: list[str], file: Path
) -> None:
    with pytest.raises(ModuleNotFoundError):
        module("rtnl/codec.py").imports(file)
    assert found == []


@pytest.mark.anyio
async def test_the_store_is_excepted_with_all_that_it_calls(
    module: Callable[[str], Any], found: list[str], file: Path
) -> None:
    loop, store, files = (module(f"_core/{name}.py") for name in ("loop", "store", "files"))
    loop.calls(store.calls, files.opens, file)
    assert found == []


@pytest.mark.anyio
async def test_the_testing_package_is_excepted_but_not_what_it_calls(
    module: Callable[[str], Any], found: list[str], file: Path
) -> None:
    fake, source = module("testing/fake.py"), module("sysctl/source.py")
    source.calls(fake.opens, file)
    assert found == []
    fake.calls(source.opens, file)
    assert len(found) == 1


STORY = """
import asyncio, os, threading
import anyio, pytest
from anyio import to_thread

pytestmark = pytest.mark.anyio
kept = []

async def test_tidy():
    await to_thread.run_sync(os.getpid)

async def test_descriptor():
    kept.append(os.open("/", os.O_RDONLY))

@pytest.mark.unguarded("it is what this test is about")
async def test_unguarded():
    kept.append(os.open("/", os.O_RDONLY))

async def test_thread():
    thread = threading.Thread(target=threading.Event().wait, name="stray", daemon=True)
    thread.start()

async def test_task(anyio_backend_name):
    if anyio_backend_name == "trio":
        pytest.skip("there are no stray tasks on trio")
    kept.append(asyncio.ensure_future(asyncio.sleep(3600)))

async def test_skipped():
    pytest.skip("no such hardware")
"""


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What pytest prints for the tests above, with the conftest of these tests."""
    place = tmp_path_factory.mktemp("story")
    (place / "test_story.py").write_text(STORY)
    (place / "pytest.ini").write_text("[pytest]\n")
    options = ["-p", "tests.conftest", "-p", "no:cacheprovider", f"--rootdir={place}", "-v"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, str(place)],
        env=os.environ | {"PYTHONPATH": str(ROOT), "LEFTOVERS_PATIENCE": "0.1"},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout + done.stderr


def test_a_tidy_test_passes(story: str) -> None:
    assert "ERROR at teardown of test_tidy" not in story, story
    assert "::test_tidy[asyncio] PASSED" in story, story
    assert "::test_tidy[trio] PASSED" in story, story


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("descriptor[asyncio]", "left behind: descriptor"),
        ("descriptor[trio]", "left behind: descriptor"),
        ("thread[asyncio]", "left behind: thread 'stray'"),
        ("thread[trio]", "left behind: thread 'stray'"),
        ("task[asyncio]", "left behind: task"),
    ],
)
def test_what_a_test_leaves_behind_fails_it(story: str, name: str, what: str) -> None:
    told = rf"_ ERROR at teardown of test_{re.escape(name)} _+\n{what}"
    assert re.search(told, story), story


def test_a_marked_test_may_leave_things_behind(story: str) -> None:
    assert "::test_unguarded[asyncio] PASSED" in story, story
    assert "ERROR at teardown of test_unguarded" not in story, story


def test_skips_are_counted_by_reason(story: str) -> None:
    assert "3 tests skipped for what this machine lacks" in story, story
    assert "    2  no such hardware" in story, story
