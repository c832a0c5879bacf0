"""Small kernel files, read and written below pinned directories; all of it blocks."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import TypeVar

from attrs import define, field

from .._core.errors import SourceError

__all__ = [
    "Location",
    "Tree",
    "duplicate",
    "entries",
    "inode_of",
    "listing",
    "make_directory",
    "pin_file",
    "read_at",
    "read_below",
    "read_file",
    "remove_directory",
    "write_at",
    "write_below",
]

_CHUNK = 65536
_READ = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW
# Without O_TRUNC: it would be told as a change of its own, before the write.
_WRITE = os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW
_PIN = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC

_GONE = frozenset({errno.ENOENT, errno.ENODEV})

Location = tuple[str, str]
"""A directory below the root (empty for the root itself), and a file in it."""

T = TypeVar("T")


def read_at(directory: int, name: str) -> bytes:
    """All of a file in a directory, given by its descriptor."""
    fd = os.open(name, _READ, dir_fd=directory)
    try:
        data = os.read(fd, _CHUNK)
        if len(data) < _CHUNK:
            return data
        parts = [data]
        while data:
            data = os.read(fd, _CHUNK)
            parts.append(data)
        return b"".join(parts)
    finally:
        os.close(fd)


def write_at(directory: int, name: str, data: bytes) -> None:
    """Write a file in a directory with a single write(2), as the kernel's files want it."""
    fd = os.open(name, _WRITE, dir_fd=directory)
    try:
        written = os.write(fd, data)
    finally:
        os.close(fd)
    if written != len(data):
        raise OSError(f"the kernel took {written} of {len(data)} bytes")


def duplicate(fd: int) -> int:
    """A second descriptor of the same open file, close-on-exec."""
    return os.dup(fd)


def read_file(path: str | os.PathLike[str]) -> str:
    """All of a file, undecodable bytes escaped."""
    with open(path, encoding="utf-8", errors="surrogateescape") as file:
        return file.read()


def read_below(root: str, location: Location) -> bytes:
    """All of a file, by its name, once."""
    with _directory(root, location) as fd:
        return read_at(fd, location[1])


def write_below(root: str, location: Location, data: bytes) -> None:
    """Write a file, by its name, once."""
    with _directory(root, location) as fd:
        write_at(fd, location[1], data)


def make_directory(root: str, directory: str) -> None:
    """Make a directory below a root."""
    os.mkdir(os.path.join(root, directory))


def remove_directory(root: str, directory: str) -> None:
    """Remove a directory below a root; of cgroupfs, its files go with it."""
    os.rmdir(os.path.join(root, directory))


def entries(root: str, directory: str) -> tuple[list[str], list[str]]:
    """The names of the directories and of the files in a directory, in order."""
    found = sorted(os.scandir(os.path.join(root, directory)), key=lambda entry: entry.name)
    directories = [entry.name for entry in found if entry.is_dir(follow_symlinks=False)]
    return directories, [entry.name for entry in found if entry.name not in set(directories)]


def inode_of(root: str, directory: str) -> int:
    """The inode number of a directory: another one of the same name has another."""
    return os.stat(os.path.join(root, directory)).st_ino


def pin_file(root: str, location: Location) -> int:
    """A descriptor that holds a file, O_PATH, as a watch wants it."""
    return os.open(os.path.join(root, *location), os.O_PATH | os.O_CLOEXEC)


@contextmanager
def _directory(root: str, location: Location) -> Iterator[int]:
    fd = os.open(os.path.join(root, location[0]), _PIN)
    try:
        yield fd
    finally:
        os.close(fd)


