"""What waits for confirmation: the guard's lock, its notes, and the socket it answers on."""

from __future__ import annotations

import fcntl
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from attrs import asdict, field, frozen, validators

from .._core.errors import LinxError

__all__ = [
    "LOCK",
    "NOTES",
    "SOCKET",
    "Notes",
    "ask",
    "gone",
    "hold",
    "is_held",
    "near",
    "notes_in",
    "refuse_two",
]

LOCK: Final = "confirm.lock"
NOTES: Final = "confirm.json"
SOCKET: Final = "confirm.sock"

_PATIENCE: Final = 600.0
"""Seconds that the way back may take while somebody waits for it."""
_CONFIRM: Final = "`linx confirm` keeps it, `linx confirm --rollback` undoes it"


_text = validators.instance_of(str)


@frozen
class Notes:
    """What a guard tells of itself, in a file.

    Attributes:
        state: `applying`, `waiting`, `confirmed`, `unchanged`, `rolling back` or `rolled back`.
        file: What was applied.
        pid: The guard's process.
        seconds: How long it waits, from before the first change on.
        until: When that is over: ISO 8601, with the offset from UTC.
        reason: Why it was rolled back; empty where it was not.
        lost: What could not be restored: `key` and `message`.
    """

    state: str = field(validator=_text)
    file: str = field(validator=_text)
    pid: int = field(validator=validators.instance_of(int))
    seconds: float = field(validator=validators.instance_of((int, float)))
    until: str = field(validator=_text)
    reason: str = field(default="", validator=_text)
    lost: tuple[dict[str, str], ...] = ()

    @property
    def is_open(self) -> bool:
        """Whether it is not decided yet, or not done."""
        return self.state in {"applying", "waiting", "rolling back"}

    @property
    def time(self) -> str:
        """When the waiting is over, for people: the local time."""
        return datetime.fromisoformat(self.until).astimezone().isoformat(" ", "seconds")

    def to_json(self) -> dict[str, Any]:
        """Its fields, for `--json` and for the file."""
        return asdict(self)

    def save(self, directory: Path) -> None:
        """Write the file, whole at any moment."""
        scratch = directory / f"{NOTES}.new"
        scratch.touch(mode=0o600)
        scratch.write_text(json.dumps(self.to_json()), encoding="utf-8")
        scratch.replace(directory / NOTES)


def _notes_of(said: Any) -> Notes:
    """Notes from what was written of them; a ValueError, TypeError or LookupError where not."""
    lost = tuple({"key": str(e["key"]), "message": str(e["message"])} for e in said["lost"])
    notes = Notes(**{**said, "lost": lost})
    datetime.fromisoformat(notes.until)
    return notes


def notes_in(directory: Path) -> Notes | None:
    """What the last guard told; None where there was none.

    Raises:
        LinxError: The file cannot be read, or is damaged.
    """
    path = directory / NOTES
    try:
        return _notes_of(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise LinxError(f"{path}: cannot be read: {error.strerror}") from error
    except (ValueError, TypeError, LookupError) as error:
        raise LinxError(f"{path}: is damaged: {error}; remove it") from error


def hold(directory: Path) -> int:
    """Take the lock that one guard has at a time; gives its descriptor.

    Raises:
        LinxError: Another guard has it, or there can be no such file.
    """
    path = directory / LOCK
    try:
        lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise LinxError(f"{path}: cannot be opened: {error.strerror}") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        raise LinxError(_waits(directory)) from None
    return lock


def is_held(directory: Path) -> bool:
    """Whether a guard is alive."""
    try:
        lock = os.open(directory / LOCK, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(lock)
    return False


def refuse_two(directory: Path) -> None:
    """Refuse to change anything while an apply waits for confirmation.

    Raises:
        LinxError: One does.
    """
    if is_held(directory):
        raise LinxError(_waits(directory))


def _waits(directory: Path) -> str:
    notes = notes_in(directory)
    if notes is None or not notes.is_open:
        return f"{directory}: another apply is being confirmed; {_CONFIRM}"
    what = "is being rolled back" if notes.state == "rolling back" else "waits for confirmation"
    return f"an apply of {notes.file} {what} (until {notes.time}): {_CONFIRM}"


def ask(directory: Path, word: str) -> Notes:
    """Tell the guard something, and get its notes.

    Args:
        directory: The state directory.
        word: `confirm`, `rollback`, whose answer comes when that is done, or `status`.

    Raises:
        LinxError: No guard answers, or it refuses.
    """
    try:
        with near(directory, SOCKET) as path, socket.socket(socket.AF_UNIX) as client:
            client.settimeout(_PATIENCE)
            client.connect(path)
            client.sendall(f"{word}\n".encode())
            with client.makefile("r", encoding="utf-8") as answers:
                line = answers.readline()
    except (FileNotFoundError, ConnectionError):
        raise LinxError(_nobody(directory)) from None
    except OSError as error:
        raise LinxError(f"{directory / SOCKET}: the guard does not answer: {error}") from error
    if not line:
        raise LinxError(f"{directory / SOCKET}: the guard does not answer: it ended")
    answer = json.loads(line)
    if "error" in answer:
        raise LinxError(answer["error"])
    return _notes_of(answer)


def gone(notes: Notes) -> str:
    """What is said where a guard has died."""
    return (
        f"the guard of the apply of {notes.file} (process {notes.pid}) is gone, and nothing rolls"
        " it back any more: what it did stays; to undo it, apply the file from before"
    )


def _nobody(directory: Path) -> str:
    notes = notes_in(directory)
    if notes is None:
        return f"nothing waits for confirmation ({directory})"
    if notes.is_open and not is_held(directory):
        return gone(notes)
    why = f": {notes.reason}" if notes.reason else ""
    return f"nothing waits for confirmation; the last apply, of {notes.file}: {notes.state}{why}"


@contextmanager
def near(directory: Path, name: str) -> Iterator[str]:
    """A path to a file that is short enough for a socket (unix(7): 107 bytes)."""
    fd = os.open(directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{fd}/{name}"
    finally:
        os.close(fd)
