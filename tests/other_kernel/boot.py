"""One boot of a machine that is a process: its console shown, its time limited."""

from __future__ import annotations

import os
import select
import subprocess
import sys
import time
from collections.abc import Sequence

# The machine leads a process group of its own. Nothing of that outlives this shell, which ends
# with the machine, when it is told to, or when we die.
GUARD = """
trap 'kill -KILL "$machine" "-$machine" 2>/dev/null; wait' EXIT
trap 'exit 143' TERM
setsid "$@" & machine=$!
wait "$machine"
"""


class TimeLimitReached(Exception):
    """The machine was still running at the time limit."""


def boot(command: Sequence[str], time_limit: float) -> int:
    """Runs the machine to its end, and gives its exit status.

    Raises TimeLimitReached after time_limit seconds. Whatever happens, none of its processes
    is left behind.
    """
    guard = subprocess.Popen(
        ["setpriv", "--pdeathsig", "TERM", "sh", "-c", GUARD, "guard", *command],
        start_new_session=True,  # Ctrl-C is for us alone
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    try:
        show_console(guard, time.monotonic() + time_limit)
    finally:
        guard.terminate()
        guard.wait()
    return guard.returncode


def show_console(guard: subprocess.Popen[bytes], deadline: float) -> None:
    """Copies the console to our output until the machine has ended."""
    assert guard.stdout is not None
    console = guard.stdout.fileno()
    with os.fdopen(os.pidfd_open(guard.pid)) as ended:
        watched = [console, ended.fileno()]
        while (left := deadline - time.monotonic()) > 0:
            ready, _, _ = select.select(watched, [], [], left)
            if console not in ready:
                if ready:
                    return
            elif text := os.read(console, 65536):
                sys.stdout.buffer.write(text)
                sys.stdout.flush()
            else:
                watched.remove(console)
    raise TimeLimitReached
