"""A link, as the kernel shows it."""

from __future__ import annotations

from typing import Final

from attrs import frozen

from .desired.checks import Unknown

__all__ = ["ObservedLink"]

_LOWER_UP: Final = 0x10000  # IFF_LOWER_UP, include/uapi/linux/if.h


@frozen
class ObservedLink:
    """A network interface (RTM_NEWLINK: rtnetlink(7), rtnl_fill_ifinfo() in net/core/rtnetlink.c).

    Attributes:
        index: Its index (ifindex).
        name: Its name.
        kind: What it is (IFLA_INFO_KIND); None where the kernel does not say, as of hardware.
        up: Whether it was set up (IFF_UP); not whether it has a carrier.
        mtu: Bytes.
        address: Its link-layer address, in lower case with colons; empty where it has none.
        permanent_address: The address its hardware came with; empty where it has none.
        master: The index of the bridge, bond, vrf or team it belongs to; 0 for none.
        parent: The index of the link it sits on, of a veth its other end; 0 for none, and where it
            is in another network namespace.
        link_netnsid: What the other network namespace is called here, where the parent is in one.
        alias: Its alias; empty for none.
        altnames: Its alternative names.
        group: Its group.
        flags: The kernel's flags (IFF_*, netdevice(7)).
        operstate: Its state (RFC 2863) in small letters: `up`, `down`, `lowerlayerdown`, …
        data: The parameters of its kind (IFLA_INFO_DATA), still packed; empty where it has none.
        unknown: Attributes that are not known here, as they came.
    """

    index: int
    name: str
    kind: str | None
    up: bool
    mtu: int
    address: str
    permanent_address: str
    master: int
    parent: int
    link_netnsid: int | None
    alias: str
    altnames: frozenset[str]
    group: int
    flags: int
    operstate: str
    data: bytes
    unknown: Unknown

    @property
    def has_carrier(self) -> bool:
        """Whether it is connected (IFF_LOWER_UP)."""
        return bool(self.flags & _LOWER_UP)
