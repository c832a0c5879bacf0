"""The program's side of a guard: it is started, told what came of the apply, and heard."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import syslog
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any, NoReturn

import anyio
from attrs import define, field

from .._core.errors import LinxError
from .passes import Passes
from .waiting import Notes

__all__ = ["Guard"]

_LOG = "confirm.log"
_FIRST = "-900"
"""What the guard has as its oom_score_adj: others are killed first."""


@define
class Guard:
    """The program's end of the line to its guard.

    Attributes:
        pid: The guard's process.
        notes: What it told last.
        parts: The names of the parts that it can put back: all but those whose scope is not there.
    """

    pid: int
    _channel: socket.socket
    notes: Notes = field(init=False)
    parts: frozenset[str] = field(default=frozenset(), init=False)
    _answers: Any = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._answers = self._channel.makefile("r", encoding="utf-8")

    @classmethod
    def start(cls, passes: Passes, seconds: float, backend: str) -> Guard:
        """Start a guard, and wait until it knows the way back. No thread may run yet.

        A Ctrl-C meanwhile comes once it does, and ends it.

        Raises:
            LinxError: There would be none; nothing was changed.
        """
        sys.stdout.flush()
        sys.stderr.flush()
        terminal = _terminal()
        ours, its = socket.socketpair()
        program = os.getpid()
        # A guard that is left alone while it looks would end this program, to undo what it did.
        with _held_back(signal.SIGINT) as let_through:
            pid = os.fork()
            if pid == 0:
                _be_a_guard(passes, seconds, backend, its, terminal, program)
            its.close()
            guard = cls(pid, ours)
            guard.notes = guard._hear()
            try:
                let_through()
            except KeyboardInterrupt:
                guard.decide("unchanged")
                raise
        return guard

    def applied(self) -> None:
        """All was tried: from now on it can be confirmed."""
        self._say("applied")

    def decide(self, word: str, reason: str = "") -> Notes:
        """Say how it ends, and wait for that.

        Args:
            word: `confirmed`, `unchanged` or `back`.
            reason: Why it is rolled back.

        Raises:
            LinxError: The guard is gone.
        """
        self._say(f"{word} {' '.join(reason.split())}")
        self.notes = self._hear()
        return self.notes

    def check(self, command: str) -> str:
        """Run a command; gives why it does not confirm, empty where it does.

        Its output goes to standard error.
        """
        until = datetime.fromisoformat(self.notes.until)
        left = (until - datetime.now().astimezone()).total_seconds()
        # A Ctrl-C while it starts would leave it behind, with our standard error in its hands.
        with (
            _held_back(signal.SIGINT) as let_through,
            subprocess.Popen(command, shell=True, stdout=2, start_new_session=True) as process,  # noqa: S602 - it is asked for
        ):
            try:
                let_through()
                code = process.wait(max(left, 0))
            except subprocess.TimeoutExpired:
                why = "was not done in time"
            else:
                why = f"ended with {code}" if code >= 0 else f"was ended by signal {-code}"
                if code == 0:
                    return ""
            finally:
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGKILL)
        return f"the check {command!r} {why}"

    def _say(self, words: str) -> None:
        try:
            self._channel.sendall(f"{words}\n".encode("utf-8", "replace"))
        except OSError:
            raise LinxError(self._gone()) from None

    def _hear(self) -> Notes:
        line = self._answers.readline()
        if not line:
            raise LinxError(self._gone())
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise LinxError(f"{answer['error']}; nothing was changed")
        self.parts = frozenset(answer.pop("parts", self.parts))
        return Notes(**{**answer, "lost": tuple(answer["lost"])})

    def _gone(self) -> str:
        return (
            f"the guard (process {self.pid}) is gone, and nothing rolls back: what was done stays"
        )


@contextmanager
def _held_back(number: signal.Signals) -> Iterator[Callable[[], None]]:
    """Hold a signal back until what this gives is called, which lets one through that came."""
    came: list[int] = []
    before = signal.signal(number, lambda *_: came.append(number))

    def let_through() -> None:
        signal.signal(number, before)
        if came:
            signal.raise_signal(number)

    try:
        yield let_through
    finally:
        signal.signal(number, before)


def _terminal() -> str:
    """The terminal of this process; empty where it has none."""
    for number in (2, 1, 0):
        with suppress(OSError):
            return os.ttyname(number)
    return ""


def _be_a_guard(
    passes: Passes,
    seconds: float,
    backend: str,
    channel: socket.socket,
    terminal: str,
    program: int,
) -> NoReturn:
    """What the child does; it never comes back."""
    try:
        os.setsid()
        for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGPIPE):
            signal.signal(number, signal.SIG_IGN)
        _let_go(passes.store.directory, channel.fileno())
        os.chdir("/")
        with suppress(OSError):
            Path("/proc/self/oom_score_adj").write_text(_FIRST, encoding="ascii")
        from .guard import Charge, watch_over

        charge = Charge(passes.config, passes.store, passes.revert_on_release, seconds, program)
        syslog.openlog("linx", syslog.LOG_PID)
        anyio.run(watch_over, charge, channel, lambda text: _tell(text, terminal), backend=backend)
    except BaseException:  # all ends here
        traceback.print_exc()
    finally:
        with suppress(OSError, ValueError):
            sys.stderr.flush()
        os._exit(0)


def _let_go(directory: Path, channel: int) -> None:
    """Hold nothing of the program's: whoever reads its output waits for the end of that."""
    null = os.open(os.devnull, os.O_RDWR)
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        log = os.open(directory / _LOG, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    except OSError:
        log = null
    for number, fd in enumerate((null, log, log)):
        os.dup2(fd, number)
    os.closerange(3, channel)
    os.closerange(channel + 1, os.sysconf("SC_OPEN_MAX"))


def _tell(text: str, terminal: str) -> None:
    """Say something in the log, the system's log, and on the terminal, where there is one."""
    sys.stdout.write(f"{datetime.now().astimezone().isoformat(timespec='seconds')} {text}\n")
    sys.stdout.flush()
    syslog.syslog(syslog.LOG_WARNING, text)
    if not terminal:
        return
    with suppress(OSError):
        # It must not become ours, and must not stop us.
        fd = os.open(terminal, os.O_WRONLY | os.O_NOCTTY | os.O_NONBLOCK)
        try:
            os.write(fd, f"\r\nlinx: {text}\r\n".encode())
        finally:
            os.close(fd)
