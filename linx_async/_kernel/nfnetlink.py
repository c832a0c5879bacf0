"""The nfnetlink socket of nf_tables: dumps, the generation, and transactions."""

from __future__ import annotations

import errno
from collections.abc import Sequence
from functools import partial
from typing import Final

import anyio.lowlevel
from anyio.abc import AsyncResource

from .._core.errors import OpError, SourceError
from .datagrams import DATAGRAMS_A_TURN, Datagrams, EventsLost
from .exchange import RawDump, Refusal
from .netlink import Flag, Message, pack_message
from .netlink_open import NETLINK_NETFILTER
from .nfnetlink_batch import Batch, Change, Commit, pack_batch
from .nfnetlink_messages import GETGEN, Generation, nfgenmsg, nft_type, undated
from .socket import NetlinkSocket, Opener

__all__ = [
    "NFNLGRP_NFTABLES",
    "Change",
    "Commit",
    "Generation",
    "NfnetlinkSocket",
    "StaleGeneration",
    "undated",
]

NFNLGRP_NFTABLES: Final = 7
"""The group of changes to the rule set: `NetlinkSocket.open(NETLINK_NETFILTER, [7])`."""

_CURES: Final = {
    errno.EPERM: "it takes CAP_NET_ADMIN in the network namespace",
    errno.EOPNOTSUPP: "this kernel lacks nf_tables, or the module that brings it",
}

# What a refusal charges the receive buffer, and what an echo does for each byte that was sent.
_REFUSAL_CHARGE: Final = 1024
_ECHO_CHARGE: Final = 10
_LARGEST_RECEIVE_BUFFER: Final = 64 << 20
"""Of a message: all but its length, and nfgenmsg."""


class StaleGeneration(SourceError):
    """Somebody changed the rule set since it was read; nothing was done.

    Attributes:
        generation: The id that was expected.
    """

    def __init__(self, key: str, generation: int) -> None:
        self.generation = generation
        super().__init__(
            f"{key}: somebody else changed the rule set since generation {generation}: read it"
            " again"
        )


