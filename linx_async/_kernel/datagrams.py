"""A netlink socket as a queue of datagrams that waits on anyio."""

from __future__ import annotations

import errno
import socket
from contextlib import suppress
from typing import Final

import anyio
import anyio.lowlevel

from .._core.errors import SourceError
from .netlink import Message, NetlinkDecodeError, split
from .netlink_open import failure

__all__ = ["DATAGRAMS_A_TURN", "Datagrams", "EventsLost"]

# Dumps come in datagrams of about 32 KiB, whatever buffer is offered.
_DATAGRAM_SIZE: Final = 65536
DATAGRAMS_A_TURN: Final = 64
"""How many datagrams are read before other tasks have a turn."""
_KERNEL: Final = 0


class EventsLost(SourceError):
    """The kernel dropped notifications, or one could not be read: look at everything again."""


class Datagrams:
    """The datagrams of one netlink socket.

    Args:
        sock: A bound, non-blocking one; it is ours from now on.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self.port: int = sock.getsockname()[0]
        self._lost = ""

    async def aclose(self) -> None:
        """Close it. Whoever waits gets anyio.ClosedResourceError."""
        if self._sock.fileno() < 0:
            return
        anyio.notify_closing(self._sock)
        try:
            # Who was woken leaves the descriptor before its number can be used again.
            await anyio.lowlevel.cancel_shielded_checkpoint()
        finally:
            self._sock.close()

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
