"""Where ownership is kept in a file, which survives kill -9 and dies at boot."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import re
import stat
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

from anyio import to_thread

from .errors import StoreError
from .groups import uninterrupted
from .memory import Record, taken
from .ownership import Ownership

__all__ = ["FileStore"]

_VERSION = 1
_FILES = f"*-{'[0-9a-f]' * 16}.json"
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")  # random(4)


def runtime_directory() -> Path:
    """Where the records of this user belong: a place that the boot empties.

    /run/linx-async for root; else below $XDG_RUNTIME_DIR, or /run/user/UID; else a directory of
    the user's own below the temporary directory (there the boot id in the record tells its age).
    """
    if os.geteuid() == 0 and os.access("/run", os.W_OK):
        return Path("/run/linx-async")
    for base in (os.environ.get("XDG_RUNTIME_DIR"), f"/run/user/{os.getuid()}"):
        if base and os.path.isabs(base) and os.access(base, os.W_OK):
            return Path(base, "linx-async")
    return Path(tempfile.gettempdir(), f"linx-async-{os.getuid()}")


class FileStore:
    """Keeps ownership in a directory of files, one a loop and scope.

    A record is replaced by an atomic rename (rename(2)), so it is whole after kill -9 at any
    moment; it is not synced to a disk, since it need not outlive the kernel whose state it
    describes. A record of an earlier boot (boot_id, random(4)) counts as empty. A damaged
    one is an error, never an empty record.

    Args:
        directory: Where the files are; made with mode 0700. Default: /run/linx-async for root,
            the user's runtime directory otherwise.
    """

    def __init__(self, directory: str | os.PathLike[str] | None = None) -> None:
        self._directory = None if directory is None else Path(directory)

    @asynccontextmanager
    async def open(self, name: str, identity: str) -> AsyncIterator[Record]:
        """The record of that loop, locked against every other process and loop (flock(2)).

        Args:
            name: The loop's name.
            identity: The scope's, which differs for another namespace of the same name.

        Raises:
            StoreError: The directory cannot be used, or somebody else holds the record.
        """
        record = _FileRecord(self._directory, name, identity)
        try:
            # A thread cannot be cut short: the lock it takes would be nobody's.
            await uninterrupted(partial(to_thread.run_sync, record.hold))
            yield record
        finally:
            record.let_go()

    async def prepare(self) -> None:
        """Make the directory where it is missing, and look whether records can be kept there.

        Raises:
            StoreError: They cannot.
        """
        await to_thread.run_sync(self._prepare)

    def _prepare(self) -> None:
        directory = self._directory or runtime_directory()
        with _reported(directory):
            _make(directory)
            # Mode and owner do not say all: it may be mounted read-only.
            with tempfile.TemporaryFile(dir=directory):
                pass

    async def peek(self, name: str, identity: str) -> Ownership:
        """What the record of that loop says now, whoever holds it; nothing is made or locked.

        Args:
            name: The loop's name.
            identity: The scope's.

        Raises:
            StoreError: The directory cannot be used, or the record is damaged.
        """
        record = _FileRecord(self._directory, name, identity)
        await to_thread.run_sync(record.find)
        return await record.load()

    async def names(self) -> tuple[tuple[str, str], ...]:
        """The name and the identity of every loop that has a record of this boot, sorted.

        Raises:
            StoreError: The directory cannot be used, or a record is damaged.
        """
        return await to_thread.run_sync(self._names)

    def _names(self) -> tuple[tuple[str, str], ...]:
        directory = self._directory or runtime_directory()
        now = boot_id()
        with _reported(directory):
            if not _is_there(directory):
                return ()
            files = list(directory.glob(_FILES))
        found = [data for data in map(_contents, files) if data and data["boot_id"] == now]
        return tuple(sorted((data["name"], data["identity"]) for data in found))


class _FileRecord:
    """One record's file, and the lock beside it."""

    def __init__(self, directory: Path | None, name: str, identity: str) -> None:
        digest = hashlib.sha256(json.dumps([name, identity]).encode()).hexdigest()[:16]
        slug = re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-.")[:64]
        self._name = name
        self._file = f"{slug}-{digest}.json"
        self._directory = directory
        self._path = Path(self._file)
        self._head = {"version": _VERSION, "boot_id": "", "name": name, "identity": identity}
        self._lock: int | None = None

    def find(self) -> None:
        """Find the place, and make nothing there."""
        directory = self._directory or runtime_directory()
        self._path = directory / self._file
        self._head["boot_id"] = boot_id()
        with _reported(directory):
            _is_there(directory)

    def hold(self) -> None:
        """Find the place, and lock it."""
        self.find()
        directory = self._path.parent
        with _reported(directory):
            _make(directory)
            # The data file is replaced at each save, so the lock lives on a file of its own.
            self._lock = os.open(
                self._path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600
            )
            try:
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise taken(str(self._path), self._name) from None

    def let_go(self) -> None:
        """Give up the lock; it does not block, so that nothing can keep it from being done."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    async def load(self) -> Ownership:
        return await to_thread.run_sync(self._load)

    async def save(self, ownership: Ownership) -> None:
        await to_thread.run_sync(self._save, ownership)

    def _load(self) -> Ownership:
        data = _contents(self._path)
        if data is None or data["boot_id"] != self._head["boot_id"]:
            return Ownership()
        if any(data[part] != self._head[part] for part in ("name", "identity")):
            raise _damaged(self._path, "it belongs to another loop or scope")
        try:
            return Ownership.from_json(data.get("claims"))
        except ValueError as error:
            raise _damaged(self._path, str(error)) from None

    def _is_held(self) -> bool:
        """Whether the lock is still that of the file there is: its directory may be swept away."""
        if self._lock is None:
            return False
        try:
            return os.path.samestat(os.fstat(self._lock), os.stat(self._path.with_suffix(".lock")))
        except FileNotFoundError:
            return False

    def _save(self, ownership: Ownership) -> None:
        with _reported(self._path):
            if not self._is_held():
                self.let_go()
                self.hold()
        text = json.dumps({**self._head, "claims": ownership.to_json()})
        scratch = self._path.with_suffix(".new")
        with _reported(self._path):
            with open(scratch, "w", encoding="utf-8", opener=_private) as file:
                file.write(text)
            scratch.replace(self._path)


def _contents(path: Path) -> dict[str, Any] | None:
    """What a record's file holds, its head checked; None where there is no file."""
    with _reported(path):
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except (ValueError, RecursionError) as error:  # not UTF-8 is a ValueError too
            raise _damaged(path, str(error)) from None
    if not isinstance(data, dict) or data.get("version") != _VERSION:
        raise _damaged(path, f"expected a record of version {_VERSION}")
    if not isinstance(data.get("boot_id"), str):
        raise _damaged(path, "it does not say of which boot it is")
    if not all(isinstance(data.get(part), str) for part in ("name", "identity")):
        raise _damaged(path, "it does not say of which loop and scope it is")
    return data


