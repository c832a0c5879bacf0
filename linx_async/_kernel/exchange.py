"""One netlink request and its answer, put together from what comes in, without any I/O."""

from __future__ import annotations

import errno
import struct
from typing import Final

from attrs import frozen

from .netlink import (
    MESSAGE,
    U32,
    Control,
    Flag,
    Message,
    NetlinkDecodeError,
    align,
    attribute_map,
    split,
)

__all__ = ["Exchange", "RawDump", "Refusal", "Transaction", "acknowledgement"]

_MIN_TYPE: Final = 16
# Plain ints: arithmetic on enum members costs more than taking a message apart does.
_ERROR, _DONE, _OVERRUN = (int(kind) for kind in (Control.ERROR, Control.DONE, Control.OVERRUN))
_DUMP_INTR, _CAPPED, _ACK_TLVS = (
    int(flag) for flag in (Flag.DUMP_INTR, Flag.CAPPED, Flag.ACK_TLVS)
)

_STATUS: Final = struct.Struct("=i")

# include/uapi/linux/netlink.h, enum nlmsgerr_attrs
_ERROR_TEXT: Final = 1
_ERROR_OFFSET: Final = 2


@frozen
class Refusal:
    """Why the kernel refused a request.

    Attributes:
        errno: The error number, positive.
        message: The kernel's own words (extended ack), empty where it gave none.
        offset: Bytes into the request at which the kernel found the fault, or None.
    """

    errno: int
    message: str = ""
    offset: int | None = None


def acknowledgement(message: Message) -> Refusal | None:
    """What an NLMSG_ERROR says: None for success (an ack), else why it was refused.

    Raises:
        NetlinkDecodeError: There is no error number in it.
    """
    payload = message.payload
    if len(payload) < _STATUS.size:
        raise NetlinkDecodeError("an error without its number", len(payload))
    (status,) = _STATUS.unpack_from(payload)
    if not status:
        return None
    tail = _STATUS.size + MESSAGE.size
    if not message.flags & _CAPPED and len(payload) >= tail:
        # The whole request is echoed, and what else there is to say comes after it.
        tail += max(0, align(U32.unpack_from(payload, _STATUS.size)[0]) - MESSAGE.size)
    return _refusal(-status, message.flags, payload, tail)


def _dump_status(message: Message) -> Refusal | None:
    """What an NLMSG_DONE says. A table that does not exist (ENOENT) is a dump of nothing."""
    if len(message.payload) < _STATUS.size:
        return None
    (status,) = _STATUS.unpack_from(message.payload)
    if status >= 0 or status == -errno.ENOENT:
        return None
    return _refusal(-status, message.flags, message.payload, _STATUS.size)


def _refusal(number: int, flags: int, payload: bytes, tail: int) -> Refusal:
    if not flags & _ACK_TLVS:
        return Refusal(abs(number))
    try:
        said = attribute_map(payload, tail)
    except NetlinkDecodeError:
        # The number is what counts; words that cannot be read must not hide it.
        return Refusal(abs(number))
    text = said.get(_ERROR_TEXT, b"").split(b"\0", 1)[0].decode("utf-8", "replace")
    offset = said.get(_ERROR_OFFSET, b"")
    known = len(offset) == U32.size
    return Refusal(abs(number), text, U32.unpack(offset)[0] if known else None)


