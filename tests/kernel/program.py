"""The real `linx`, and other programs of this project's, run from tests."""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import anyio

from linx_async.cli.passes import Passes
from linx_async.cli.state import HostStore
from linx_async.config import load

ROOT = Path(__file__).parents[2]
COMMAND = (sys.executable, "-m", "linx_async")
ENVIRONMENT = {"PYTHONPATH": str(ROOT), "COLUMNS": "200", "TERM": "xterm"}
PATIENCE = 60.0  # seconds after which a program that hangs is killed


def run(command: Iterable[str | Path], **options: Any) -> subprocess.CompletedProcess[str]:
    """Run a program of this project's to its end."""
    return subprocess.run(
        list(map(str, command)),
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
        env={**os.environ, **ENVIRONMENT},
        **options,
    )


def linx(*arguments: str | Path, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run `linx` to its end."""
    return run([*COMMAND, *arguments], **options)


def start(command: Iterable[str | Path], **options: Any) -> subprocess.Popen[str]:
    """Start a program of this project's, to be read."""
    return subprocess.Popen(
        list(map(str, command)),
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **ENVIRONMENT},
        **options,
    )


class Started:
    """A program while it runs; killed at the end, and when it takes too long."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self._watchdog = threading.Timer(PATIENCE, process.kill)
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
        self.close()

    def close(self) -> None:
        """Close what it was read by."""
        for pipe in (self.process.stdout, self.process.stderr):
            if pipe is not None:
                pipe.close()


class Told(Started):
    """A program while it runs, and all that it writes, errors too."""

    def __init__(self, command: Iterable[str | Path], **options: Any) -> None:
        super().__init__(start(command, stderr=subprocess.STDOUT, **options))
        self.written: list[str] = []

    def until(self, *texts: str) -> str:
        """Read on until each of these was in a line of its own; the last of the lines."""
        assert self.process.stdout is not None
        missing = list(texts)
        for line in self.process.stdout:
            self.written.append(line)
            missing = [text for text in missing if text not in line]
            if not missing:
                return line.rstrip("\n")
        raise AssertionError(
            f"no {missing}; it ended with {self.process.wait()}:\n{''.join(self.written)}"
        )

    def ended(self) -> tuple[int, str]:
        """Its exit code, and the rest of what it wrote, once it has ended."""
        assert self.process.stdout is not None
        rest = self.process.stdout.read()
        return self.process.wait(), rest


class Running(Started):
    """`linx` while it runs, and what it writes."""

    def __init__(self, *arguments: str | Path) -> None:
        super().__init__(start([*COMMAND, *arguments], stderr=subprocess.PIPE))

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

    def let_go(self) -> None:
        """Undo all that it keeps, in this process, which takes a tenth of the program's time."""
        self.says()
        if self.records.exists():
            passes = Passes(load(str(self.file)), HostStore(self.records))
            with ThreadPoolExecutor(1) as pool:  # a test may have an event loop in its own thread
                pool.submit(anyio.run, passes.apply).result()

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
