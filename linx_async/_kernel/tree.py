"""Directories below a root, each opened once, pinned, and found again when it is another."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

from attrs import define, field

from .._core.errors import SourceError
from .files import Location, pin_directory, read_at

__all__ = ["Tree"]

T = TypeVar("T")

_GONE = frozenset({errno.ENOENT, errno.ENODEV})


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
            return self.inside(lambda: pin_directory(path))
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
