"""Netlink sockets that wait on anyio: requests with their answers, and multicast groups."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager
from typing import Final, TypeAlias

import anyio
import anyio.lowlevel
import anyio.to_thread
from anyio.abc import AsyncResource

from .._core.errors import DumpInterrupted, OpError, SourceError
from .datagrams import Answer, Datagrams, EventsLost
from .exchange import Exchange, RawDump, Refusal, Transaction
from .netlink import (
    Flag,
    Message,
    NetlinkDecodeError,
    next_sequence,
    numbered,
    pack_message,
    with_flags,
)
from .netlink_open import NETLINK_ROUTE, Opening, open_socket

__all__ = ["NETLINK_ROUTE", "EventsLost", "NetlinkSocket", "Opener", "Request", "packed_change"]

Opener = Callable[[Callable[[], socket.socket]], socket.socket]
"""Calls a function, in the network namespace that a socket shall belong to."""

Request: TypeAlias = tuple[int, int, bytes]
"""A message to send: its type, its flags, its payload."""

_DUMP: Final = int(Flag.REQUEST | Flag.DUMP)

_FIRST_OF_DUMPS: Final = 2**31
# 256 refusals overflow the default receive buffer: each charges some 832 bytes of it.
_MESSAGES_A_SEND: Final = 250
_BYTES_A_SEND: Final = 65536


class NetlinkSocket(AsyncResource):
    """A netlink socket for requests, or, with groups, for notifications: not for both.

    The notification of one's own change carries the request's sequence number and port id
    (nlmsg_notify() in net/netlink/af_netlink.c): on one socket it would pass for the answer.
    """

    def __init__(self, sock: socket.socket, *, listens: bool) -> None:
        self._datagrams = Datagrams(sock)
        self._listens = listens
        self._reading = anyio.ResourceGuard("reading from")
        self._turn = anyio.Lock()
        self._seq = 0
        self._dump_seq = _FIRST_OF_DUMPS
        self._unsettled = False

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
        return self._datagrams.port

    async def aclose(self) -> None:
        """Close it. Whoever waits in `receive` or `request` gets anyio.ClosedResourceError."""
        await self._datagrams.aclose()

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
            return await self._datagrams.notifications()

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
        flags |= Flag.REQUEST if flags & Flag.DUMP == Flag.DUMP else Flag.REQUEST | Flag.ACK
        what = key or f"request {type}"
        async with self._turn:
            seq = self.sequence(1)[0]
            exchange = Exchange(seq, self.port)
            await self._converse(pack_message(type, flags, seq, payload), exchange, what)
        return _answer(exchange, what)

    async def dump(self, type: int, payload: bytes, *, key: str = "") -> RawDump:
        """Ask for a dump, and take it as it comes, without looking at it.

        Dumps have one sequence number of their own on this socket, so that those of an unchanged
        table are the same bytes. Right after an answer that was cut short, they have another.

        Args:
            type: nlmsg_type of the request.
            payload: The family's header and the attributes.
            key: What it is about, for errors.

        Raises:
            OpError: The kernel refused it.
            SourceError: No whole answer came.
            ValueError: A number does not fit the header, or the socket listens to groups.
            anyio.ClosedResourceError: It is closed.
        """
        what = key or f"request {type}"
        async with self._turn:
            if self._unsettled:
                self._dump_seq = max(next_sequence(self._dump_seq), _FIRST_OF_DUMPS)
            dump = RawDump(self._dump_seq, self.port)
            await self._converse(pack_message(type, _DUMP, dump.seq, payload), dump, what)
        _check(dump.refusal, what)
        return dump

    async def change(self, requests: Sequence[Request], *, key: str = "") -> list[Refusal | None]:
        """Send changes, many at once; one that is refused does not stop those after it.

        Args:
            requests: What to send; NLM_F_REQUEST is added.
            key: What it is about, for errors.

        Returns:
            For each, why the kernel refused it, or None.

        Raises:
            SourceError: No whole answer came; what was carried out is not known.
            ValueError: A number does not fit the header, or the socket listens to groups.
            anyio.ClosedResourceError: It is closed.
        """
        return await self.change_packed([packed_change(*request) for request in requests], key=key)

    async def change_packed(
        self, messages: Sequence[bytes], *, key: str = ""
    ) -> list[Refusal | None]:
        """Send changes that `packed_change` made: `change` for a hundred thousand of them."""
        refusals: list[Refusal | None] = []
        async with self._turn:
            for part in _parts(messages):
                seqs = self.sequence(len(part))
                transaction = Transaction(seqs, self.port)
                # Refusals come unasked; the ack of the last one ends the answer.
                asked = [*part[:-1], with_flags(part[-1], Flag.ACK)]
                await self._converse(numbered(asked, seqs), transaction, key or "changes")
                refusals += transaction.refusals
                await anyio.lowlevel.checkpoint()
        return refusals

    def sequence(self, count: int) -> range:
        """Sequence numbers for requests, one after the other; dumps have the other half of them."""
        if self._seq + count >= _FIRST_OF_DUMPS:
            self._seq = 0
        first = self._seq + 1
        self._seq += count
        return range(first, first + count)

    @asynccontextmanager
    async def conversation(self, key: str) -> AsyncIterator[Datagrams]:
        """Have the socket to oneself, for requests of another form and their answers.

        What it is left with unread, after an error or a cancellation, is dropped by the next.

        Args:
            key: What it is about, for errors.

        Raises:
            SourceError: No whole answer came.
            ValueError: The socket listens to groups.
        """
        async with self._turn, self._settled(key) as datagrams:
            yield datagrams

    @asynccontextmanager
    async def _settled(self, what: str) -> AsyncIterator[Datagrams]:
        if self._listens:
            raise ValueError("groups: a socket that listens to groups takes no requests")
        with self._reading:
            if self._unsettled:
                # A dump that was left halfway would make the next one fail with EBUSY.
                await self._datagrams.drain()
            self._unsettled = True
            try:
                yield self._datagrams
            except (EventsLost, NetlinkDecodeError) as error:
                raise SourceError(f"{what}: no whole answer: {error}") from error
            self._unsettled = False

    async def _converse(self, data: bytes, answer: Answer, what: str) -> None:
        async with self._settled(what) as datagrams:
            await datagrams.send(data)
            await datagrams.collect(answer)


def packed_change(type: int, flags: int, payload: bytes) -> bytes:
    """The message of a change, but for its sequence number.

    Args:
        type: nlmsg_type.
        flags: nlmsg_flags; NLM_F_REQUEST is added.
        payload: The family's header and the attributes.

    Raises:
        ValueError: A number does not fit the header.
    """
    return pack_message(type, flags | Flag.REQUEST, 0, payload)


def _parts(messages: Sequence[bytes]) -> Iterator[Sequence[bytes]]:
    """Which messages go together, so that each send is small enough."""
    start = 0
    while start < len(messages):
        part = messages[start : start + _MESSAGES_A_SEND]
        while len(part) > 1 and sum(map(len, part)) > _BYTES_A_SEND:
            part = part[: len(part) // 2]
        yield part
        start += len(part)


def _check(refusal: Refusal | None, key: str) -> None:
    if refusal:
        raise OpError(key, refusal.errno, refusal.message, offset=refusal.offset)


def _answer(exchange: Exchange, key: str) -> list[Message]:
    _check(exchange.refusal, key)
    if exchange.interrupted:
        raise DumpInterrupted(f"{key}: the kernel's tables changed while they were dumped")
    return exchange.messages
