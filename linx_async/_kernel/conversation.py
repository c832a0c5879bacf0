"""A netlink socket for requests from a thread that may block."""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from types import TracebackType
from typing import Final, Self

from .._core.errors import DumpInterrupted, OpError, SourceError
from .abort import Patience
from .exchange import Exchange
from .netlink import Flag, Message, NetlinkDecodeError, pack_message
from .netlink_open import failure, prepare
from .nfnetlink_batch import Batch, Change, Commit, pack_batch
from .nfnetlink_messages import GETGEN, nfgenmsg, nft_type

__all__ = ["Conversation"]

_DATAGRAM_SIZE: Final = 65536
_TRIES: Final = 5
_KERNEL: Final = 0


class Conversation:
    """Requests and their answers, one after the other; blocks throughout.

    Args:
        fd: An open netlink socket, not bound yet; it is ours from now on.
        patience: How long answers are waited for.
    """

    def __init__(self, fd: int, patience: Patience) -> None:
        try:
            self._sock = socket.socket(fileno=fd)
        except BaseException:
            os.close(fd)
            raise
        self._patience = patience
        self._seq = 0
        try:
            self._sock.setblocking(False)
            prepare(self._sock, "netlink socket")
        except BaseException:
            self._sock.close()
            raise
        self._port: int = self._sock.getsockname()[0]

    def request(
        self, type: int, flags: int = 0, payload: bytes = b"", *, key: str
    ) -> list[Message]:
        """Send a request and wait for its whole answer; a dump that was interrupted is repeated.

        Args:
            type: nlmsg_type.
            flags: nlmsg_flags; NLM_F_REQUEST is added, and NLM_F_ACK to what is no dump.
            payload: The family's header and the attributes.
            key: What it is about, for errors.

        Raises:
            OpError: The kernel refused it.
            SourceError: No whole answer came.
            Aborted: Nobody wants the result any more.
            TimeoutError: It is too late.
        """
        flags |= Flag.REQUEST if flags & Flag.DUMP == Flag.DUMP else Flag.REQUEST | Flag.ACK
        for _ in range(_TRIES):
            self._seq += 1
            exchange = Exchange(self._seq, self._port)
            self._converse(pack_message(type, flags, self._seq, payload), exchange, key)
            if exchange.refusal is not None:
                refusal = exchange.refusal
                raise OpError(key, refusal.errno, refusal.message, offset=refusal.offset)
            if not exchange.interrupted:
                return exchange.messages
        raise DumpInterrupted(f"{key}: the kernel's tables changed while they were dumped")

    def commit(self, changes: Sequence[Change], *, key: str) -> Commit:
        """Carry out changes of nf_tables as one transaction: all of them, or nothing.

        Args:
            changes: What to do; some hundred at most: all of it has to fit the send buffer.
            key: What it is about, for errors.

        Raises:
            SourceError: No whole answer came.
            Aborted: Nobody wants the result any more.
            TimeoutError: It is too late.
        """
        seqs = range(self._seq + 1, self._seq + len(changes) + 4)
        self._seq = seqs[-1]
        batch = Batch(seqs, self._port)
        barrier = pack_message(nft_type(GETGEN), Flag.REQUEST, seqs[-1], nfgenmsg(0))
        self._send(pack_batch(changes, seqs[:-1]), key)
        self._converse(barrier, batch, key)
        return batch.commit()

    def _send(self, data: bytes, key: str) -> None:
        try:
            self._sock.send(data)
        except OSError as error:
            raise failure(key, error) from error

    def _converse(self, data: bytes, exchange: Exchange | Batch, key: str) -> None:
        try:
            self._sock.send(data)
            while not exchange.done:
                exchange.feed(self._receive(key))
        except NetlinkDecodeError as error:
            raise SourceError(f"{key}: no whole answer: {error}") from error
        except BlockingIOError as error:
            raise SourceError(f"{key}: the request was not taken: {error.strerror}") from error
        except TimeoutError:
            raise
        except OSError as error:
            raise failure(key, error) from error

    def _receive(self, key: str) -> bytes:
        self._patience.wait(self._sock.fileno())
        datagram, _, flags, sender = self._sock.recvmsg(_DATAGRAM_SIZE)
        if sender[0] != _KERNEL:
            return b""
        if flags & socket.MSG_TRUNC:
            raise SourceError(f"{key}: a datagram of more than {_DATAGRAM_SIZE} bytes was cut off")
        return datagram

    def pause(self, seconds: float) -> None:
        """Let some time pass.

        Raises:
            Aborted: Nobody wants the result any more.
            TimeoutError: It is too late.
        """
        self._patience.pause(seconds)

    def close(self) -> None:
        """Close the socket."""
        self._sock.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
