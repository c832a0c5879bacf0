"""Namespaces: where to look, pinned by descriptors, and entered from threads that die."""

from __future__ import annotations

import errno
import os
import select
import socket
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from attrs import define, field, frozen

from .._core.errors import DesiredStateError, ScopeGone, SourceError
from .nsfs import (
    KINDS,
    close_all,
    descriptor_of_socket,
    enter,
    identity_here,
    is_network,
    is_ours,
)
from .visit import call_elsewhere

__all__ = ["NetworkNamespace", "Target"]

T = TypeVar("T")

_DIRECTORY = Path("/run/netns")
_HIGHEST_PID = 2**31 - 1


@frozen
class NetworkNamespace:
    """Where: the namespace we are in, a process's, or one that has a path or a name.

    Make one with `here`, `of_pid`, `of_socket`, `at_path` or `named`. A process is pinned at once,
    by a pidfd (pidfd_open(2)), so that a pid which is used again meanwhile is an error and never
    another process's namespace; and so is the namespace of a socket.

    Attributes:
        kind: `here`, `pid`, `socket`, `path` or `name`.
        value: The pid, path or name as text; of a socket its namespace, as `net:[4026531840]`;
            empty for `here`.
    """

    kind: str
    value: str = ""
    _pin: int = field(default=-1, eq=False, repr=False)

    def __attrs_post_init__(self) -> None:
        match self.kind:
            case "here" if not self.value:
                return
            case "pid" | "socket" if self._pin >= 0:
                return
            case "path" if _is_encodable(self.value) and self.value.startswith("/"):
                return
            case "name" if _is_encodable(self.value) and _is_component(self.value):
                return
        form = {
            "path": "namespace path: expected an absolute path",
            "name": "namespace name: expected one path component",
        }.get(
            self.kind,
            f"{self.kind}: expected a scope made with here, of_pid, of_socket, at_path or named",
        )
        raise DesiredStateError(f"{form}, got {self.value!r}")

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
            SourceError: It cannot be pinned: a thread's id, or no descriptor is left.
        """
        if type(pid) is not int or not 0 < pid <= _HIGHEST_PID:
            raise DesiredStateError(f"pid: expected 1 to {_HIGHEST_PID}, got {pid!r}")
        try:
            pidfd = os.pidfd_open(pid)
        except ProcessLookupError as error:
            raise ScopeGone(f"pid {pid}: {error.strerror}") from error
        except OSError as error:
            raise SourceError(f"pid {pid}: cannot be pinned: {error.strerror}") from error
        namespace = cls("pid", str(pid), pidfd)
        weakref.finalize(namespace, os.close, pidfd)
        return namespace

    @classmethod
    def of_socket(cls, sock: socket.socket) -> NetworkNamespace:
        """The network namespace that an open socket belongs to, wherever its process is now.

        It is pinned: the socket may be closed afterwards. It takes CAP_NET_ADMIN in the namespace
        (SIOCGSKNS, net/socket.c).

        Raises:
            DesiredStateError: No open socket.
            SourceError: Its namespace cannot be had.
        """
        if not isinstance(sock, socket.socket) or sock.fileno() < 0:
            raise DesiredStateError(f"socket: expected an open one, got {sock!r}")
        try:
            pin = descriptor_of_socket(sock)
        except OSError as error:
            need = " (it takes CAP_NET_ADMIN there)" if error.errno == errno.EPERM else ""
            raise SourceError(
                f"socket: its namespace cannot be had: {error.strerror}{need}"
            ) from error
        namespace = cls("socket", os.readlink(f"/proc/self/fd/{pin}"), pin)
        weakref.finalize(namespace, os.close, pin)
        return namespace

    @classmethod
    def at_path(cls, path: str | os.PathLike[str]) -> NetworkNamespace:
        """The network namespace that is bound to a path: `/proc/1234/ns/net`.

        Raises:
            DesiredStateError: Not an absolute path.
        """
        return cls("path", str(path) if isinstance(path, os.PathLike) else path)

    @classmethod
    def named(cls, name: str) -> NetworkNamespace:
        """The network namespace that ip-netns(8) knows by that name; it is never created.

        Raises:
            DesiredStateError: Not a name.
        """
        return cls("name", name)

    @property
    def path(self) -> Path:
        """The file that stands for the network namespace."""
        match self.kind:
            case "here":
                return Path("/proc/thread-self/ns/net")
            case "pid":
                return Path("/proc", self.value, "ns", "net")
            case "socket":
                return Path("/proc/self/fd", str(self._pin))
            case "path":
                return Path(self.value)
            case _:
                return _DIRECTORY / self.value

    def __str__(self) -> str:
        return {
            "here": "here",
            "pid": f"pid {self.value}",
            "socket": f"socket in {self.value}",
            "name": f"netns {self.value}",
        }.get(self.kind, self.value)

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
        net = os.fstat(opened["net"])
        shared = [kind for kind, fd in opened.items() if is_ours(fd, kind)]
        close_all({kind: opened.pop(kind) for kind in shared})
        return Target(self, opened, (net.st_dev, net.st_ino))

    def check_process(self) -> None:
        """Make sure that the pinned process is still there; nothing where there is none.

        Raises:
            ScopeGone: It ended.
        """
        if self.kind != "pid":
            return
        poll = select.poll()
        poll.register(self._pin, select.POLLIN)
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


def _is_encodable(text: object) -> bool:
    try:
        return isinstance(text, str) and b"\0" not in text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return False


def _is_component(name: str) -> bool:
    return bool(name) and name not in {".", ".."} and "/" not in name


@define(eq=False)
class Target:
    """A pinned scope: descriptors of those of its namespaces that are not ours.

    Attributes:
        namespace: What it was opened from.
        identity: Names this incarnation: another one of the same name has another identity.
    """

    namespace: NetworkNamespace
    _fds: dict[str, int]
    _inode: tuple[int, int] | None = None
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

    def call(self, function: Callable[[], T]) -> T:
        """Call a function inside the namespaces. Blocks: call it in a thread.

        Where they are all ours it is called at once; else in a thread that enters them and dies,
        so no thread that lives on changes its namespace.

        Raises:
            SourceError: They may not be entered, or no thread could be made.
        """
        if not self._fds:
            return function()
        return call_elsewhere(self.enter, function, str(self.namespace))

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
        if self.namespace.kind in {"path", "name"}:
            try:
                now = self.namespace.path.stat()
            except OSError as error:
                raise ScopeGone(f"{self.namespace}: {error.strerror}") from error
            if (now.st_dev, now.st_ino) != self._inode:
                raise ScopeGone(f"{self.namespace}: it was replaced by another namespace")

    def close(self) -> None:
        """Let the namespaces go."""
        close_all(self._fds)
