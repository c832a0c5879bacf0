"""Finds where the library touches files, or waits, on the event loop's thread."""

from __future__ import annotations

import asyncio
import functools
import os
import stat
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
import trio

real_sleep = time.sleep

# https://docs.python.org/3/library/audit_events.html
# fmt: off
AUDITED = frozenset({
    "open", "os.listdir", "os.scandir", "os.mkdir", "os.rmdir", "os.remove", "os.rename",
    "os.link", "os.symlink", "os.truncate", "os.chmod", "os.chown", "os.utime", "os.chdir",
    "os.getxattr", "os.setxattr", "os.listxattr", "os.removexattr", "os.fork", "os.forkpty",
    "os.posix_spawn", "os.spawn", "os.system", "os.startfile", "os.exec", "subprocess.Popen",
    "fcntl.flock", "fcntl.lockf", "shutil.copyfile", "shutil.move", "shutil.rmtree",
    "socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr",
})
# Not audited. By descriptor they matter on regular files: sockets, pipes and inotify do not block.
ON_DESCRIPTORS = frozenset({
    "read", "write", "pread", "pwrite", "readv", "writev", "preadv", "pwritev", "fsync",
    "fdatasync",
})
# fmt: on
ON_PATHS = frozenset({"stat", "lstat", "readlink", "access", "statvfs"})


class LoopGuard:
    """Watches for blocking calls that code of one package makes on an event loop's thread.

    Imports are left alone; so are the package's `testing/` itself, and its `_core/store.py` with
    all that it calls.
    """

    def __init__(self, package: Path) -> None:
        self.package = package
        self._prefix = f"{package}{os.sep}"
        self._testing = f"{package / 'testing'}{os.sep}"
        self._store = str(package / "_core" / "store.py")
        self._found: list[str] | None = None
        self._wrappers: dict[str, Callable[..., Any]] = {}

    @contextmanager
    def watching(self) -> Iterator[list[str]]:
        """Collect what is found, as `where: what`, until the end of the block."""
        if not self._wrappers:
            sys.addaudithook(self._hear)  # for good: a hook can't be taken away
            for name in (*ON_DESCRIPTORS, *ON_PATHS):
                self._wrappers[name] = self._wrapped(name, on_descriptor=name in ON_DESCRIPTORS)
        outer, self._found = self._found, []
        try:
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(time, "sleep", self._sleep)
                for name, wrapper in self._wrappers.items():
                    patch.setattr(os, name, wrapper)
                yield self._found
        finally:
            self._found = outer

    def _hear(self, what: str, arguments: tuple[Any, ...]) -> None:
        if self._found is None or what not in AUDITED:
            return
        # open() of a descriptor opens nothing.
        if not (what == "open" and isinstance(arguments[0], int)):
            self._look(what, arguments[:1])

    def _wrapped(self, name: str, *, on_descriptor: bool) -> Callable[..., Any]:
        original = getattr(os, name)

        @functools.wraps(original)
        def call(*arguments: Any, **options: Any) -> Any:
            on_file = isinstance(arguments[0], int) and stat.S_ISREG(os.fstat(arguments[0]).st_mode)
            if on_file if on_descriptor else not isinstance(arguments[0], int):
                self._look(f"os.{name}", arguments[:1])
            return original(*arguments, **options)

        for able in (os.supports_dir_fd, os.supports_fd, os.supports_follow_symlinks):
            if original in able:
                able.add(call)
        return call

    def _sleep(self, seconds: float) -> None:
        self._look("time.sleep", (seconds,))
        real_sleep(seconds)

    def _look(self, what: str, arguments: tuple[Any, ...]) -> None:
        if self._found is not None and on_event_loop():
            where = self._culprit(sys._getframe(2))
            if where is not None:
                self._found.append(f"{where}: {what}({', '.join(map(repr, arguments))})")

    def _culprit(self, frame: FrameType | None) -> str | None:
        """The innermost frame of the package, unless it may do so."""
        culprit = None
        while frame is not None:
            code = frame.f_code
            file = code.co_filename
            # Tracebacks and warnings quote source lines.
            if file.startswith("<frozen importlib") or file.endswith(
                ("/linecache.py", "/traceback.py")
            ):
                return None
            if file == self._store:
                return None
            if culprit is None and file.startswith(self._prefix):
                if file.startswith(self._testing):
                    return None
                place = file.removeprefix(self._prefix)
                culprit = f"{place}:{frame.f_lineno}, {code.co_qualname}"
            frame = frame.f_back
        return culprit


def on_event_loop() -> bool:
    """Whether this thread runs a task of asyncio or of trio right now."""
    return asyncio._get_running_loop() is not None or trio.lowlevel.in_trio_task()
