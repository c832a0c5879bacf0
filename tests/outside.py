"""A shell on the machine itself, which tests have left for namespaces of their own: to download."""

from __future__ import annotations

import os
import select
import shlex
import tempfile
from collections.abc import Sequence
from pathlib import Path

VARIABLE = "LINX_TESTS_OUTSIDE"
SHELL = 'while IFS= read -r line; do eval "$line" </dev/null; done; rm -r "$1"'
PATIENCE = 120.0  # seconds


class Unreachable(Exception):
    """There is no such shell, or it does not answer; the message is the reason."""


def leave_a_shell() -> None:
    """Start one, before this process goes, for it and its children; it ends with this process."""
    if VARIABLE in os.environ:
        return
    folder = tempfile.mkdtemp(prefix="linx-tests-")
    orders = os.path.join(folder, "orders")
    os.mkfifo(orders)
    os.open(orders, os.O_RDWR | os.O_CLOEXEC)  # and never closed: the shell waits for its end
    os.posix_spawnp(
        "sh",
        ["sh", "-c", SHELL, "sh", folder],
        os.environ,
        file_actions=[(os.POSIX_SPAWN_OPEN, 0, orders, os.O_RDONLY, 0)],
        setpgroup=0,  # no Ctrl-C reaches it before us
    )
    os.environ[VARIABLE] = orders


def run(command: Sequence[str], folder: Path) -> tuple[int, str]:
    """Run a program on the machine itself, in a folder: its exit code, and all that it wrote."""
    written, reply = folder / "written", folder / "reply"
    os.mkfifo(reply)
    place, output, answer = (shlex.quote(str(each)) for each in (folder, written, reply))
    line = f"(cd {place} && exec {shlex.join(command)}) >{output} 2>&1; echo $? >{answer}\n"
    replies = os.open(reply, os.O_RDONLY | os.O_NONBLOCK)
    try:
        order(line)
        if not select.select([replies], [], [], PATIENCE)[0]:
            raise Unreachable(f"{command[0]} took more than {PATIENCE:g} s")
        return int(os.read(replies, 16)), written.read_text(errors="replace")
    finally:
        os.close(replies)


def order(line: str) -> None:
    try:
        orders = os.open(os.environ[VARIABLE], os.O_WRONLY | os.O_NONBLOCK)
    except (KeyError, OSError) as error:
        raise Unreachable(f"no shell was left on the machine itself: {error!r}") from None
    try:
        os.write(orders, line.encode())
    finally:
        os.close(orders)