@define(eq=False)
class Tree:
    """The directories below a root, each opened once and pinned.

    A directory descriptor stays bound to what it was opened on: below /proc/sys/net/X to the
    network namespace of the opening thread, so it is read and written there from any thread (but
    not /proc/sys/net itself, whose entries are looked up for the calling thread's namespace:
    fs/proc/proc_sysctl.c, sysctl_follow_link). When the object behind it is gone (an interface,
    a cgroup), a look-up in it fails, and it is opened anew by its name.

    Args:
        root: The path that everything is below of.
        inside: Calls a function where directories are to be opened: inside a namespace.
        opened: Told of each directory that was opened, before anything is read there.

    Attributes:
        replaced: Directories that turned out to be new ones of the same name.
    """

    root: str
    inside: Callable[[Callable[[], int]], int]
    opened: Callable[[str, int], None]
    replaced: set[str] = field(factory=set, init=False)
    _pins: dict[str, int] = field(factory=dict, init=False)

    @property
    def pins(self) -> Mapping[str, int]:
        """The descriptors of the directories that are open, O_PATH."""
        return self._pins

    def pin(self, directory: str) -> int:
        """The descriptor of a directory, O_PATH.

        Raises:
            OSError: It is not there, or may not be searched.
            SourceError: There are no descriptors left.
        """
        fd = self._pins.get(directory)
        return self._hold(directory, self._open(directory)) if fd is None else fd

    def refresh(self, directory: str) -> int:
        """The descriptor of a directory that is certainly the one of that name now.

        Raises:
            OSError: It is not there, or may not be searched.
            SourceError: There are no descriptors left.
        """
        fd = self._pins.get(directory)
        if fd is None:
            return self.pin(directory)
        try:
            now, then = os.stat(os.path.join(self.root, directory)), os.fstat(fd)
        except OSError:
            self.forget(directory)
            raise
        if (now.st_dev, now.st_ino) != (then.st_dev, then.st_ino):
            self._renew(directory)
        return self.pin(directory)

    def inode(self, directory: str) -> int | None:
        """The inode number of a directory that is open; None for one that is not."""
        fd = self._pins.get(directory)
        return None if fd is None else os.fstat(fd).st_ino

    def at(self, location: Location, act: Callable[[int, str], T]) -> T:
        """Do something with a file, in its directory as it is now.

        Raises:
            OSError: As the kernel said.
        """
        directory, name = location
        pinned = directory in self._pins
        try:
            return act(self.pin(directory), name)
        except OSError as error:
            # The directory we held may be that of an object which is gone; look by name.
            if not pinned or error.errno not in _GONE or not self._renew(directory):
                raise
        return act(self.pin(directory), name)

    def read_all(self, locations: Iterable[Location]) -> list[bytes | int]:
        """Each file's content, or the errno of why it could not be read."""
        found: list[bytes | int] = []
        pins, add = self._pins, found.append
        for location in locations:
            directory, name = location
            try:
                # The straight line for what is pinned and well: a quiet pass is made of these.
                add(read_at(pins[directory], name))
            except (KeyError, OSError):
                add(self._read_with_care(location))
        return found

    def _read_with_care(self, location: Location) -> bytes | int:
        try:
            return self.at(location, read_at)
        except OSError as error:
            return error.errno or errno.EIO

    def _open(self, directory: str) -> int:
        path = os.path.join(self.root, directory)
        try:
            return self.inside(lambda: os.open(path, _PIN))
        except OSError as error:
            if error.errno in {errno.EMFILE, errno.ENFILE}:
                raise SourceError(
                    f"{path}: {error.strerror}: a descriptor is held for each directory that is "
                    "watched; raise the limit (ulimit -n)"
                ) from error
            raise

    def _renew(self, directory: str) -> bool:
        """Open a directory anew; whether it is another one than before."""
        before = self._pins[directory]
        try:
            fresh = self._open(directory)
        except OSError:
            self.forget(directory)
            return False
        if _is_same(before, fresh):
            os.close(fresh)
            return False
        self.forget(directory)
        self.replaced.add(directory)
        self._hold(directory, fresh)
        return True

    def _hold(self, directory: str, fd: int) -> int:
        try:
            self.opened(directory, fd)
        except BaseException:
            os.close(fd)
            raise
        self._pins[directory] = fd
        return fd

    def forget(self, directory: str) -> None:
        """Close a directory; the next use opens it by its name."""
        fd = self._pins.pop(directory, None)
        if fd is not None:
            os.close(fd)

    def close(self) -> None:
        """Close all directories."""
        for directory in list(self._pins):
            self.forget(directory)


def _is_same(one: int, other: int) -> bool:
    try:
        return os.path.sameopenfile(one, other)
    except OSError:
        # Even fstat(2) fails on a sysctl directory that was unregistered (proc_sys_getattr).
        return False


def listing(root: str, below: str = "") -> Iterator[Location]:
    """Every file below a directory, in name order; what may not be searched is left out.

    Raises:
        OSError: There is no such directory.
    """
    try:
        with os.scandir(os.path.join(root, below)) as found:
            entries = sorted(found, key=lambda entry: entry.name)
    except PermissionError:
        return
    for entry in entries:
        if not entry.is_dir(follow_symlinks=False):
            yield below, entry.name
            continue
        # It may go, an interface's, while the list is made.
        with suppress(FileNotFoundError):
            yield from listing(root, os.path.join(below, entry.name))
