"""Where `linx run` listens for commands: a socket in a directory that is its user's alone."""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import socket
import stat
import struct
from collections.abc import Iterator
from pathlib import Path

from attrs import define, field, frozen

from .._core.errors import LinxError
from .._core.store import runtime_directory

__all__ = ["ControlError", "ControlPlace", "ControlSocket", "has_left", "peer_of"]

_CREDENTIALS = struct.Struct("iII")  # struct ucred, unix(7)


class ControlError(LinxError):
    """A command cannot be given to a running `linx run`, or cannot be taken by it."""


def peer_of(connection: socket.socket) -> tuple[int, int]:
    """The pid and the uid of who made the other end, as the kernel knows them: unix(7)."""
    size = _CREDENTIALS.size
    packed = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size)
    pid, uid, _ = _CREDENTIALS.unpack(packed)
    return pid, uid


def has_left(connection: socket.socket) -> bool:
    """Whether the other end is closed, and not just one half of it: poll(2), POLLHUP."""
    poll = select.poll()
    poll.register(connection, 0)
    return bool(poll.poll(0))


@frozen
class ControlPlace:
    """The directory of the sockets, and the name of the one for our network namespace.

    Attributes:
        directory: The directory.
        name: The socket in it.
    """

    directory: Path
    name: str

    @classmethod
    def below(cls, state_dir: str | None) -> ControlPlace:
        """The place that belongs to a directory of records; None is the usual one."""
        directory = runtime_directory() if state_dir is None else Path(state_dir)
        # Namespaces may share /run, and each may have a `linx run` of its own.
        number = os.stat("/proc/self/ns/net").st_ino
        return cls(directory.absolute() / "control", f"net-{number}")

    @property
    def path(self) -> Path:
        """Where the socket is."""
        return self.directory / self.name

    def connect(self, timeout: float) -> socket.socket:
        """A connection to whoever listens there; blocks.

        Raises:
            ControlError: Nobody does, or somebody whom we do not trust, or who does not answer.
        """
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            with self._opened() as directory:
                # A full queue of those who wait is waited for, as a socket of Python's with a
                # timeout does not: unix(7), EAGAIN.
                wait = struct.pack("ll", int(timeout), int(timeout % 1 * 1e6))
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, wait)
                connection.connect(self._short(directory))
                connection.settimeout(timeout)
            if peer_of(connection)[1] not in {0, os.geteuid()}:
                raise ControlError(f"{self.path}: it is another user's `linx run` that listens")
        except (FileNotFoundError, ConnectionRefusedError):
            connection.close()
            raise ControlError(
                f"no `linx run` is running that has its records in {self.directory.parent} "
                "(--state-dir names another place), in this network namespace"
            ) from None
        except OSError as error:
            connection.close()
            late = isinstance(error, BlockingIOError)
            reason = "it does not answer in time" if late else error.strerror
            raise ControlError(f"{self.path}: {reason}") from error
        except BaseException:
            connection.close()
            raise
        return connection

    def listen(self, backlog: int) -> ControlSocket:
        """Listen there, in place of who is there no more; blocks.

        Raises:
            ControlError: It cannot be done, or somebody listens there.
        """
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            with self._opened() as directory:
                # Whoever is killed leaves its socket behind, and two may come for its place.
                fcntl.flock(directory, fcntl.LOCK_EX)
                self._clear(directory)
                os.fchmod(listener.fileno(), 0o600)  # the socket's file has the mode from here
                listener.bind(self._short(directory))
                listener.listen(backlog)
                made = os.stat(self.name, dir_fd=directory, follow_symlinks=False)
                return ControlSocket(self, listener, made)
        except OSError as error:
            listener.close()
            raise ControlError(f"{self.path}: {error.strerror or error}") from error
        except BaseException:
            listener.close()
            raise

    def _clear(self, directory: int) -> None:
        """Remove the socket that nobody listens on."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.setblocking(False)
            try:
                probe.connect(self._short(directory))
            except FileNotFoundError:
                return
            except ConnectionRefusedError:
                os.unlink(self.name, dir_fd=directory)
                return
            except BlockingIOError:
                pass  # there are too many who wait for an answer of it
        raise ControlError(f"{self.path}: another `linx run` listens there")

    def _short(self, directory: int) -> str:
        """A path to the socket that fits into an address, however deep the directory is."""
        return f"/proc/self/fd/{directory}/{self.name}"

    @contextlib.contextmanager
    def _opened(self) -> Iterator[int]:
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
        directory = os.open(self.directory, flags)
        try:
            status = os.fstat(directory)
            if status.st_uid not in {0, os.geteuid()}:
                raise ControlError(f"{self.directory}: it is another user's")
            if stat.S_IMODE(status.st_mode) & 0o077:
                raise ControlError(f"{self.directory}: others may enter it; chmod 700")
            yield directory
        finally:
            os.close(directory)


@define
class ControlSocket:
    """A socket that listens for commands.

    Attributes:
        place: Where.
        listener: The socket.
    """

    place: ControlPlace
    listener: socket.socket
    _made: os.stat_result = field(repr=False)

    def remove(self) -> None:
        """Remove its file, if it is still there; blocks. It goes on listening until closed."""
        with contextlib.suppress(OSError), self.place._opened() as directory:
            fcntl.flock(directory, fcntl.LOCK_EX)
            there = os.stat(self.place.name, dir_fd=directory, follow_symlinks=False)
            if os.path.samestat(there, self._made):
                os.unlink(self.place.name, dir_fd=directory)
