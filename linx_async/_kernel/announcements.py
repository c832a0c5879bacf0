"""What rtnetlink announces on links and on netconf settings, as far as a name or a key goes."""

from __future__ import annotations

import struct

from attrs import frozen

from .netlink import Message, NetlinkDecodeError, attribute_map

__all__ = ["IPV4_NETCONF", "IPV6_NETCONF", "LINK", "LinkChange", "NetconfChange", "announced"]

# include/uapi/linux/rtnetlink.h: multicast groups, then message types
LINK = 1
IPV4_NETCONF = 24
IPV6_NETCONF = 25
_NEWLINK = 16
_DELLINK = 17
_NEWNETCONF = 80
_DELNETCONF = 81

_IFINFOMSG_SIZE = 16
_NETCONFMSG_SIZE = 4
_IFNAME = 3
_FAMILIES = {2: "ipv4", 10: "ipv6"}
_INDEX = struct.Struct("=i")
_PLACES = {-1: "all", -2: "default"}
_NETCONF = {
    "ipv4": {
        2: "forwarding",
        3: "rp_filter",
        5: "proxy_arp",
        6: "ignore_routes_with_linkdown",
    },
    "ipv6": {2: "forwarding", 5: "proxy_ndp", 6: "ignore_routes_with_linkdown"},
}
_NETCONF_IFINDEX = 1


@frozen
class LinkChange:
    """A link appeared, changed or went.

    Attributes:
        name: Its name now; a rename does not tell the old one.
        gone: Whether it was deleted, or moved to another namespace.
    """

    name: str
    gone: bool


@frozen
class NetconfChange:
    """Settings of one interface, or of `all` or `default`, changed or went.

    Attributes:
        family: `ipv4` or `ipv6`.
        place: `all`, `default`, or None for an interface, which is told by index alone.
        names: The settings that the message speaks of.
    """

    family: str
    place: str | None
    names: frozenset[str]


def announced(message: Message) -> LinkChange | NetconfChange | None:
    """What a multicast message says; None where it is of another kind, or malformed."""
    try:
        if message.type in {_NEWLINK, _DELLINK}:
            return _link(message)
        if message.type in {_NEWNETCONF, _DELNETCONF}:
            return _netconf(message)
    except NetlinkDecodeError:
        pass
    return None


def _link(message: Message) -> LinkChange | None:
    name = attribute_map(message.payload, _IFINFOMSG_SIZE).get(_IFNAME)
    if not name:
        return None
    text = name.rstrip(b"\0").decode("utf-8", "surrogateescape")
    return LinkChange(text, message.type == _DELLINK)


def _netconf(message: Message) -> NetconfChange | None:
    found = attribute_map(message.payload, _NETCONFMSG_SIZE)
    family = _FAMILIES.get(message.payload[0])
    index = found.get(_NETCONF_IFINDEX, b"")
    if family is None or len(index) != _INDEX.size:
        return None
    names = frozenset(_NETCONF[family][kind] for kind in found if kind in _NETCONF[family])
    return NetconfChange(family, _PLACES.get(_INDEX.unpack(index)[0]), names)
