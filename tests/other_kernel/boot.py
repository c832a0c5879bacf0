"""Machines that are processes, booted side by side: their consoles shown, their time limited."""

from __future__ import annotations

import os
import select
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import BinaryIO

# The machine leads a process group of its own. Nothing of that outlives this shell, which ends
# with the machine, when it is told to, or when we die.
GUARD = """
trap 'kill -KILL "$machine" "-$machine" 2>/dev/null; wait' EXIT
trap 'exit 143' TERM
setsid "$@" & machine=$!
wait "$machine"
"""


class TimeLimitReached(Exception):
    """A machine was still running at the time limit."""


def boot(commands: Sequence[Sequence[str]], time_limit: float) -> list[int]:
    """Runs the machines to their ends, and gives their exit statuses.

    The first one's console is shown as it comes, those of the others when all have ended.
    Raises TimeLimitReached after time_limit seconds. Whatever happens, none of their processes
    is left behind.
    """
    deadline = time.monotonic() + time_limit
    with ExitStack() as stack:
        guards = [stack.enter_context(guarded(command)) for command in commands]
        kept = [stack.enter_context(tempfile.TemporaryFile()) for _ in guards[1:]]
        stack.callback(show, kept)
        copy_consoles(guards, [sys.stdout.buffer, *kept], deadline)
        return [guard.wait() for guard in guards]


@contextmanager
def guarded(command: Sequence[str]) -> Iterator[subprocess.Popen[bytes]]:
    """Starts a machine, and ends it at the latest when the context is left."""
    guard = subprocess.Popen(
        ["setpriv", "--pdeathsig", "TERM", "sh", "-c", GUARD, "guard", *command],
        start_new_session=True,  # Ctrl-C is for us alone
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    try:
        yield guard
    finally:
        guard.terminate()
        guard.wait()


def copy_consoles(
    guards: Sequence[subprocess.Popen[bytes]], outputs: Sequence[BinaryIO], deadline: float
) -> None:
    """Copies each machine's console to its output until all have ended."""
    with ExitStack() as stack:
        open_ones: dict[int, BinaryIO] = {}
        running: dict[int, int] = {}
        for guard, output in zip(guards, outputs, strict=True):
            assert guard.stdout is not None
            console = guard.stdout.fileno()
            end = stack.enter_context(os.fdopen(os.pidfd_open(guard.pid))).fileno()
            open_ones[console], running[end] = output, console
        while running:
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeLimitReached
            ready, _, _ = select.select([*running, *open_ones], [], [], left)
            for console in open_ones.keys() & ready:
                if text := os.read(console, 65536):
                    open_ones[console].write(text)
                    open_ones[console].flush()
                else:
                    del open_ones[console]
            for end in [end for end in running if end in ready and running[end] not in ready]:
                open_ones.pop(running.pop(end), None)


def show(consoles: Sequence[BinaryIO]) -> None:
    for console in consoles:
        console.seek(0)
        shutil.copyfileobj(console, sys.stdout.buffer)
    sys.stdout.flush()