def _damaged(path: Path, why: str) -> StoreError:
    return StoreError(
        f"{path}: the ownership record is damaged ({why}); nothing was changed. Look at it, then "
        "remove it to start without ownership: what was applied before then stays as it is, and "
        "is not ours any more"
    )


def boot_id() -> str:
    """Which boot this is: random(4).

    Raises:
        StoreError: It cannot be told.
    """
    with _reported(_BOOT_ID):
        return _BOOT_ID.read_text(encoding="ascii").strip()


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _is_there(directory: Path) -> bool:
    """Whether the directory is there, and ours."""
    try:
        _refuse_strangers(directory)
    except FileNotFoundError:
        return False
    return True


def _make(directory: Path) -> None:
    """Make the directory where it is missing; it is ours then."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    _refuse_strangers(directory)


def _refuse_strangers(directory: Path) -> None:
    """Somebody else's directory (in /tmp, say) could feed us claims on foreign state."""
    status = directory.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid():
        raise StoreError(f"{directory}: not a directory of ours; name another one")
    if status.st_mode & 0o022:
        raise StoreError(f"{directory}: others may write to it; chmod go-w, or name another one")


@contextlib.contextmanager
def _reported(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreError(
            f"{path}: the ownership record cannot be kept here: {error.strerror or error}"
        ) from error
