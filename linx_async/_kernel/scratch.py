"""Programs in a throw-away network namespace, and sockets that look at what they did there."""

from __future__ import annotations

import array
import errno
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Final

from attrs import frozen

from .._core.errors import SourceError, errno_name
from .abort import Patience
from .conversation import Conversation
from .netlink_open import failure

__all__ = ["Ended", "Scratch", "scratch"]

_CHILD: Final = str(Path(__file__).with_name("_scratch_child.py"))
_SOCKETS: Final = 2
_REPLY_SIZE: Final = 4096
_GIVEN: Final = b"given"
_MOST_TOLD: Final = 1 << 20
"""Bytes of the program's words that are looked at."""
_MOST_OUTPUT: Final = 64 << 20
"""Bytes of a program's output that are looked at."""
_GRACE: Final = 5.0
"""Seconds for the child to end its program and itself."""

# user_namespaces(7), and what distributions add to it
_SWITCHES: Final = {
    "kernel.unprivileged_userns_clone": ("0", "1"),
    "kernel.apparmor_restrict_unprivileged_userns": ("1", "0"),
}
_LIMITS: Final = ("user.max_user_namespaces", "user.max_net_namespaces")


@frozen
class Ended:
    """How a program ended.

    Attributes:
        status: Its exit code; or the signal that ended it, negative.
        told: What it wrote to standard error.
    """

    status: int
    told: str

    @property
    def signal(self) -> str | None:
        """The name of the signal that ended it."""
        if self.status >= 0:
            return None
        try:
            return signal.Signals(-self.status).name
        except ValueError:
            return f"signal {-self.status}"


class Scratch:
    """A network namespace of which nobody else knows, and programs that run there.

    Attributes:
        netfilter: A NETLINK_NETFILTER socket in it.
        route: A NETLINK_ROUTE socket in it.
    """

    def __init__(
        self,
        child: subprocess.Popen[bytes],
        channel: socket.socket,
        files: Sequence[int],
        patience: Patience,
        undo: ExitStack,
    ) -> None:
        self._child = child
        self._channel = channel
        self._told, self._output = files
        self._patience = patience
        received = self._received()
        undo.callback(_close_all, received)
        self.netfilter = undo.enter_context(Conversation(received.pop(0), patience))
        self.route = undo.enter_context(Conversation(received.pop(0), patience))

    def run(self) -> Ended:
        """Let the program run to its end. Once.

        Raises:
            SourceError: It could not be started.
            Aborted: Nobody wants the result any more.
            TimeoutError: It is too late.
        """
        return Ended(self._ended(_GIVEN), self._words())

    def output_of(self, argv: Sequence[str]) -> str | None:
        """What another program writes to its standard output; None where it fails. Once.

        Args:
            argv: The program, by its whole path, and its arguments.

        Raises:
            SourceError: It could not be started.
            Aborted: Nobody wants the result any more.
            TimeoutError: It is too late.
        """
        if self._ended("\0".join(argv).encode()):
            return None
        size = os.fstat(self._output).st_size
        if size > _MOST_OUTPUT:
            return None
        return os.pread(self._output, size, 0).decode("utf-8", "replace")

    def _ended(self, request: bytes) -> int:
        """How the program ended that is asked for, as in `Ended`."""
        with suppress(BrokenPipeError):
            self._channel.send(request)
        reply, _ = self._receive()
        if not reply:
            return self._child.wait()
        word, _, status = reply.decode("utf-8", "replace").partition(" ")
        if word != "ended":
            raise _start_failure(reply)
        return int(status)

    def _words(self) -> str:
        return os.pread(self._told, _MOST_TOLD, 0).decode("utf-8", "replace")

    def _received(self) -> list[int]:
        reply, descriptors = self._receive()
        if len(descriptors) == _SOCKETS:
            return descriptors
        _close_all(descriptors)
        if reply == b"ready":
            raise SourceError(
                "the sockets of the scratch namespace could not be received: this process may have"
                " as many open files as RLIMIT_NOFILE allows"
            )
        if reply:
            raise _namespace_failure(reply)
        self._child.wait()
        last = self._words().strip().rpartition("\n")[2]
        raise SourceError(
            f"the process that makes the scratch namespace ended early, with {self._child.wait()}"
            f"{f': {last}' if last else ''}"
        )

    def _receive(self) -> tuple[bytes, list[int]]:
        self._patience.wait(self._channel.fileno())
        numbers = array.array("i")
        room = socket.CMSG_SPACE(_SOCKETS * numbers.itemsize)
        try:
            reply, ancillary, _, _ = self._channel.recvmsg(
                _REPLY_SIZE, room, socket.MSG_CMSG_CLOEXEC
            )
        except ConnectionResetError:
            return b"", []
        for level, kind, data in ancillary:
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                numbers.frombytes(data[: len(data) - len(data) % numbers.itemsize])
        return reply, list(numbers)


