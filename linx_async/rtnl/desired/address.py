"""An address of an interface, as it is declared and as the kernel shows it."""

from __future__ import annotations

import enum
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address
from typing import Final

from attrs import field, frozen

from .checks import (
    IP,
    SCOPES,
    U32,
    Checked,
    IPLike,
    Unknown,
    between,
    check_flag,
    check_interface,
    check_text,
    either_address,
    or_none,
    specified_address,
    to_address,
    to_protocol,
    to_scope,
    wrong,
)

__all__ = ["FOREVER", "Address", "AddressFlag"]

FOREVER: Final = 2**32 - 1
"""A lifetime without an end, in seconds (INFINITY_LIFE_TIME, net/addrconf.h)."""


class AddressFlag(enum.IntFlag):
    """The flags of an address (IFA_F_*, include/uapi/linux/if_addr.h)."""

    SECONDARY = 0x01
    """Of IPv4: it goes with the primary one of its subnet. Of IPv6: temporary (RFC 8981)."""
    NODAD = 0x02
    OPTIMISTIC = 0x04
    DADFAILED = 0x08
    HOMEADDRESS = 0x10
    DEPRECATED = 0x20
    TENTATIVE = 0x40
    PERMANENT = 0x80
    MANAGETEMPADDR = 0x100
    NOPREFIXROUTE = 0x200
    MCAUTOJOIN = 0x400
    STABLE_PRIVACY = 0x800


_SECONDARY: Final = int(AddressFlag.SECONDARY)
_DADFAILED: Final = int(AddressFlag.DADFAILED)
_TENTATIVE: Final = int(AddressFlag.TENTATIVE)
_DECIDED: Final = int(AddressFlag.OPTIMISTIC | AddressFlag.DADFAILED)

_LOOPBACK = IPv4Network("127.0.0.0/8")


@frozen(init=False)
class Address(Checked):
    """An address of an interface (RTM_NEWADDR: rtnetlink(7), ip-address(8)).

    Args:
        interface: The interface's name.
        address: The local address; text may have the prefix length with it: `10.0.0.2/24`.
        prefix_length: Bits of the network part; default: all of them.
        peer: The other end of a point-to-point link; None where there is none. The address itself
            is none, and so is `::`.
        broadcast: The broadcast address, IPv4 alone; None where there is none.
        label: The label, IPv4 alone; default: the interface's name.
        scope: `global`, `site`, `link`, `host` or a number, IPv4 alone: the kernel tells by the
            address for IPv6. Default: `host` within 127.0.0.0/8, else `global`.
        valid_lifetime: Seconds until the kernel removes it; default: `FOREVER`.
        preferred_lifetime: Seconds until it is deprecated; default: as long as it is valid. Of an
            IPv4 address that is valid for ever the kernel knows but 0 and `FOREVER`
            (inet_fill_ifaddr() in net/ipv4/devinet.c).
        nodad: Whether to leave out duplicate address detection, IPv6 alone (IFA_F_NODAD).
        noprefixroute: Whether the kernel shall make no route for its network.
        metric: The metric of that route (IFA_RT_PRIORITY); None is the kernel's own.
        protocol: Who put it there (IFA_PROTO, Linux 5.18); None in a desired one: the source.
        flags: The kernel's flags (IFA_F_*); in an observed one.
        unknown: Attributes that are not known here, as they came; in an observed one.

    Raises:
        DesiredStateError: A field is wrong, or does not go with the others.
    """

    interface: str
    address: IP
    prefix_length: int
    peer: IP | None
    broadcast: IPv4Address | None
    label: str | None
    scope: int | None
    valid_lifetime: int
    preferred_lifetime: int
    nodad: bool
    noprefixroute: bool
    metric: int | None
    protocol: int | None
    flags: int = field(eq=False)
    unknown: Unknown = field(eq=False)

    def __init__(
        self,
        interface: str,
        address: IPLike,
        prefix_length: int | None = None,
        *,
        peer: IPLike | None = None,
        broadcast: IPv4Address | str | None = None,
        label: str | None = None,
        scope: int | str | None = None,
        valid_lifetime: int = FOREVER,
        preferred_lifetime: int | None = None,
        nodad: bool = False,
        noprefixroute: bool = False,
        metric: int | None = None,
        protocol: int | None = None,
        flags: int = 0,
        unknown: Unknown = (),
    ) -> None:
        local, length = _local(address, prefix_length)
        is_4 = isinstance(local, IPv4Address)
        for name, value, given in (
            ("label", label, is_4 or label is None),
            ("broadcast", broadcast, is_4 or broadcast is None),
            ("scope", scope, is_4 or scope is None),
            ("nodad", nodad, not is_4 or not nodad),
        ):
            if not given:
                raise wrong(name, f"{value!r} does not go with {local}: IPv{local.version}")
        valid = between(valid_lifetime, "valid_lifetime", 1, FOREVER)
        preferred = (
            valid
            if preferred_lifetime is None
            else between(preferred_lifetime, "preferred_lifetime", 0, FOREVER)
        )
        if preferred > valid:
            raise wrong("preferred_lifetime", f"{preferred} is more than the valid one, {valid}")
        if is_4 and valid == FOREVER and preferred not in {0, FOREVER}:
            raise wrong(
                "preferred_lifetime",
                f"{preferred} does not go with {local} that is valid for ever: IPv4 knows 0 or"
                " FOREVER then; give a valid_lifetime too",
            )
        name = check_interface(interface, "interface")
        self.__attrs_init__(
            name,
            local,
            length,
            or_none(peer, "peer", lambda v, what: _peer(v, what, local)),
            or_none(broadcast, "broadcast", _broadcast),
            (name if label is None else _label(label, name)) if is_4 else None,
            (_scope(local) if scope is None else to_scope(scope, "scope")) if is_4 else None,
            valid,
            preferred,
            check_flag(nodad, "nodad"),
            check_flag(noprefixroute, "noprefixroute"),
            or_none(metric, "metric", lambda v, what: between(v, what, 1, U32)),
            or_none(protocol, "protocol", to_protocol),
            flags,
            unknown,
        )

    @property
    def family(self) -> int:
        """4 or 6."""
        return self.address.version

    @property
    def is_secondary(self) -> bool:
        """Whether it is of IPv4, and goes with the primary one of its network."""
        return bool(self.flags & _SECONDARY) and self.family == 4

    @property
    def is_tentative(self) -> bool:
        """Whether duplicate address detection goes on (RFC 4862); an optimistic one is used."""
        return bool(self.flags & _TENTATIVE) and not self.flags & _DECIDED

    @property
    def is_duplicate(self) -> bool:
        """Whether duplicate address detection found another host that has it."""
        return bool(self.flags & _DADFAILED)

    @property
    def key(self) -> str:
        """What the kernel tells addresses of an interface apart by.

        The address alone for IPv6 (ipv6_add_addr() in net/ipv6/addrconf.c). For IPv4 the prefix
        length too, and the peer's network, not the peer: two of one network are the same address
        to the kernel (__inet_insert_ifa() in net/ipv4/devinet.c).
        """
        if isinstance(self.address, IPv6Address):
            return f"address {_written(self.address)} on {self.interface}"
        mask = U32 << (32 - self.prefix_length) & U32
        if self.peer is None or not (int(self.peer) ^ int(self.address)) & mask:
            return f"address {self.address}/{self.prefix_length} on {self.interface}"
        network = IPv4Address(int(self.peer) & mask)
        return f"address {self.address} peer {network}/{self.prefix_length} on {self.interface}"

    def __str__(self) -> str:
        peer = "" if self.peer is None else f" peer {self.peer}"
        return f"{self.address}/{self.prefix_length}{peer} on {self.interface}"


