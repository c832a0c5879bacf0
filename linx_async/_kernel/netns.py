"""Namespaces: where to look, pinned by descriptors, and entered from threads that die."""

from __future__ import annotations

import errno
import os
import select
import threading
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

from attrs import define, field, frozen

from .._core.errors import DesiredStateError, ScopeGone, SourceError
from .nsfs import KINDS, close_all, enter, identity_here, is_network, is_ours

__all__ = ["NetworkNamespace", "Target", "namespace_of"]

T = TypeVar("T")

_DIRECTORY = Path("/run/netns")


@frozen
class NetworkNamespace:
    """Where: the namespace we are in, a process's, or one that has a path or a name.

    Make one with `here`, `of_pid`, `at_path` or `named`. A process is pinned at once, by a pidfd
    (pidfd_open(2)), so that a pid which is used again meanwhile is an error and never another
    process's namespace.

    Attributes:
        kind: `here`, `pid`, `path` or `name`.
        value: The pid, path or name as text; empty for `here`.
    """

    kind: str
    value: str = ""
    _pidfd: int = field(default=-1, eq=False, repr=False)

    @classmethod
    def here(cls) -> NetworkNamespace:
        """The namespaces of this process."""
        return cls("here")

    @classmethod
    def of_pid(cls, pid: int) -> NetworkNamespace:
        """The namespaces of a process: network, UTS and IPC.

        Raises:
            DesiredStateError: Not a pid.
            ScopeGone: There is no such process.
        """
        if type(pid) is not int or pid <= 0:
            raise DesiredStateError(f"pid: expected a positive integer, got {pid!r}")
        try:
            pidfd = os.pidfd_open(pid)
        except OSError as error:
            raise ScopeGone(f"pid {pid}: {error.strerror}") from error
        namespace = cls("pid", str(pid), pidfd)
        weakref.finalize(namespace, os.close, pidfd)
        return namespace

    @classmethod
    def at_path(cls, path: str | os.PathLike[str]) -> NetworkNamespace:
        """The network namespace that is bound to a path: `/proc/1234/ns/net`.

        Raises:
            DesiredStateError: Not an absolute path.
        """
        text = os.fspath(path)
        if not isinstance(text, str) or not text.startswith("/") or "\0" in text:
            raise DesiredStateError(f"namespace path: expected an absolute path, got {path!r}")
        return cls("path", text)

    @classmethod
    def named(cls, name: str) -> NetworkNamespace:
        """The network namespace that ip-netns(8) knows by that name; it is never created.

        Raises:
            DesiredStateError: Not a name.
        """
        if (
            not isinstance(name, str)
            or not name
            or name in {".", ".."}
            or any(c in name for c in "/\0")
        ):
            raise DesiredStateError(f"namespace name: expected one path component, got {name!r}")
        return cls("name", name)

    @property
    def path(self) -> Path:
        """The file that stands for the network namespace."""
        match self.kind:
            case "here":
                return Path("/proc/thread-self/ns/net")
            case "pid":
                return Path("/proc", self.value, "ns", "net")
            case "path":
                return Path(self.value)
            case _:
                return _DIRECTORY / self.value

    def __str__(self) -> str:
        return {"here": "here", "pid": f"pid {self.value}", "name": f"netns {self.value}"}.get(
            self.kind, self.value
        )

    def open(self) -> Target:
        """Pin it. Blocks: call it in a thread.

        Raises:
            ScopeGone: It is not there.
            SourceError: It may not be opened, or is no network namespace.
        """
        if self.kind == "here":
            return Target(self, {})
        opened: dict[str, int] = {}
        try:
            for kind in KINDS if self.kind == "pid" else ("net",):
                opened[kind] = self._open_one(kind)
            self.check_process()
            if not is_network(opened["net"]):
                raise SourceError(f"{self}: {self.path} is not a network namespace")
        except BaseException:
            close_all(opened)
            raise
        shared = [kind for kind, fd in opened.items() if is_ours(fd, kind)]
        close_all({kind: opened.pop(kind) for kind in shared})
        return Target(self, opened)

    def check_process(self) -> None:
        """Make sure that the pinned process is still there; nothing where there is none.

        Raises:
            ScopeGone: It ended.
        """
        if self._pidfd < 0:
            return
        poll = select.poll()
        poll.register(self._pidfd, select.POLLIN)
        if poll.poll(0):
            raise ScopeGone(f"pid {self.value}: the process ended")

    def _open_one(self, kind: str) -> int:
        path = self.path if kind == "net" else self.path.with_name(kind)
        try:
            return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            self.check_process()
            raise ScopeGone(f"{self}: {path} is not there") from None
        except OSError as error:
            self.check_process()
            raise SourceError(f"{self}: cannot open {path}: {error.strerror}") from error


