"""Links as messages: what the kernel tells about them, and requests to make and change them."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import Final

from ..._kernel.netlink import (
    NetlinkDecodeError,
    attribute_map,
    attributes,
    pack_attribute,
    pack_nested,
    pack_text,
    pack_u32,
)
from ..desired.link import Link
from ..observed_link import ObservedLink
from .wire import Indices, index_of, u8, u32

__all__ = [
    "DUMP",
    "decode",
    "encode_altnames",
    "encode_create",
    "encode_delete",
    "encode_move",
    "encode_set",
    "index_and_name",
    "is_ours",
]

# include/uapi/linux/if_link.h
_ADDRESS, _IFNAME, _MTU, _LINK = 1, 3, 4, 5
_MASTER, _OPERSTATE, _LINKINFO, _IFALIAS = 10, 16, 18, 20
_GROUP, _NET_NS_FD, _EXT_MASK, _LINK_NETNSID = 27, 28, 29, 37
_PROP_LIST, _ALT_IFNAME, _PERM_ADDRESS = 52, 53, 54
_INFO_KIND, _INFO_DATA, _VETH_PEER = 1, 2, 1

_LARGEST_KNOWN: Final = 69  # IFLA_TAILROOM of Linux 6.17: counters, sizes and settings of others
_UP: Final = 1  # IFF_UP
_SKIP_STATS: Final = 8  # RTEXT_FILTER_SKIP_STATS
_OPERSTATES: Final = "unknown", "notpresent", "down", "lowerlayerdown", "testing", "dormant", "up"

# What tunnels sit on is told as a parameter of their kind, by its attribute here.
_PARENT_IN_DATA: Final = {
    "vxlan": 3,
    **dict.fromkeys(("gre", "gretap", "erspan", "ip6gre", "ip6gretap", "ip6erspan"), 1),
    **dict.fromkeys(("ipip", "sit", "ip6tnl", "vti", "vti6", "xfrm"), 1),
}

_IFINFOMSG: Final = struct.Struct("=BxHiII")

DUMP: Final = _IFINFOMSG.pack(0, 0, 0, 0, 0) + pack_u32(_EXT_MASK, _SKIP_STATS)
"""The payload of RTM_GETLINK for a dump of all links without the counters of IPv6.

