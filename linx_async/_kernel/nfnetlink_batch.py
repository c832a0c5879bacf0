"""Transactions of nf_tables as bytes: the batch that is sent, and what the kernel says to it."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Final, NamedTuple

from attrs import frozen

from .exchange import Refusal, acknowledgement
from .netlink import (
    Control,
    Flag,
    Message,
    NetlinkDecodeError,
    pack_attribute,
    pack_message,
    split,
)
from .nfnetlink_messages import NEWGEN, NFGENMSG, Generation, nfgenmsg, nft_type

__all__ = ["Batch", "Change", "Commit", "pack_batch"]

# include/uapi/linux/netfilter/nfnetlink.h
_SUBSYS_NFTABLES: Final = 10
_BATCH_BEGIN: Final = 16
_BATCH_END: Final = 17
_BATCH_GENID: Final = 1

_BE32: Final = struct.Struct(">I")
_HEAD: Final = struct.Struct("=IHHIIB3x")
"""nlmsghdr, and nfgenmsg of version 0 and resource 0."""
_NEWGEN: Final = nft_type(NEWGEN)
_MIN_TYPE: Final = 16
_REQUEST, _ECHO, _ERROR = int(Flag.REQUEST), int(Flag.ECHO), int(Control.ERROR)


class Change(NamedTuple):
    """One message of a transaction.

    Attributes:
        kind: NFT_MSG_*, without the subsystem.
        flags: nlmsg_flags: NLM_F_CREATE, NLM_F_APPEND …; NLM_F_REQUEST is added.
        family: NFPROTO_* of the table.
        attributes: What follows nfgenmsg.
    """

    kind: int
    flags: int
    family: int
    attributes: bytes


@frozen
class Commit:
    """What came of a transaction: all of it was carried out, or nothing.

    Attributes:
        refusals: For each change, why the kernel refused it, or None. With any, nothing was done.
            Where the commit as a whole failed, the kernel says so of the first change
            (nfnetlink_rcv_batch() in net/netfilter/nfnetlink.c).
        untold: More changes may have been refused than are told here: the receive buffer was full.
        generation: The id of the generation that it made; None where it made none, since it was
            refused or changed nothing.
        echoes: With `echo`, the objects as the kernel has them now, with their handles: each
            change's index, and the message about it. None of elements: the kernel does not say
            which change they come of.
    """

    refusals: tuple[Refusal | None, ...]
    untold: bool
    generation: int | None
    echoes: tuple[tuple[int, Message], ...] = ()

    @property
    def refused(self) -> bool:
        """Whether nothing was done, because of a refusal."""
        return any(self.refusals)


def pack_batch(
    changes: Sequence[Change], seqs: range, *, generation: int | None = None, echo: bool = False
) -> bytes:
    """One transaction, as the one datagram that it has to be.

    The first change asks for an echo in any case: the kernel then tells us the new generation
    (nf_tables_gen_notify() looks at the flags of the first message alone), which proves success.

    Args:
        changes: What to do.
        seqs: The sequence numbers: of the beginning, of each change, and of the end.
        generation: The id of the only generation that it may follow on; None follows on any.
        echo: Have every change echoed.

    Raises:
        ValueError: A number does not fit its field, or the generation is 0, which is none.
    """
    begin = nfgenmsg(0, _SUBSYS_NFTABLES)
    end = pack_message(_BATCH_END, _REQUEST, seqs[-1], begin)
    if generation is not None:
        if not 0 < generation <= 0xFFFFFFFF:
            raise ValueError(f"generation: {generation!r} is not within 1 to 4294967295")
        begin += pack_attribute(_BATCH_GENID, _BE32.pack(generation))
    parts = [pack_message(_BATCH_BEGIN, _REQUEST, seqs[0], begin)]
    more = _REQUEST | _ECHO
    for seq, change in zip(seqs[1:-1], changes, strict=True):
        kind, flags, family, attributes = change
        length = _HEAD.size + len(attributes)
        try:
            parts.append(_HEAD.pack(length, nft_type(kind), flags | more, seq, 0, family))
        except (ValueError, struct.error) as error:
            raise ValueError(
                f"change {seq - seqs[1]}: kind {kind}, flags {flags}, family {family} or length"
                f" {length} does not fit the header"
            ) from error
        parts.append(attributes)
        if length & 3:
            parts.append(bytes(-length & 3))
        if not echo:
            more = _REQUEST
    parts.append(end)
    return b"".join(parts)


class Batch:
    """The answer to a transaction, put together from the datagrams that come in.

    Each refusal carries its change's sequence number. The end is not told by old kernels: it is
    there when a later NFT_MSG_GETGEN is answered.

    Args:
        seqs: The sequence numbers: of the beginning, each change, the end, and NFT_MSG_GETGEN.
        port: Our port id.
        echo: Keep what is echoed.

    Attributes:
        whole: Why the kernel refused the transaction as such, or the question that ends it.
        done: The answer is complete.
    """

    __slots__ = ("_after", "_echo", "_echoes", "_lost", "_made", "_port", "_refusals", "_seqs",
                 "done", "whole")  # fmt: skip

    def __init__(self, seqs: range, port: int, *, echo: bool = False) -> None:
        self._seqs = seqs
        self._port = port
        self._echo = echo
        self._refusals: list[Refusal | None] = [None] * (len(seqs) - 3)
        self._echoes: list[tuple[int, Message]] = []
        self._made: int | None = None
        self._after = 0
        self._lost = False
        self.whole: Refusal | None = None
        self.done = False

    @property
    def unknown(self) -> bool:
        """So much was lost that there is no telling whether it was carried out."""
        return self._lost and self._made is None and not any(self._refusals) and not self.whole

    def lose(self) -> None:
        """The receive buffer had no room for all there was to tell."""
        self._lost = True

    def feed(self, datagram: bytes) -> None:
        """Take in a datagram.

        Raises:
            NetlinkDecodeError: It is malformed, so the answer cannot be relied on.
        """
        for message in split(datagram):
            ours = message.seq in self._seqs
            # Elements are echoed without a number (nf_tables_setelem_notify()).
            if message.pid != self._port or not (ours or message.seq == 0):
                continue
            if message.type < _MIN_TYPE or message.seq == self._seqs[-1]:
                self._end(message)
            else:
                self._see(message)
                if not self._echo:
                    return  # Thousands more may come of it, and say no more.

    def pause(self) -> None:
        """Nothing more has come for now."""

    def commit(self) -> Commit:
        """What came of it, once it is done."""
        made = self._made
        if made is not None:
            # The newest generation with these lower bits.
            made = self._after - (self._after - made & 0xFFFF) & 0xFFFFFFFF
        untold = self._lost and made is None
        return Commit(tuple(self._refusals), untold, made, tuple(self._echoes))

    def _end(self, message: Message) -> None:
        last = message.seq == self._seqs[-1]
        if message.type == _ERROR and message.seq:
            self._refuse(message.seq - self._seqs[0] - 1, acknowledgement(message))
        elif last:
            self._after = Generation.decode(message.payload).id
        self.done = self.done or last

    def _refuse(self, at: int, refusal: Refusal | None) -> None:
        if 0 <= at < len(self._refusals):
            self._refusals[at] = self._refusals[at] or refusal
        else:
            self.whole = self.whole or refusal

    def _see(self, message: Message) -> None:
        """Whatever is echoed was committed, as the generation whose lower bits are in res_id."""
        if len(message.payload) < NFGENMSG.size:
            raise NetlinkDecodeError("a message of nf_tables without its header", 0)
        self._made = NFGENMSG.unpack_from(message.payload)[2]
        at = message.seq - self._seqs[0] - 1
        if self._echo and message.type != _NEWGEN and 0 <= at < len(self._refusals):
            self._echoes.append((at, message))