class NfnetlinkSocket(AsyncResource):
    """A socket to read nf_tables with, and to change it in transactions.

    A table with NFT_TABLE_F_OWNER belongs to the socket that made it, by its port id. It goes when
    the last duplicate of the descriptor is closed, which a program that is run does not inherit.

    Args:
        sock: One of NETLINK_NETFILTER, without groups; it is ours from now on.
    """

    def __init__(self, sock: NetlinkSocket) -> None:
        self._sock = sock

    @classmethod
    async def open(cls, *, opener: Opener | None = None) -> NfnetlinkSocket:
        """Open a socket, in a worker thread.

        Args:
            opener: As for `NetlinkSocket.open`.

        Raises:
            SourceError: The socket cannot be had.
        """
        return cls(await NetlinkSocket.open(NETLINK_NETFILTER, opener=opener))

    @property
    def port(self) -> int:
        """The port id (nl_pid), which tables tell as their owner (NFTA_TABLE_OWNER)."""
        return self._sock.port

    async def aclose(self) -> None:
        """Close it, after a transaction that is under way. Tables that it owns go with it."""
        await self._sock.aclose()

    async def dump(self, kind: int, family: int, attributes: bytes = b"", *, key: str) -> RawDump:
        """Ask for a dump, and take it as it comes: within a generation, the same bytes each time.

        Rules, objects and flowtables of a table that does not exist are a dump of nothing; sets and
        elements of one are refused with ENOENT (nf_tables_getset()). Chains and tables are always
        told of all tables. A dump of elements does not say that it spans generations: put
        `generation` before and after it.

        Args:
            kind: NFT_MSG_GET*.
            family: NFPROTO_*, 0 for all.
            attributes: What follows nfgenmsg.
            key: What it is about, for errors.

        Raises:
            OpError: The kernel refused it.
            SourceError: No whole answer came.
            ValueError: A number does not fit the header.
            anyio.ClosedResourceError: It is closed.
        """
        return await self._sock.dump(nft_type(kind), nfgenmsg(family) + attributes, key=key)

    async def get(
        self, kind: int, family: int, attributes: bytes = b"", *, key: str
    ) -> Message | None:
        """Ask for one object.

        Args and errors: as for `dump`.

        Returns:
            The message about it, or None: it is not there, or what it is part of is not.
        """
        try:
            answer = await self._sock.request(
                nft_type(kind), 0, nfgenmsg(family) + attributes, key=key
            )
        except OpError as error:
            if error.errno == errno.ENOENT:
                return None
            raise
        return answer[0] if answer else None

    async def generation(self) -> Generation:
        """The present generation of the rule set; its `pid` and `name` are our own.

        Raises:
            OpError: The kernel refused it.
            SourceError: No whole answer came.
            anyio.ClosedResourceError: It is closed.
        """
        key = "the rule set's generation"
        try:
            answer = await self.get(GETGEN, 0, key=key)
        except OpError as error:
            cure = _CURES.get(error.errno or 0, error.message)
            raise OpError(key, error.errno, cure) from error
        if answer is None:
            raise SourceError(f"{key}: the kernel does not tell it")
        try:
            return Generation.decode(answer.payload)
        except ValueError as error:
            raise SourceError(f"{key}: {error}") from error

    async def commit(
        self,
        changes: Sequence[Change],
        *,
        generation: int | None,
        echo: bool = False,
        key: str = "the transaction",
    ) -> Commit:
        """Carry out changes as one transaction: all of them, or nothing.

        It is sent in a worker thread: the kernel takes milliseconds for thousands of changes and
        for any that it refuses (synchronize_rcu() in nf_tables_abort()), and has others wait. Once
        sent it is carried out whole; where that is cancelled, what came of it is not known.

        Args:
            changes: What to do.
            generation: The id of the generation they are meant for; None does not look.
            echo: Tell the objects as they are in the kernel now. For a few changes to what is big:
                after thousands of changes a dump takes less time.
            key: What it is about, for errors.

        Raises:
            StaleGeneration: The rule set is at another generation (ERESTART).
            OpError: The kernel refused the transaction as such.
            SourceError: It is too big to be sent, or no whole answer came; then what came of it is
                not known.
            ValueError: A number does not fit its field.
            anyio.ClosedResourceError: It is closed.
        """
        async with self._sock.conversation(key) as datagrams:
            seqs = self._sock.sequence(len(changes) + 3)
            batch = Batch(seqs, self.port, echo=echo)
            await datagrams.send_apart(
                partial(pack_batch, changes, seqs[:-1], generation=generation, echo=echo),
                receive_buffer=partial(_answer_size, changes, echo),
            )
            await _gather(datagrams, batch)
            barrier = pack_message(nft_type(GETGEN), Flag.REQUEST, seqs[-1], nfgenmsg(0))
            await datagrams.send(barrier)
            await datagrams.collect(batch)
        if batch.whole:
            _raise(batch.whole, generation, key)
        if batch.unknown:
            raise SourceError(f"{key}: the kernel dropped its answer: what came of it is not known")
        return batch.commit()


async def _gather(datagrams: Datagrams, batch: Batch) -> None:
    """Read all that a transaction left: it is there by the time it is sent.

    Only then is there room again: the answer to what is sent next would be dropped too.
    """
    while True:
        for _ in range(DATAGRAMS_A_TURN):
            try:
                datagram = datagrams.read()
            except EventsLost:
                batch.lose()
                continue
            if datagram is None:
                return
            batch.feed(datagram)
        await anyio.lowlevel.checkpoint()


def _answer_size(changes: Sequence[Change], echo: bool, length: int) -> int:
    """Bytes of receive buffer that the answer may take."""
    echoed = length if echo else len(changes[0].attributes) if changes else 0
    needed = _REFUSAL_CHARGE * (len(changes) + 4) + _ECHO_CHARGE * echoed
    return min(needed, _LARGEST_RECEIVE_BUFFER)


def _raise(refusal: Refusal, generation: int | None, key: str) -> None:
    if refusal.errno == errno.ERESTART and generation is not None:
        raise StaleGeneration(key, generation)
    said = refusal.message or _CURES.get(refusal.errno, "")
    raise OpError(key, refusal.errno, said, offset=refusal.offset)
