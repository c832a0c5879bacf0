"""A program that owns a table until it is killed."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, cast

import anyio

from linx_async import netfilter
from linx_async._core.memory import MemoryStore
from linx_async._core.reconcile import Ledger, run_pass

READY = "ready"


async def own(pid: int, lifetime: Any, text: str) -> None:
    """Make a table, say so, and go on for ever."""
    table = await netfilter.compile(text)
    async with (
        netfilter.Source(pid, lifetime=lifetime) as source,
        MemoryStore().open("owner", "here") as record,
    ):
        report = await run_pass(source, table, await Ledger.of(record))
        if not report.converged:
            raise SystemExit(str(report))
        print(READY, flush=True)
        await anyio.sleep_forever()


@contextmanager
def started(pid: int, lifetime: str, text: str) -> Iterator[subprocess.Popen[str]]:
    """The program, which has made its table in the namespace of a process; it blocks."""
    module = Path(__file__)
    words = [sys.executable, "-m", f"tests.kernel.{module.stem}", str(pid), lifetime]
    with subprocess.Popen(
        words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=module.parents[2]
    ) as program:
        try:
            told = cast("IO[str]", program.stdin)
            told.write(text)
            told.close()
            assert cast("IO[str]", program.stdout).readline().strip() == READY
            yield program
        finally:
            program.kill()


if __name__ == "__main__":
    anyio.run(own, int(sys.argv[1]), sys.argv[2], sys.stdin.read())