@lru_cache(maxsize=4096)
def _written(address: IPv6Address) -> str:
    """Its text, which takes longer to write than all else of a key, and is asked for each pass."""
    return str(address)


def _local(address: IPLike, prefix_length: int | None) -> tuple[IP, int]:
    text, slash, length = address.partition("/") if isinstance(address, str) else (address, "", "")
    local = to_address(text, "address")
    if local.is_unspecified:
        raise wrong("address", f"{local} is no address that an interface can have")
    if not slash:
        if prefix_length is None:
            return local, local.max_prefixlen
        return local, between(prefix_length, "prefix_length", 0, local.max_prefixlen)
    if prefix_length is not None:
        raise wrong("prefix_length", f"{address!r} has one, and {prefix_length!r} was given too")
    if not length.isascii() or not length.isdigit() or int(length) > local.max_prefixlen:
        raise wrong("address", f"{address!r}: {length!r} is no prefix length")
    return local, int(length)


def _peer(value: IPLike, what: str, local: IP) -> IP | None:
    peer = either_address(value, what, local.version)
    is_none = peer == local or (local.version == 6 and peer.is_unspecified)
    return None if is_none else peer


def _broadcast(value: IPv4Address | str, what: str) -> IPv4Address:
    address = specified_address(value, what)
    if not isinstance(address, IPv4Address):
        raise wrong(what, f"{address} is not of IPv4")
    return address


def _label(value: str, interface: str) -> str:
    label = check_text(value, "label", 15)
    if not label:
        raise wrong("label", "is empty; leave it out for the interface's name")
    if label != interface and not label.startswith(f"{interface}:"):
        raise wrong("label", f"{label!r} does not begin with {interface!r} and a colon")
    return label


def _scope(local: IP) -> int:
    return SCOPES["host" if local in _LOOPBACK else "global"]
