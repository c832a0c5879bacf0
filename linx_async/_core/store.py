"""Where ownership is kept: in memory, or in a file that survives kill -9 and dies at boot."""

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
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Protocol

from anyio import to_thread

from .errors import StoreError
from .groups import uninterrupted
from .ownership import Ownership

__all__ = ["FileStore", "MemoryStore", "Record", "Store"]

_VERSION = 1
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")  # random(4)


class Record(Protocol):
    """One loop's ownership in a store."""

    async def load(self) -> Ownership: ...
    async def save(self, ownership: Ownership, /) -> None: ...


class Store(Protocol):
    """Keeps ownership between passes, and, if it can, between processes."""

    def open(self, name: str, identity: str) -> AbstractAsyncContextManager[Record]:
        """The record of a loop in one scope, held for one user at a time.

        Args:
            name: The loop's name.
            identity: The scope's, which differs for another namespace of the same name.

        Raises:
            StoreError: It cannot be used, or somebody else holds it.
        """
        ...


class _MemoryRecord:
    def __init__(self, records: dict[tuple[str, str], Ownership], key: tuple[str, str]) -> None:
        self._records = records
        self._key = key

    async def load(self) -> Ownership:
        return self._records.get(self._key, Ownership())

    async def save(self, ownership: Ownership) -> None:
        self._records[self._key] = ownership


class MemoryStore:
    """Keeps ownership as long as the object lives: over restarts of a loop, not of the process."""

    def __init__(self) -> None:
        self._records: dict[tuple[str, str], Ownership] = {}
        self._held: set[tuple[str, str]] = set()

    @asynccontextmanager
    async def open(self, name: str, identity: str) -> AsyncIterator[Record]:
        """The record of that loop, empty the first time.

        Raises:
            StoreError: Another loop holds it.
        """
        key = (name, identity)
        if key in self._held:
            raise _taken("this store", name)
        self._held.add(key)
        try:
            yield _MemoryRecord(self._records, key)
        finally:
            self._held.discard(key)


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

    A record is replaced by an atomic rename, so it is whole after kill -9 at any moment; it is
    not synced to a disk, since it need not outlive the kernel whose state it describes. A record of
    an earlier boot counts as empty. A damaged one is an error, never an empty record.

    Args:
        directory: Where the files are; made with mode 0700. Default: /run/linx-async for root,
            the user's runtime directory otherwise.
    """

    def __init__(self, directory: str | os.PathLike[str] | None = None) -> None:
        self._directory = None if directory is None else Path(directory)

    @asynccontextmanager
    async def open(self, name: str, identity: str) -> AsyncIterator[Record]:
        """The record of that loop, locked against every other process and loop.

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

    def hold(self) -> None:
        """Find the place, and lock it."""
        directory = self._directory or runtime_directory()
        self._path = directory / self._file
        with _reported(_BOOT_ID):
            self._head["boot_id"] = _BOOT_ID.read_text(encoding="ascii").strip()
        with _reported(directory):
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            _refuse_strangers(directory)
            # The data file is replaced at each save, so the lock lives on a file of its own.
            self._lock = os.open(
                self._path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600
            )
            try:
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise _taken(str(self._path), self._name) from None

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
        with _reported(self._path):
            try:
                text = self._path.read_text(encoding="utf-8")
            except FileNotFoundError:
                return Ownership()
            except UnicodeDecodeError as error:
                raise self._damaged(str(error)) from None
        try:
            data = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise self._damaged(str(error)) from None
        if not isinstance(data, dict) or data.get("version") != _VERSION:
            raise self._damaged(f"expected a record of version {_VERSION}")
        if not isinstance(data.get("boot_id"), str):
            raise self._damaged("it does not say of which boot it is")
        if data["boot_id"] != self._head["boot_id"]:
            return Ownership()
        if any(data.get(part) != self._head[part] for part in ("name", "identity")):
            raise self._damaged("it belongs to another loop or scope")
        try:
            return Ownership.from_json(data.get("claims"))
        except ValueError as error:
            raise self._damaged(str(error)) from None

    def _save(self, ownership: Ownership) -> None:
        text = json.dumps({**self._head, "claims": ownership.to_json()})
        scratch = self._path.with_suffix(".new")
        with _reported(self._path):
            with open(scratch, "w", encoding="utf-8", opener=_private) as file:
                file.write(text)
            scratch.replace(self._path)

    def _damaged(self, why: str) -> StoreError:
        return StoreError(
            f"{self._path}: the ownership record is damaged ({why}); nothing was changed. Look at "
            "it, then remove it to start without ownership: what was applied before then stays as "
            "it is, and is not ours any more"
        )


def _taken(place: str, name: str) -> StoreError:
    return StoreError(
        f"{place}: another loop named {name!r} holds this record; stop it, or give this one "
        "another name"
    )


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


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