class Exchange:
    """One request's answer, put together from the datagrams that come in.

    It ends with the ack, the error or the end of the dump that carries the request's sequence
    number and our port id; all else (notifications, late answers to earlier requests) is passed
    over. Requests that are no dumps ask for an ack, so that every answer has an end.

    Attributes:
        messages: The answer so far, without what only ended it.
        interrupted: The tables changed while they were dumped (NLM_F_DUMP_INTR): ask again.
        refusal: Why the kernel refused, once it is done; None where it did not.
        done: The answer is complete.
    """

    __slots__ = ("_port", "_seq", "done", "interrupted", "messages", "refusal")

    def __init__(self, seq: int, port: int) -> None:
        self._seq = seq
        self._port = port
        self.messages: list[Message] = []
        self.interrupted = False
        self.refusal: Refusal | None = None
        self.done = False

    def feed(self, datagram: bytes) -> None:
        """Take in a datagram. What comes after the end is passed over.

        Raises:
            NetlinkDecodeError: It is malformed, so the answer cannot be relied on.
        """
        for message in split(datagram):
            if self.done:
                return
            if message.seq == self._seq and message.pid == self._port:
                self._take(message)

    def pause(self) -> None:
        """Nothing more has come for now."""

    def _take(self, message: Message) -> None:
        if message.flags & _DUMP_INTR and message.type != _ERROR:
            self.interrupted = True
        if message.type >= _MIN_TYPE:
            self.messages.append(message)
        elif message.type == _ERROR:
            self.refusal = acknowledgement(message)
            self.done = True
        elif message.type == _DONE:
            self.refusal = _dump_status(message)
            self.done = True
        elif message.type == _OVERRUN:
            self.interrupted = True


class RawDump:
    """A dump as it came: its datagrams, of which only the ends are looked at.

    Attributes:
        seq: The request's sequence number.
        port: Our port id.
        datagrams: What came, without what only ended it; each is whole messages.
        interrupted: The end says that the tables changed meanwhile (NLM_F_DUMP_INTR); what came
            before it may say so too.
        refusal: Why the kernel refused, once it is done; None where it did not.
        done: The answer is complete.
    """

    __slots__ = ("datagrams", "done", "interrupted", "port", "refusal", "seq")

    def __init__(self, seq: int, port: int) -> None:
        self.seq = seq
        self.port = port
        self.datagrams: list[bytes] = []
        self.interrupted = False
        self.refusal: Refusal | None = None
        self.done = False

    def feed(self, datagram: bytes) -> None:
        """Take in a datagram. One that is not of this answer is passed over.

        Raises:
            NetlinkDecodeError: It is too short for a header.
        """
        if len(datagram) < MESSAGE.size:
            if datagram:
                raise NetlinkDecodeError("a message header is cut short", 0)
            return
        _, _, _, seq, port = MESSAGE.unpack_from(datagram)
        if seq == self.seq and port == self.port:
            self.datagrams.append(datagram)

    def pause(self) -> None:
        """Nothing more has come: the kernel makes the rest of a dump while the last is read.

        Raises:
            NetlinkDecodeError: The end is malformed.
        """
        if not self.datagrams:
            return
        last = self.datagrams[-1]
        offset = 0
        for message in split(last):
            if message.type in {_ERROR, _DONE}:
                error = message.type == _ERROR
                self.interrupted = not error and bool(message.flags & _DUMP_INTR)
                self.refusal = acknowledgement(message) if error else _dump_status(message)
                self.done = True
                self.datagrams.pop()
                if offset:
                    self.datagrams.append(last[:offset])
                return
            offset += align(MESSAGE.size + len(message.payload))


class Transaction:
    """The answer to several changes that were sent as one, of which only the last asks for an ack.

    Refusals come unasked, each with its request's sequence number.

    Attributes:
        refusals: For each request, why the kernel refused it, or None.
        done: The answer is complete.
    """

    __slots__ = ("_port", "_seqs", "done", "refusals")

    def __init__(self, seqs: range, port: int) -> None:
        self._seqs = seqs
        self._port = port
        self.refusals: list[Refusal | None] = [None] * len(seqs)
        self.done = False

    def feed(self, datagram: bytes) -> None:
        """Take in a datagram.

        Raises:
            NetlinkDecodeError: It is malformed, so the answer cannot be relied on.
        """
        for message in split(datagram):
            seq = message.seq
            if seq not in self._seqs or message.pid != self._port or message.type != _ERROR:
                continue
            self.refusals[seq - self._seqs[0]] = acknowledgement(message)
            if seq == self._seqs[-1]:
                self.done = True

    def pause(self) -> None:
        """Nothing more has come for now."""