The kernel tells a link's own counters whatever is asked, so the bytes of a dump change as packets
pass. Strict checks (NETLINK_GET_STRICT_CHK) take no other header than one of zeros.
"""


def is_ours(payload: bytes) -> bool:
    """Whether a message is of the link itself.

    A bridge tells about its ports by the same types and groups (AF_BRIDGE): its RTM_DELLINK says
    that a link left the bridge, and not that it is gone (br_ifinfo_notify() in
    net/bridge/br_netlink.c).
    """
    return payload[:1] == b"\0"


def index_and_name(payload: bytes) -> tuple[int, str]:
    """The index and the name of a link, at little cost.

    Raises:
        NetlinkDecodeError: The message is malformed, or has no name.
    """
    index = _header(payload)[0]
    for kind, value in attributes(payload, _IFINFOMSG.size):
        if kind == _IFNAME:  # the kernel puts it first
            return index, _text(value)
    raise NetlinkDecodeError("a link without a name", 0)


def decode(payload: bytes) -> ObservedLink:
    """A link of a message's payload: RTM_NEWLINK, RTM_DELLINK.

    Raises:
        NetlinkDecodeError: The message is malformed, or has no name.
    """
    index, flags = _header(payload)
    found: dict[int, bytes] = {}
    unknown: list[tuple[int, bytes]] = []
    for attribute, value in attributes(payload, _IFINFOMSG.size):
        if attribute <= _LARGEST_KNOWN:
            found[attribute] = value
        else:
            unknown.append((attribute, value))
    if _IFNAME not in found:
        raise NetlinkDecodeError("a link without a name", 0)
    kind, data = _info(found[_LINKINFO]) if _LINKINFO in found else (None, b"")
    netnsid = _u32(found, _LINK_NETNSID) if _LINK_NETNSID in found else None
    state = u8(found[_OPERSTATE]) if _OPERSTATE in found else 0
    return ObservedLink(
        index,
        _text(found[_IFNAME]),
        kind,
        bool(flags & _UP),
        _u32(found, _MTU),
        found.get(_ADDRESS, b"").hex(":"),
        found.get(_PERM_ADDRESS, b"").hex(":"),
        _u32(found, _MASTER),
        0 if netnsid is not None else _u32(found, _LINK) or _parent_in(kind, data),
        netnsid,
        _text(found.get(_IFALIAS, b"")),
        _altnames(found[_PROP_LIST]) if _PROP_LIST in found else frozenset(),
        _u32(found, _GROUP),
        flags,
        _OPERSTATES[state] if state < len(_OPERSTATES) else str(state),
        data,
        tuple(unknown),
    )


def _header(payload: bytes) -> tuple[int, int]:
    if len(payload) < _IFINFOMSG.size:
        raise NetlinkDecodeError("a link's header is cut short", 0)
    _, _, index, flags, _ = _IFINFOMSG.unpack_from(payload)
    if index <= 0:
        raise NetlinkDecodeError(f"a link with the index {index}", 4)
    return index, flags


def _u32(found: dict[int, bytes], attribute: int) -> int:
    value = found.get(attribute)
    return 0 if value is None else u32(value)


def _text(value: bytes) -> str:
    return value.split(b"\0", 1)[0].decode("utf-8", "surrogateescape")


def _info(value: bytes) -> tuple[str | None, bytes]:
    kind, data = None, b""
    for attribute, member in attributes(value):
        if attribute == _INFO_KIND:
            kind = _text(member)
        elif attribute == _INFO_DATA:
            data = member
    return kind, data


def _parent_in(kind: str | None, data: bytes) -> int:
    wanted = _PARENT_IN_DATA.get(kind or "")
    if wanted is None:
        return 0
    return _u32(attribute_map(data), wanted)


def _altnames(value: bytes) -> frozenset[str]:
    return frozenset(_text(name) for kind, name in attributes(value) if kind == _ALT_IFNAME)


def encode_create(
    link: Link,
    indices: Indices,
    data: bytes = b"",
    *,
    index: int = 0,
    netns: int | None = None,
    peer_netns: int | None = None,
) -> bytes:
    """The payload of RTM_NEWLINK with NLM_F_CREATE and NLM_F_EXCL.

    Left for `encode_set` and `encode_altnames` afterwards is what the kernel does not take here
    (rtnl_newlink_create() in net/core/rtnetlink.c): the alias and the alternative names; and,
    where there is a master, being up: a bond takes no link that is.

    Args:
        link: The link; its kind is not None.
        indices: The indices of what it names.
        data: The parameters of its kind, packed: `kinds.encode_parameters`.
        index: The index that it gets; 0 for the kernel's choice.
        netns: A descriptor of the network namespace it is made in; None for the socket's.
        peer_netns: A descriptor of the network namespace of a veth's other end; None for where
            the link itself is.

    Raises:
        NoInterface: The parent or the master is not there.
        ValueError: The link has no kind.
    """
    if link.kind is None:
        raise ValueError(f"link {link.name}: without a kind it is not ours to make")
    parent = 0 if link.parent is None else index_of(indices, link.parent)
    master = index_of(indices, link.master) if link.master else 0
    up = bool(link.up) and not master
    members = [pack_text(_IFNAME, link.name)]
    if parent and link.kind not in _PARENT_IN_DATA:
        members.append(pack_u32(_LINK, parent))
    if netns is not None:
        members.append(pack_u32(_NET_NS_FD, netns))
    if master:
        members.append(pack_u32(_MASTER, master))
    members += _changes(link.mtu, link.address, link.group)
    members.append(_linkinfo(link.kind, data + _in_data(link, parent, peer_netns)))
    return _IFINFOMSG.pack(0, 0, index, up, up) + b"".join(members)


def _in_data(link: Link, parent: int, peer_netns: int | None) -> bytes:
    """The parameters of the kind that are fields of the link, or what comes with it."""
    if parent and link.kind in _PARENT_IN_DATA:
        return pack_u32(_PARENT_IN_DATA[link.kind], parent)
    if link.peer is None and peer_netns is None:
        return b""
    peer = _IFINFOMSG.pack(0, 0, 0, 0, 0)
    if link.peer is not None:
        peer += pack_text(_IFNAME, link.peer)
    if peer_netns is not None:
        peer += pack_u32(_NET_NS_FD, peer_netns)
    return pack_nested(_VETH_PEER, peer)


def encode_set(
    index: int,
    *,
    up: bool | None = None,
    mtu: int | None = None,
    address: str | None = None,
    master: int | None = None,
    alias: str | None = None,
    group: int | None = None,
    kind: str | None = None,
    data: bytes = b"",
) -> bytes:
    """The payload of RTM_NEWLINK, without NLM_F_CREATE, that changes a link; None leaves as it is.

    The kernel takes the changes one after the other and does not go back when it refuses one
    (do_setlink() in net/core/rtnetlink.c).

    Args:
        index: The link's index.
        up: Whether it shall be up.
        mtu: Bytes.
        address: Its link-layer address.
        master: The index of what it shall belong to; 0 for nothing.
        alias: Its alias; empty for none.
        group: Its group.
        kind: Its kind, where parameters change.
        data: The parameters that change, packed: `kinds.encode_parameters`.
    """
    members = _changes(mtu, address, group)
    if master is not None:
        members.append(pack_u32(_MASTER, master))
    if alias is not None:  # without a NUL: empty takes it away
        members.append(pack_attribute(_IFALIAS, alias.encode()))
    if kind is not None:
        members.append(_linkinfo(kind, data))
    return _IFINFOMSG.pack(0, 0, index, bool(up), up is not None) + b"".join(members)


def _changes(mtu: int | None, address: str | None, group: int | None) -> list[bytes]:
    members = []
    if mtu is not None:
        members.append(pack_u32(_MTU, mtu))
    if address is not None:
        members.append(pack_attribute(_ADDRESS, bytes.fromhex(address.replace(":", ""))))
    if group is not None:
        members.append(pack_u32(_GROUP, group))
    return members


def _linkinfo(kind: str, data: bytes) -> bytes:
    members = [pack_text(_INFO_KIND, kind)]
    if data:
        members.append(pack_nested(_INFO_DATA, data))
    return pack_nested(_LINKINFO, *members)


def encode_altnames(index: int, names: Iterable[str]) -> bytes:
    """The payload of RTM_NEWLINKPROP and RTM_DELLINKPROP: names that a link gets, or loses."""
    packed = (pack_text(_ALT_IFNAME, name) for name in sorted(names))
    return _IFINFOMSG.pack(0, 0, index, 0, 0) + pack_nested(_PROP_LIST, *packed)


def encode_move(index: int, netns: int) -> bytes:
    """The payload of RTM_NEWLINK that moves a link to the network namespace of a descriptor.

    It is down there, and the kernel may give it another index; addresses and routes are gone
    (dev_change_net_namespace() in net/core/dev.c).
    """
    return _IFINFOMSG.pack(0, 0, index, 0, 0) + pack_u32(_NET_NS_FD, netns)


def encode_delete(index: int) -> bytes:
    """The payload of RTM_DELLINK."""
    return _IFINFOMSG.pack(0, 0, index, 0, 0)
