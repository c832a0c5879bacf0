"""The headers of nfnetlink, and the generation of nf_tables."""

from __future__ import annotations

import struct
from typing import Final

from attrs import frozen

from .exchange import RawDump
from .netlink import MESSAGE, NetlinkDecodeError, attribute_map

__all__ = ["GETGEN", "NEWGEN", "NFGENMSG", "Generation", "nfgenmsg", "nft_type", "undated"]

# include/uapi/linux/netfilter/nfnetlink.h
NFGENMSG: Final = struct.Struct(">BBH")
"""nfgenmsg: family, version, res_id."""
_SUBSYS_NFTABLES: Final = 10

# include/uapi/linux/netfilter/nf_tables.h
NEWGEN: Final = 15
"""NFT_MSG_NEWGEN: a generation is told, to listeners or to who asked."""
GETGEN: Final = 16
"""NFT_MSG_GETGEN."""
_ID, _PROC_PID, _PROC_NAME = 1, 2, 3  # NFTA_GEN_*

_BE32: Final = struct.Struct(">I")
_LIKE: Final = slice(4, MESSAGE.size + NFGENMSG.size)
"""Of a message all its headers have but the length."""


def nft_type(kind: int) -> int:
    """The nlmsg_type of an nf_tables message: NFT_MSG_* and the subsystem.

    Raises:
        ValueError: Not within 0 to 255.
    """
    if not 0 <= kind <= 0xFF:
        raise ValueError(f"nf_tables message: {kind!r} is not within 0 to 255")
    return _SUBSYS_NFTABLES << 8 | kind


def nfgenmsg(family: int, resource: int = 0) -> bytes:
    """The header that each payload of nfnetlink starts with.

    Args:
        family: NFPROTO_*: 1 inet, 2 ip, 3 arp, 5 netdev, 7 bridge, 10 ip6; 0 none.
        resource: res_id: the subsystem that a batch is for; in what nf_tables tells, the lower
            16 bits of the generation.

    Raises:
        ValueError: A number does not fit.
    """
    try:
        return NFGENMSG.pack(family, 0, resource)
    except struct.error as error:
        raise ValueError(
            f"nfgenmsg: family {family} or resource {resource} does not fit"
        ) from error


@frozen
class Generation:
    """A generation of the rule set of a network namespace: each transaction makes the next.

    Attributes:
        id: Its number, never 0; after 2^32-1 comes 1 (nf_tables_commit()).
        pid: In the notification, the thread that made it; in an answer to NFT_MSG_GETGEN, the one
            that asked (nf_tables_fill_gen_info() takes `current`).
        name: That thread's name (comm), likewise.
    """

    id: int
    pid: int
    name: str

    @classmethod
    def decode(cls, payload: bytes) -> Generation:
        """Read the payload of NFT_MSG_NEWGEN.

        Raises:
            NetlinkDecodeError: It is malformed, or has no number.
        """
        said = attribute_map(payload, NFGENMSG.size)
        number, pid = (said.get(kind, b"") for kind in (_ID, _PROC_PID))
        if len(number) != _BE32.size:
            raise NetlinkDecodeError("a generation without its number", len(payload))
        return cls(
            _BE32.unpack(number)[0],
            _BE32.unpack(pid)[0] if len(pid) == _BE32.size else 0,
            said.get(_PROC_NAME, b"").split(b"\0", 1)[0].decode("utf-8", "replace"),
        )


def undated(dump: RawDump) -> bytes:
    """A dump without the generation that each message tells, to be compared with another's.

    Each nfgenmsg has the lower 16 bits of the generation (nfnl_msg_put() in
    include/linux/netfilter/nfnetlink.h), whichever table that was about. Messages that tell another
    than the first one does are left as they are: a dump across generations is like no other.
    """
    data = b"".join(dump.datagrams)
    head = data[_LIKE]
    return data.replace(head, head[:-2] + b"\0\0") if data else data
