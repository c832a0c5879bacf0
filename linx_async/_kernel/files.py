"""Small kernel files, read and written below pinned directories; all of it blocks."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress

__all__ = [
    "Location",
    "duplicate",
    "entries",
    "inode_of",
    "listing",
    "make_directory",
    "pin_directory",
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

Location = tuple[str, str]
"""A directory below the root (empty for the root itself), and a file in it."""


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


def pin_directory(path: str) -> int:
    """A descriptor that holds a directory, O_PATH."""
    return os.open(path, _PIN)


def pin_file(root: str, location: Location) -> int:
    """A descriptor that holds a file, O_PATH, as a watch wants it."""
    return os.open(os.path.join(root, *location), os.O_PATH | os.O_CLOEXEC)


@contextmanager
def _directory(root: str, location: Location) -> Iterator[int]:
    fd = pin_directory(os.path.join(root, location[0]))
    try:
        yield fd
    finally:
        os.close(fd)


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