def namespace_of(scope: NetworkNamespace | str | int | os.PathLike[str] | None) -> NetworkNamespace:
    """A scope from its short form: None is here, an int a pid, text a name, or a path with a slash.

    Raises:
        DesiredStateError: None of these.
        ScopeGone: There is no such process.
    """
    match scope:
        case NetworkNamespace():
            return scope
        case None:
            return NetworkNamespace.here()
        case int():
            return NetworkNamespace.of_pid(scope)
        case str() if "/" not in scope:
            return NetworkNamespace.named(scope)
        case str() | os.PathLike():
            return NetworkNamespace.at_path(scope)
    raise DesiredStateError(f"scope: expected a pid, a name, a path or None, got {scope!r}")


@define(eq=False)
class Target:
    """A pinned scope: descriptors of those of its namespaces that are not ours.

    Attributes:
        namespace: What it was opened from.
        identity: Names this incarnation: another one of the same name has another identity.
    """

    namespace: NetworkNamespace
    _fds: dict[str, int]
    identity: str = field(init=False)

    def __attrs_post_init__(self) -> None:
        try:
            self.identity = self.call(identity_here)
        except BaseException:
            self.close()
            raise

    @property
    def foreign(self) -> frozenset[str]:
        """Which of its namespaces (`net`, `uts`, `ipc`) are not ours."""
        return frozenset(self._fds)

    def covers(self, kind: str) -> bool:
        """Whether that kind of namespace belongs to the scope."""
        return kind == "net" or self.namespace.kind in {"here", "pid"}

    def call(self, function: Callable[[], T]) -> T:
        """Call a function inside the namespaces. Blocks: call it in a thread.

        Where they are all ours it is called at once; else in a thread that enters them and dies,
        so no thread that lives on changes its namespace.

        Raises:
            SourceError: They may not be entered.
        """
        if not self._fds:
            return function()
        visit = _Visit[T](self, function)
        thread = threading.Thread(target=visit.run, name=f"linx-async {self.namespace}")
        thread.start()
        thread.join()
        return visit.outcome()

    def enter(self) -> None:
        """Enter the namespaces with the calling thread, for good: setns(2)."""
        for kind, fd in self._fds.items():
            try:
                enter(fd, kind)
            except OSError as error:
                need = " (it takes CAP_SYS_ADMIN there)" if error.errno == errno.EPERM else ""
                raise SourceError(
                    f"{self.namespace}: cannot enter the {kind} namespace: {error.strerror}{need}"
                ) from error

    def check(self) -> None:
        """Make sure that the scope is still what it was when it was opened. Blocks for an instant.

        Raises:
            ScopeGone: The process ended, or the name leads elsewhere now.
        """
        self.namespace.check_process()
        if self.namespace.kind in {"path", "name"} and "net" in self._fds:
            try:
                now = self.namespace.path.stat()
            except OSError as error:
                raise ScopeGone(f"{self.namespace}: {error.strerror}") from error
            then = os.fstat(self._fds["net"])
            if (now.st_dev, now.st_ino) != (then.st_dev, then.st_ino):
                raise ScopeGone(f"{self.namespace}: it was replaced by another namespace")

    def close(self) -> None:
        """Let the namespaces go."""
        close_all(self._fds)


@define(eq=False)
class _Visit(Generic[T]):
    """A call inside namespaces, on its way through a thread."""

    target: Target
    function: Callable[[], T]
    results: list[T] = field(factory=list)
    error: BaseException | None = None

    def run(self) -> None:
        try:
            self.target.enter()
            self.results.append(self.function())
        except BaseException as error:  # it is raised again in the calling thread
            self.error = error

    def outcome(self) -> T:
        if self.error is not None:
            raise self.error
        return self.results[0]
