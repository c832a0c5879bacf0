"""What a kernel has of nf_tables: it may be built without inet, or be too old for some flag."""

from __future__ import annotations

import errno
import socket
from functools import cache
from typing import Final

import pytest

from linx_async._kernel.exchange import acknowledgement
from linx_async._kernel.netlink import Control, Flag, pack_attribute, pack_text, split
from linx_async._kernel.netlink_open import NETLINK_NETFILTER
from linx_async._kernel.nfnetlink import Change
from linx_async._kernel.nfnetlink_batch import pack_batch
from linx_async.netfilter.desired.families import FAMILIES

__all__ = ["ANY", "families", "lacking", "needs_inet", "needs_persist", "persists"]

NEWTABLE: Final = 0
OWNER_AND_PERSIST: Final = (6).to_bytes(4, "big")


@cache
def families() -> tuple[str, ...]:
    """Those families that it has; none where there is no nf_tables."""
    try:
        return tuple(name for name in FAMILIES if _is_taken(name))
    except OSError:
        return ()


def lacking(*wanted: str) -> str:
    """Why a test of tables of these families is to be skipped; empty where it is not."""
    missing = [name for name in wanted if name not in families()]
    return f"this kernel has no nf_tables of family {', '.join(missing)}" if missing else ""


@cache
def persists() -> bool:
    """Whether a table that has an owner can outlive it."""
    try:
        return _is_taken(ANY, pack_attribute(2, OWNER_AND_PERSIST))
    except OSError:
        return False


def _is_taken(family: str, attributes: bytes = b"") -> bool:
    """Whether a table can be made.

    It is added twice in one transaction, of which nothing is ever done: the second is refused
    because the first is there by then, or else the first one is.
    """
    name = pack_text(1, "a question")
    flags = int(Flag.CREATE | Flag.EXCL)
    changes = [Change(NEWTABLE, flags, FAMILIES[family], name + each) for each in (attributes, b"")]
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER) as sock:
        sock.bind((0, 0))
        sock.send(pack_batch(changes, range(1, 5)))
        return _refusals(sock) == {3: errno.EEXIST}


def _refusals(sock: socket.socket) -> dict[int, int]:
    """The error numbers by the sequence numbers; all are there once the kernel took a batch."""
    found: dict[int, int] = {}
    while True:
        try:
            datagram = sock.recv(1 << 16, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return found
        for message in split(datagram):
            if message.type == Control.ERROR and (refusal := acknowledgement(message)):
                found[message.seq] = refusal.errno


ANY: Final = next(iter(families()), "inet")
"""A family that it has, for tests that are about none."""

needs_inet = pytest.mark.skipif(bool(lacking("inet")), reason=lacking("inet"))
needs_persist = pytest.mark.skipif(
    not persists(), reason="this kernel knows no NFT_TABLE_F_PERSIST, which came with 6.9"
)
