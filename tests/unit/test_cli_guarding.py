"""The check of what was applied, and a Ctrl-C at any moment of it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from linx_async.cli.guarding import Guard
from linx_async.cli.waiting import Notes


@pytest.fixture
def guard() -> Iterator[Guard]:
    ours, its = socket.socketpair()
    with ours, its:
        guard = Guard(os.getpid(), ours)
        until = (datetime.now().astimezone() + timedelta(seconds=60)).isoformat()
        guard.notes = Notes("waiting", "host.toml", 1, 60.0, until)
        with guard._answers:
            yield guard


@pytest.mark.parametrize(
    ("command", "why"),
    [
        ("true", ""),
        ("exit 3", "the check 'exit 3' ended with 3"),
        ("kill -9 $$", "the check 'kill -9 $$' was ended by signal 9"),
    ],
)
def test_a_check_confirms_where_it_ends_with_0(guard: Guard, command: str, why: str) -> None:
    assert guard.check(command) == why


def test_a_check_that_is_not_done_in_time_is_ended(guard: Guard) -> None:
    guard.notes = Notes("waiting", "host.toml", 1, 0.0, datetime.now().astimezone().isoformat())
    assert guard.check("sleep 600") == "the check 'sleep 600' was not done in time"


@pytest.mark.parametrize("when", ["while it starts", "while it runs"])
def test_a_ctrl_c_ends_the_check(guard: Guard, monkeypatch: pytest.MonkeyPatch, when: str) -> None:
    started: list[subprocess.Popen[Any]] = []

    class Interrupted(subprocess.Popen[Any]):
        def __init__(self, *words: Any, **options: Any) -> None:
            super().__init__(*words, **options)
            started.append(self)
            if when == "while it starts":
                signal.raise_signal(signal.SIGINT)

        def wait(self, timeout: float | None = None) -> int:
            if when == "while it runs" and timeout is not None:
                signal.raise_signal(signal.SIGINT)
            return super().wait(timeout)

    monkeypatch.setattr(subprocess, "Popen", Interrupted)
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        guard.check("sleep 600")
    (process,) = started
    assert process.wait() == -signal.SIGKILL
    assert signal.getsignal(signal.SIGINT) is before
