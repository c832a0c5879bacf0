"""The real `linx` program, run from tests."""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

ROOT = Path(__file__).parents[2]
COMMAND = (sys.executable, "-m", "linx_async")
ENVIRONMENT = {"PYTHONPATH": str(ROOT), "COLUMNS": "200", "TERM": "xterm"}
PATIENCE = 60.0  # seconds after which a program that hangs is killed


def linx(*arguments: str | Path, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run it to its end."""
    return subprocess.run(
        [*COMMAND, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
        env={**os.environ, **ENVIRONMENT},
        **options,
    )


class Running:
    """The program while it runs; killed at the end, and when it takes too long."""

    def __init__(self, *arguments: str | Path) -> None:
        self.process = subprocess.Popen(
            [*COMMAND, *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **ENVIRONMENT},
        )
        self._watchdog = threading.Timer(PATIENCE, self.process.kill)
        self._watchdog.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._watchdog.cancel()
        self._watchdog.join()
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdout, self.process.stderr):
            if pipe is not None:
                pipe.close()

    def line_with(self, text: str) -> str:
        """The next line of its output with that text in it."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if text in line:
                return line.rstrip("\n")
        raise AssertionError(f"no line with {text!r}; {self.ended()}")

    def ended(self) -> tuple[int, str]:
        """Its exit code and what it wrote to standard error, once it has ended."""
        assert self.process.stderr is not None
        errors = self.process.stderr.read()
        return self.process.wait(), errors

    def end(self, number: signal.Signals) -> tuple[int, str]:
        """Send it a signal, and wait for its end."""
        self.process.send_signal(number)
        return self.ended()


class Host:
    """A file of desired state, and where the records are."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "host.toml"
        self.records = folder / "records"

    def says(self, *lines: str) -> None:
        self.file.write_text("\n".join([*lines, ""]))

    def linx(self, command: str, *options: str) -> subprocess.CompletedProcess[str]:
        return linx(command, *self.options(*options))

    def run(self, *options: str) -> Running:
        return Running("run", *self.options("--debounce", "0", *options))

    def options(self, *options: str) -> list[str]:
        return ["--state-dir", str(self.records), *options, str(self.file)]

    def recorded(self) -> dict[str, bytes]:
        return {file.name: file.read_bytes() for file in self.records.iterdir()}

    def part(self, command: str) -> dict[str, object]:
        (part,) = json.loads(self.linx(command, "--json").stdout)["parts"]
        return dict(part)


def in_terminal(*arguments: str | Path, **variables: str) -> tuple[int, str]:
    """Run it to its end in a terminal of its own; its exit code and all that it wrote there."""
    ours, theirs = pty.openpty()
    try:
        with subprocess.Popen(
            [*COMMAND, *map(str, arguments)],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env={**os.environ, **ENVIRONMENT, **variables},
        ) as process:
            os.close(theirs)
            written = b"".join(chunks(ours))
            return process.wait(), written.decode()
    finally:
        os.close(ours)


def chunks(terminal: int) -> Iterator[bytes]:
    while select.select([terminal], [], [], PATIENCE)[0]:
        try:
            yield os.read(terminal, 65536)
        except OSError:  # EIO: the other side was closed
            return


@contextmanager
def pidfds(pids: list[int]) -> Iterator[select.poll]:
    """Tells which of some processes have ended."""
    poll = select.poll()
    opened = [os.pidfd_open(pid) for pid in pids]
    try:
        for fd in opened:
            poll.register(fd, select.POLLIN)
        yield poll
    finally:
        for fd in opened:
            os.close(fd)


def descendants(pid: int) -> list[int]:
    """The pids of all processes below one."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    return [each for child in map(int, children) for each in (child, *descendants(child))]
