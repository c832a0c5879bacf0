"""A netlink socket as a queue of datagrams that waits on anyio."""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Final, Protocol

import anyio
import anyio.lowlevel
import anyio.to_thread

from .._core.errors import SourceError
from .._core.groups import uninterrupted
from .netlink import Message, NetlinkDecodeError, split
from .netlink_open import failure, set_buffer

__all__ = ["DATAGRAMS_A_TURN", "Answer", "Datagrams", "EventsLost"]

# Dumps come in datagrams of about 32 KiB, whatever buffer is offered.
_DATAGRAM_SIZE: Final = 65536
DATAGRAMS_A_TURN: Final = 64
"""How many datagrams are read before other tasks have a turn."""
_TURN: Final = 0.01
"""Seconds after which they have one in any case. To read a datagram has the kernel make the next
one: milliseconds in a big hash set, through which it goes from its start (nft_rhash_walk())."""
_KERNEL: Final = 0
_OVERHEAD: Final = 32
"""What netlink_sendmsg() leaves of the send buffer."""


class EventsLost(SourceError):
    """The kernel dropped notifications, or one could not be read: look at everything again."""


class Answer(Protocol):
    """What puts an answer together."""

    done: bool

    def feed(self, datagram: bytes) -> None: ...

    def pause(self) -> None: ...


class Datagrams:
    """The datagrams of one netlink socket.

    Args:
        sock: A bound, non-blocking one; it is ours from now on.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self.port: int = sock.getsockname()[0]
        self._lost = ""
        self._apart = anyio.Lock()

    async def aclose(self) -> None:
        """Close it. Whoever waits gets anyio.ClosedResourceError."""
        if self._sock.fileno() < 0:
            return
        anyio.notify_closing(self._sock)
        try:
            if self._apart.locked():
                await uninterrupted(self._until_sent)
            # Who was woken leaves the descriptor before its number can be used again.
            await anyio.lowlevel.cancel_shielded_checkpoint()
        finally:
            self._sock.close()

    async def _until_sent(self) -> None:
        async with self._apart:
            """Nothing is under way in a thread, which could send to another's descriptor."""

    async def readable(self) -> None:
        """Wait until there is something to read."""
        await anyio.wait_readable(self._sock)

    def read(self) -> bytes | None:
        """One datagram of the kernel's, empty if it was another's; None when none is there.

        Raises:
            EventsLost: The receive buffer had no room, or ours had not.
            SourceError: The socket cannot be read.
            anyio.ClosedResourceError: It is closed.
        """
        if self._sock.fileno() < 0:
            raise anyio.ClosedResourceError
        try:
            datagram, _, flags, sender = self._sock.recvmsg(_DATAGRAM_SIZE)
        except BlockingIOError:
            return None
        except OSError as error:
            if error.errno == errno.ENOBUFS:
                raise EventsLost(
                    "the kernel dropped messages (ENOBUFS): the receive buffer was full"
                ) from error
            raise failure("cannot read the netlink socket", error) from error
        if sender[0] != _KERNEL:
            return b""
        if flags & socket.MSG_TRUNC:
            raise EventsLost(f"a datagram of more than {_DATAGRAM_SIZE} bytes was cut off")
        return datagram

    async def collect(self, answer: Answer) -> None:
        """Read until an answer is whole.

        Raises:
            EventsLost: The receive buffer had no room, or ours had not.
            NetlinkDecodeError: It is malformed.
            SourceError: The socket cannot be read.
            anyio.ClosedResourceError: It is closed.
        """
        while True:
            until = anyio.current_time() + _TURN
            for _ in range(DATAGRAMS_A_TURN):
                datagram = self.read()
                if datagram is None:
                    answer.pause()
                    if not answer.done:
                        await self.readable()
                    break
                answer.feed(datagram)
                if answer.done:
                    return
                if anyio.current_time() > until:
                    await anyio.lowlevel.checkpoint()
                    until = anyio.current_time() + _TURN
            else:
                await anyio.lowlevel.checkpoint()
            if answer.done:
                return

    async def notifications(self) -> list[Message]:
        """Wait for messages; all that are there, at least one, at most some 64 datagrams.

        Raises:
            EventsLost: Some were lost; the queue is empty now.
            SourceError: The socket cannot be read.
            anyio.ClosedResourceError: It is closed.
        """
        while True:
            messages = self._gather()
            if self._lost:
                await self.drain()
                reason, self._lost = self._lost, ""
                raise EventsLost(reason)
            if messages:
                return messages
            await self.readable()

    def _gather(self) -> list[Message]:
        messages: list[Message] = []
        try:
            for _ in range(DATAGRAMS_A_TURN):
                datagram = self.read()
                if datagram is None:
                    break
                messages.extend(split(datagram))
        except EventsLost as error:
            self._lost = str(error)
        except NetlinkDecodeError as error:
            self._lost = f"a malformed notification: {error}"
        return messages

    async def drain(self) -> None:
        """Throw away what is queued: an overrun is told once, until the queue is empty."""
        datagram: bytes | None = b""
        while datagram is not None:
            for _ in range(DATAGRAMS_A_TURN):
                with suppress(EventsLost):
                    datagram = self.read()
                if datagram is None:
                    break
            else:
                await anyio.lowlevel.checkpoint()

    async def send(self, data: bytes) -> None:
        """Send messages, as one datagram; the kernel carries them out before this returns.

        Raises:
            SourceError: They cannot be sent.
            anyio.ClosedResourceError: It is closed.
        """
        while True:
            if self._sock.fileno() < 0:
                raise anyio.ClosedResourceError
            try:
                self._sock.send(data)
            except BlockingIOError:
                await anyio.wait_writable(self._sock)
            except OSError as error:
                raise failure(f"cannot send {len(data)} bytes", error) from error
            else:
                return

    async def send_apart(
        self, make: Callable[[], bytes], *, receive_buffer: Callable[[int], int]
    ) -> None:
        """Make one datagram and send it, in a worker thread, which nothing cuts short.

        The kernel carries it out meanwhile, and may have to wait for others before that.

        Args:
            make: Makes it.
            receive_buffer: From its length, the bytes that what comes back may take.

        Raises:
            SourceError: It cannot be sent; a datagram that is longer than the send buffer may be.
            anyio.ClosedResourceError: It is closed.
        """

        def send() -> None:
            data = make()
            set_buffer(self._sock, socket.SO_RCVBUF, receive_buffer(len(data)))
            room = set_buffer(self._sock, socket.SO_SNDBUF, len(data) + _OVERHEAD) - _OVERHEAD
            if len(data) > room:
                raise SourceError(
                    f"cannot send {len(data)} bytes at once: the send buffer takes {room}: raise"
                    f" net.core.wmem_max to {len(data) // 2 + _OVERHEAD}, or be root outside any"
                    f" user namespace"
                )
            try:
                self._sock.send(data)
            except OSError as error:
                raise failure(f"cannot send {len(data)} bytes", error) from error

        async with self._apart:
            if self._sock.fileno() < 0:
                raise anyio.ClosedResourceError
            await anyio.lowlevel.checkpoint_if_cancelled()
            await uninterrupted(partial(anyio.to_thread.run_sync, send))
