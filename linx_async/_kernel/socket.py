"""Netlink sockets that wait on anyio: requests with their answers, and multicast groups."""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Final

import anyio
import anyio.lowlevel
import anyio.to_thread
from anyio.abc import AsyncResource

from .._core.errors import DumpInterrupted, OpError, SourceError
from .exchange import Exchange
from .netlink import Flag, Message, NetlinkDecodeError, next_sequence, pack_message, split
from .netlink_open import NETLINK_ROUTE, Opening, failure, open_socket

__all__ = ["NETLINK_ROUTE", "EventsLost", "NetlinkSocket", "Opener"]

Opener = Callable[[Callable[[], socket.socket]], socket.socket]
"""Calls a function, in the network namespace that a socket shall belong to."""

# Dumps come in datagrams of about 32 KiB, whatever buffer is offered.
_DATAGRAM_SIZE: Final = 65536
_DATAGRAMS_A_TURN: Final = 64
_KERNEL: Final = 0


class EventsLost(SourceError):
    """The kernel dropped notifications, or one could not be read: look at everything again."""


class NetlinkSocket(AsyncResource):
    """A netlink socket for requests, or, with groups, for notifications: not for both.

    The notification of one's own change carries the request's sequence number and port id
    (nlmsg_notify() in net/netlink/af_netlink.c): on one socket it would pass for the answer.
    """

    def __init__(self, sock: socket.socket, *, listens: bool) -> None:
        self._sock = sock
        self._listens = listens
        self._port: int = sock.getsockname()[0]
        self._reading = anyio.ResourceGuard("reading from")
        self._turn = anyio.Lock()
        self._seq = 0
        self._unsettled = False
        self._lost = ""

    @classmethod
    async def open(
        cls,
        protocol: int = NETLINK_ROUTE,
        groups: Iterable[int] = (),
        *,
        opener: Opener | None = None,
        receive_buffer: int | None = None,
    ) -> NetlinkSocket:
        """Open a socket, in a worker thread.

        Args:
            protocol: As for `open_socket`.
            groups: As for `open_socket`. With any, the socket receives and takes no requests.
            opener: Calls a function in the network namespace the socket shall belong to; None
                means here. A socket stays in the namespace it was opened in.
            receive_buffer: As for `open_socket`.

        Raises:
            SourceError: The socket cannot be had, or a group not be joined.
        """
        joined = tuple(groups)

        def make() -> socket.socket:
            return open_socket(protocol, joined, receive_buffer)

        opening = Opening(make if opener is None else lambda: opener(make))
        try:
            sock = await anyio.to_thread.run_sync(opening.run)
        except BaseException:
            opening.abandon()
            raise
        return cls(sock, listens=bool(joined))

    @property
    def port(self) -> int:
        """The port id (nl_pid) that the kernel gave the socket."""
        return self._port

    async def aclose(self) -> None:
        """Close it. Whoever waits in `receive` or `request` gets anyio.ClosedResourceError."""
        if self._sock.fileno() < 0:
            return
        anyio.notify_closing(self._sock)
        try:
            # Who was woken leaves the descriptor before its number can be used again.
            await anyio.lowlevel.cancel_shielded_checkpoint()
        finally:
            self._sock.close()

    async def receive(self) -> list[Message]:
        """Wait for notifications; all that are there, at least one, at most some 64 datagrams.

        Raises:
            EventsLost: Some were lost; the queue is empty now, and the socket works on.
            SourceError: The socket cannot be read.
            anyio.ClosedResourceError: It is closed.
            anyio.BusyResourceError: Another task is receiving.
        """
        with self._reading:
            await anyio.lowlevel.checkpoint()
            while True:
                messages = self._gather()
                if self._lost:
                    await self._drain()
                    reason, self._lost = self._lost, ""
                    raise EventsLost(reason)
                if messages:
                    return messages
                await anyio.wait_readable(self._sock)

    def _gather(self) -> list[Message]:
        messages: list[Message] = []
        try:
            for _ in range(_DATAGRAMS_A_TURN):
                datagram = self._read()
                if datagram is None:
                    break
                messages.extend(split(datagram))
        except EventsLost as error:
            self._lost = str(error)
        except NetlinkDecodeError as error:
            self._lost = f"a malformed notification: {error}"
        return messages

    def _read(self) -> bytes | None:
        """One datagram of the kernel's, empty if it was another's; None when none is there.

        Raises:
            EventsLost: The receive buffer had no room, or ours had not.
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

    async def _drain(self) -> None:
        """Throw away what is queued: an overrun is told once, until the queue is empty."""
        datagram: bytes | None = b""
        while datagram is not None:
            for _ in range(_DATAGRAMS_A_TURN):
                with suppress(EventsLost):
                    datagram = self._read()
                if datagram is None:
                    break
            else:
                await anyio.lowlevel.checkpoint()

    async def request(
        self, type: int, flags: int = 0, payload: bytes = b"", *, key: str = ""
    ) -> list[Message]:
        """Send a request and wait for its whole answer; one request at a time.

        A dump is what has both bits of NLM_F_DUMP; any other request asks for an ack. May be
        cancelled: the answer that comes late is dropped, by its sequence number, before the next
        request is sent. Whether a cancelled request was carried out is not known.

        Args:
            type: nlmsg_type.
            flags: nlmsg_flags; NLM_F_REQUEST is added.
            payload: The family's header and the attributes.
            key: What it is about, for errors.

        Raises:
            OpError: The kernel refused it.
            DumpInterrupted: The tables changed while they were dumped: ask again.
            SourceError: No whole answer came; whether it was carried out is not known.
            ValueError: A number does not fit the header, or the socket listens to groups.
            anyio.ClosedResourceError: It is closed.
        """
        if self._listens:
            raise ValueError("groups: a socket that listens to groups takes no requests")
        flags |= Flag.REQUEST if flags & Flag.DUMP == Flag.DUMP else Flag.REQUEST | Flag.ACK
        async with self._turn:
            self._seq = next_sequence(self._seq)
            request = pack_message(type, flags, self._seq, payload)
            exchange = Exchange(self._seq, self._port)
            try:
                await self._converse(request, exchange)
            except (EventsLost, NetlinkDecodeError) as error:
                raise SourceError(
                    f"{key or f'request {type}'}: no whole answer: {error}"
                ) from error
        return _answer(exchange, key or f"request {type}")

    async def _converse(self, request: bytes, exchange: Exchange) -> None:
        with self._reading:
            if self._unsettled:
                # A dump that was left halfway would make the next one fail with EBUSY.
                await self._drain()
            self._unsettled = True
            await self._send(request)
            await self._collect(exchange)
            self._unsettled = False

    async def _send(self, request: bytes) -> None:
        while True:
            if self._sock.fileno() < 0:
                raise anyio.ClosedResourceError
            try:
                self._sock.send(request)
            except BlockingIOError:
                await anyio.wait_writable(self._sock)
            except OSError as error:
                raise failure(f"cannot send {len(request)} bytes", error) from error
            else:
                return

    async def _collect(self, exchange: Exchange) -> None:
        while True:
            for _ in range(_DATAGRAMS_A_TURN):
                datagram = self._read()
                if datagram is None:
                    await anyio.wait_readable(self._sock)
                    break
                exchange.feed(datagram)
                if exchange.done:
                    return
            else:
                await anyio.lowlevel.checkpoint()


def _answer(exchange: Exchange, key: str) -> list[Message]:
    refusal = exchange.refusal
    if refusal:
        raise OpError(key, refusal.errno, refusal.message, offset=refusal.offset)
    if exchange.interrupted:
        raise DumpInterrupted(f"{key}: the kernel's tables changed while they were dumped")
    return exchange.messages
