"""Links made and broken from a test, without iproute2: plain calls that block for an instant."""

from __future__ import annotations

import struct
from contextlib import closing
from typing import Final

from linx_async._core.errors import OpError
from linx_async._kernel.exchange import Exchange
from linx_async._kernel.netlink import (
    Flag,
    Message,
    attribute_map,
    next_sequence,
    pack_attribute,
    pack_message,
    pack_nested,
    pack_text,
    pack_u32,
)
from linx_async._kernel.netlink_open import open_socket

__all__ = ["add_veth", "delete_link", "links", "rename_link", "set_mtu", "set_up"]

# include/uapi/linux/rtnetlink.h, if_link.h, if.h, veth.h
_NEWLINK: Final = 16
_DELLINK: Final = 17
_GETLINK: Final = 18
_SETLINK: Final = 19
_IFNAME: Final = 3
_MTU: Final = 4
_LINKINFO: Final = 18
_INFO_KIND: Final = 1
_INFO_DATA: Final = 2
_VETH_PEER: Final = 1
_UP: Final = 1
_LONGEST_NAME: Final = 15

_IFINFOMSG: Final = struct.Struct("=BxHiII")
_DATAGRAM_SIZE: Final = 65536
_PATIENCE: Final = 10.0


def links() -> list[str]:
    """The names of the links in the calling thread's network namespace, as all of these act there.

    Raises:
        OpError: The kernel refused.
        SourceError: No netlink socket could be opened.
    """
    return list(_indices())


def add_veth(name: str, peer: str) -> None:
    """Make a veth pair; both ends are down.

    Raises:
        OpError: The kernel refused: EEXIST where one of the names is taken.
        ValueError: A name is not one that a link can have.
    """
    other = _IFINFOMSG.pack(0, 0, 0, 0, 0) + pack_text(_IFNAME, _checked(peer))
    data = pack_nested(_INFO_DATA, pack_attribute(_VETH_PEER, other))
    info = pack_nested(_LINKINFO, pack_text(_INFO_KIND, "veth"), data)
    body = _IFINFOMSG.pack(0, 0, 0, 0, 0) + pack_text(_IFNAME, _checked(name)) + info
    _ask(_NEWLINK, Flag.CREATE | Flag.EXCL, body, f"add veth {name} and {peer}")


def delete_link(name: str) -> None:
    """Delete a link; a veth takes its peer along.

    Raises:
        OpError: The kernel refused: ENODEV where there is none.
    """
    _ask(_DELLINK, 0, _IFINFOMSG.pack(0, 0, _index(name), 0, 0), f"delete link {name}")


def rename_link(name: str, new: str) -> None:
    """Give a link another name. Kernels before 6.2 refuse (EBUSY) while it is up.

    Raises:
        OpError: The kernel refused: ENODEV where there is none, EEXIST where the name is taken.
        ValueError: The new name is not one that a link can have.
    """
    attribute = pack_text(_IFNAME, _checked(new))
    body = _IFINFOMSG.pack(0, 0, _index(name), 0, 0) + attribute
    _ask(_SETLINK, 0, body, f"rename link {name} to {new}")


def set_up(name: str, up: bool = True) -> None:
    """Set a link up, or down.

    Raises:
        OpError: The kernel refused: ENODEV where there is none.
    """
    body = _IFINFOMSG.pack(0, 0, _index(name), _UP if up else 0, _UP)
    _ask(_SETLINK, 0, body, f"set link {name} {'up' if up else 'down'}")


def set_mtu(name: str, mtu: int) -> None:
    """Set a link's MTU, in bytes.

    Raises:
        OpError: The kernel refused: ENODEV where there is none, EINVAL for what it cannot have.
        ValueError: The MTU is not within 0 to 2^32-1.
    """
    attribute = pack_u32(_MTU, mtu)
    body = _IFINFOMSG.pack(0, 0, _index(name), 0, 0) + attribute
    _ask(_SETLINK, 0, body, f"set link {name} mtu {mtu}")


def _checked(name: str) -> str:
    """As dev_valid_name() in net/core/dev.c has it, which says no more than EINVAL."""
    if (
        not 1 <= len(name.encode("utf-8", "surrogateescape")) <= _LONGEST_NAME
        or name in {".", ".."}
        or any(character in "/:\0" or character.isspace() for character in name)
    ):
        raise ValueError(
            f"link name: {name!r} is not 1 to 15 bytes without slash, colon, NUL and white space"
        )
    return name


def _indices() -> dict[str, int]:
    found: dict[str, int] = {}
    head = _IFINFOMSG.pack(0, 0, 0, 0, 0)
    for message in _ask(_GETLINK, Flag.DUMP, head, "list the links"):
        name = attribute_map(message.payload, _IFINFOMSG.size)[_IFNAME]
        found[name.rstrip(b"\0").decode("utf-8", "surrogateescape")] = _IFINFOMSG.unpack_from(
            message.payload
        )[2]
    return found


def _index(name: str) -> int:
    body = _IFINFOMSG.pack(0, 0, 0, 0, 0) + pack_text(_IFNAME, _checked(name))
    (answer,) = _ask(_GETLINK, 0, body, f"find link {name}")
    index: int = _IFINFOMSG.unpack_from(answer.payload)[2]
    return index


def _ask(kind: int, flags: int, payload: bytes, what: str) -> list[Message]:
    with closing(open_socket()) as sock:
        sock.settimeout(_PATIENCE)
        seq = next_sequence(0)
        exchange = Exchange(seq, sock.getsockname()[0])
        sock.send(pack_message(kind, Flag.REQUEST | Flag.ACK | flags, seq, payload))
        while not exchange.done:
            datagram, sender = sock.recvfrom(_DATAGRAM_SIZE)
            if sender[0] == 0:
                exchange.feed(datagram)
    if exchange.refusal:
        refusal = exchange.refusal
        raise OpError(what, refusal.errno, refusal.message, offset=refusal.offset)
    return exchange.messages