@contextmanager
def scratch(argv: Sequence[str], text: bytes, patience: Patience) -> Iterator[Scratch]:
    """Have a program ready in a new network namespace. Blocks: call it in a thread.

    An ordinary user gets a user namespace as well. The child that runs the program ends with
    the `with` block, and with the calling thread, however that ends; the namespace goes with it.

    Args:
        argv: The program, by its whole path, and its arguments.
        text: Its standard input.
        patience: How long all of it may take.

    Raises:
        SourceError: Namespaces or sockets cannot be had; the message says what to do.
        Aborted: Nobody wants the result any more.
        TimeoutError: It is too late.
    """
    with ExitStack() as undo:
        try:
            channel, files, child = _start(argv, text, undo)
        except OSError as error:
            raise failure("cannot start the child that makes a scratch namespace", error) from error
        yield Scratch(child, channel, files, patience, undo)


def _start(
    argv: Sequence[str], text: bytes, undo: ExitStack
) -> tuple[socket.socket, tuple[int, int], subprocess.Popen[bytes]]:
    """The channel to the child, the files for errors and for output, and the child."""
    if not sys.executable:
        raise SourceError("sys.executable is empty: set it to a Python, which is to be started")
    # Files in memory: nft opens /dev/stdin by name, which a socket refuses (ENXIO).
    given, told, output = (_file_in_memory(name, undo) for name in ("given", "told", "output"))
    with open(given, "wb", closefd=False) as file:
        file.write(text)
    os.lseek(given, 0, os.SEEK_SET)
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    undo.enter_context(ours)
    with theirs:
        child = subprocess.Popen(
            [sys.executable, "-I", "-S", _CHILD, str(theirs.fileno()), str(output), *argv],
            stdin=given,
            stdout=subprocess.DEVNULL,
            stderr=told,
            pass_fds=[theirs.fileno(), output],
            env=os.environ | {"LC_ALL": "C"},
            # No Ctrl-C reaches it before us.
            start_new_session=True,
        )
    undo.callback(_end, child, ours)
    return ours, (told, output), child


def _file_in_memory(name: str, undo: ExitStack) -> int:
    fd = os.memfd_create(f"linx-async {name}", os.MFD_CLOEXEC)
    undo.callback(os.close, fd)
    return fd


def _close_all(descriptors: list[int]) -> None:
    while descriptors:
        os.close(descriptors.pop())


def _end(child: subprocess.Popen[bytes], channel: socket.socket) -> None:
    """Have the child end its program, and itself with it."""
    poll = select.poll()
    poll.register(channel.fileno(), select.POLLIN)
    with suppress(OSError):
        channel.shutdown(socket.SHUT_WR)
        while poll.poll(_GRACE * 1000) and channel.recv(_REPLY_SIZE):
            continue
    child.kill()
    child.wait()


def _parts(reply: bytes) -> tuple[int, str]:
    number, _, step = reply.decode("utf-8", "replace").partition(" ")
    return int(number) if number.isdecimal() else 0, step


def _start_failure(reply: bytes) -> SourceError:
    number, program = _parts(reply)
    return SourceError(f"cannot start {program}: {errno_name(number)} ({os.strerror(number)})")


def _namespace_failure(reply: bytes) -> SourceError:
    number, step = _parts(reply)
    told = f"no scratch namespace: {step}: {errno_name(number)} ({os.strerror(number)})"
    return SourceError(f"{told}{_cure(number, step)}")


def _cure(number: int, step: str) -> str:
    """What to do about a refused step, by what the system's switches say."""
    if step.startswith("socket"):
        return ": this kernel lacks nf_tables, or the module that brings it"
    if number == errno.ENOSPC:
        limits = ", ".join(f"{key} is {_setting(key)}" for key in _LIMITS)
        return f": too many namespaces, or too deep: {limits}; raise the limit"
    if number in {errno.EINVAL, errno.ENOSYS}:
        return ": this kernel has no user namespaces (CONFIG_USER_NS): run as root"
    if number not in {errno.EPERM, errno.EACCES}:
        return ""
    if step.endswith("uid_map") and os.geteuid() == 0:
        # verify_root_map() in kernel/user_namespace.c, from Linux 5.12 on
        return ": root takes CAP_SYS_ADMIN and CAP_NET_ADMIN, or at least CAP_SETFCAP"
    closed = [
        f"{key} is {value}: set it to {cure}"
        for key, (value, cure) in _SWITCHES.items()
        if _setting(key) == value
    ]
    cause = " and ".join(closed) or "a container's seccomp filter or a policy may be the cause"
    return f": this user may not make user namespaces: {cause}, or run as root"


def _setting(key: str) -> str:
    try:
        return Path("/proc/sys", key.replace(".", "/")).read_text(encoding="ascii").strip()
    except OSError:
        return "unknown"
