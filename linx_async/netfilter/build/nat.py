"""Address translation: snat, dnat, masquerade and redirect."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from attrs import frozen

from ..._core.checks import U16, between, check_flag, wrong
from ..codec.op_abi import NatFlag, NatType
from ..codec.statement_abi import Nat
from ..codec.words import be32
from ..desired.datatypes import DATATYPES, to_data_type
from ..desired.families import FAMILIES
from . import wire
from .headers import IP, IP6
from .keys import Mapped
from .lookups import own_map
from .setting import load_mapped
from .terms import Term

if TYPE_CHECKING:
    from .drafting import Drafting

__all__ = [
    "MappedTranslation",
    "Ports",
    "Translation",
    "check_transport",
    "dnat",
    "load_parts",
    "snat",
    "to_nat_flags",
    "to_ports",
]

Address: TypeAlias = str | IPv4Address | IPv6Address
Addresses: TypeAlias = Address | tuple[Address, Address] | IPv4Network | IPv6Network
"""One, the first and the last of several, or a network."""
Ports: TypeAlias = int | tuple[int, int]
"""One, or the first and the last of several."""

_TYPES: Final = {"ip": "ipv4_addr", "ip6": "ipv6_addr"}
_HEADERS: Final = {"ip": IP, "ip6": IP6}
_AND_PORT: Final = " . inet_service"
_WORDS: Final = 4  # registers take 16 bytes each where there is one value


@frozen(eq=False)
class Translation(Term):
    """Another source or destination address, perhaps with other ports.

    Attributes:
        kind: Of which.
        family: `ip` or `ip6`.
        addresses: The first and the last address, packed.
        ports: The first and the last port, packed.
        flags: NF_NAT_RANGE_*.
    """

    kind: NatType
    family: str
    addresses: tuple[bytes, ...]
    ports: tuple[bytes, ...]
    flags: NatFlag

    def ends(self) -> bool:
        """Whether nothing that comes after it would ever be reached."""
        return True

    def draft(self, drafting: Drafting) -> None:
        """Add it to a rule."""
        values = _head(self.kind, self.family, drafting)
        found: list[wire.Expression] = []
        places = (Nat.REG_ADDR_MIN, Nat.REG_ADDR_MAX)
        index = load_parts(self.addresses, places, 0, found, values)
        if self.ports:
            check_transport(drafting, self.kind.name.lower())
            load_parts(self.ports, (Nat.REG_PROTO_MIN, Nat.REG_PROTO_MAX), index, found, values)
        if self.flags:
            values[Nat.FLAGS] = be32(self.flags)
        drafting.act(*found, wire.expression("nat", values))


@frozen(eq=False)
class MappedTranslation(Term):
    """Another source or destination that a map has, an address or one with a port.

    Attributes:
        kind: Of which.
        mapped: The map.
        data: What it has, nft's names of datatypes; None where the table's map says it.
        flags: NF_NAT_RANGE_*.
    """

    kind: NatType
    mapped: Mapped
    data: str | None
    flags: NatFlag

    def ends(self) -> bool:
        """Whether nothing that comes after it would ever be reached."""
        return True

    def draft(self, drafting: Drafting) -> None:
        """Add it to a rule."""
        data = self.data or self._declared(drafting)
        family = "ip" if data.startswith(_TYPES["ip"]) else "ip6"
        found = load_mapped(self.mapped, data, drafting)
        values = _head(self.kind, family, drafting)
        values[Nat.REG_ADDR_MIN] = wire.register(0)
        if data.endswith(_AND_PORT):
            values[Nat.REG_PROTO_MIN] = wire.register(DATATYPES[_TYPES[family]].length // 4)
        if self.flags:
            values[Nat.FLAGS] = be32(self.flags)
        drafting.act(*found, wire.expression("nat", values))

    def _declared(self, drafting: Drafting) -> str:
        name = str(self.mapped.values)
        declared = drafting.declared(name, self.mapped.key.name)
        for data in (*_TYPES.values(), *(each + _AND_PORT for each in _TYPES.values())):
            kind = to_data_type(data, name)
            if declared.data and declared.data.number == kind.number:
                return data
        raise wrong(self.kind.name.lower(), f"map {name!r} has no addresses")


def _head(kind: NatType, family: str, drafting: Drafting) -> dict[Any, bytes]:
    what = kind.name.lower()
    if drafting.family not in ("inet", family):
        raise wrong(what, f"{family} is not for tables of family {drafting.family}")
    known = drafting.layers.network
    if known is not None and known is not _HEADERS[family]:
        raise wrong(what, f"is to an address of {family}, and the rule about {known.name}")
    return {Nat.TYPE: be32(kind), Nat.FAMILY: be32(FAMILIES[family])}


def load_parts(
    parts: tuple[bytes, ...],
    places: tuple[int, int],
    index: int,
    found: list[wire.Expression],
    values: dict[Any, bytes],
) -> int:
    """Put the first and the last value into registers, of which the next free one is told."""
    for place, part in zip(places, parts, strict=False):
        found.append(wire.immediate(index, wire.data_of(part)))
        values[place] = wire.register(index)
        index += _WORDS
    return index


def check_transport(drafting: Drafting, what: str) -> None:
    """Check that the rule knows of a transport protocol: others have no ports.

    Raises:
        DesiredStateError: It does not.
    """
    if not drafting.layers.has_transport:
        raise wrong(what, "ports need a match of the transport protocol before: tcp, udp, l4proto")


def snat(
    to: Addresses | Mapped,
    *,
    port: Ports | None = None,
    random: bool = False,
    fully_random: bool = False,
    persistent: bool = False,
) -> Term:
    """Another source address, in a chain of type `nat` of hook postrouting or input.

    The kernel's part of it is net/netfilter/nft_nat.c.

    Args:
        to: The address; of several the first and the last, or a network; or what a map has:
            `snat(ip.saddr.map({"10.0.0.1": "192.0.2.1"}))`, with tuples of address and port.
        port: The port, or the first and the last of several.
        random: Whether ports are taken at random.
        fully_random: Whether the destination has no part in that.
        persistent: Whether a client gets the same address for each connection.

    Raises:
        DesiredStateError: A value is wrong.
    """
    flags = to_nat_flags(random, fully_random, persistent)
    return _translation(NatType.SNAT, to, port, flags)


def dnat(
    to: Addresses | Mapped,
    *,
    port: Ports | None = None,
    random: bool = False,
    persistent: bool = False,
) -> Term:
    """Another destination address, in a chain of type `nat` of hook prerouting or output.

    The kernel's part of it is net/netfilter/nft_nat.c.

    Args:
        to: As of `snat`.
        port: The port, or the first and the last of several.
        random: Whether ports are taken at random.
        persistent: Whether a client gets the same address for each connection.

    Raises:
        DesiredStateError: A value is wrong.
    """
    return _translation(NatType.DNAT, to, port, to_nat_flags(random, False, persistent))


def to_nat_flags(random: bool, fully_random: bool, persistent: bool) -> NatFlag:
    """Flags as the kernel has them (NF_NAT_RANGE_*).

    Raises:
        DesiredStateError: One is neither True nor False.
    """
    flags = NatFlag(0)
    for given, name, flag in (
        (random, "random", NatFlag.PROTO_RANDOM),
        (fully_random, "fully_random", NatFlag.PROTO_RANDOM_FULLY),
        (persistent, "persistent", NatFlag.PERSISTENT),
    ):
        if check_flag(given, name):
            flags |= flag
    return flags


def to_ports(port: Ports | None, what: str) -> tuple[bytes, ...]:
    """The first and the last port, packed; one where that are the same.

    Raises:
        DesiredStateError: They are none.
    """
    if port is None:
        return ()
    first, last = port if isinstance(port, tuple) and len(port) == 2 else (port, port)
    between(first, what, 0, U16)
    between(last, what, 0, U16)
    if first > last:
        raise wrong(what, f"the first of {port} comes after the last")
    numbers = (first,) if first == last else (first, last)
    return tuple(number.to_bytes(2, "big") for number in numbers)


def _translation(kind: NatType, to: Addresses | Mapped, port: Ports | None, flags: NatFlag) -> Term:
    what = kind.name.lower()
    if isinstance(to, Mapped):
        return _mapped(kind, to, port, flags)
    ports = to_ports(port, f"{what} port")
    first, last = _span(to, what)
    packed = (first.packed,) if first == last else (first.packed, last.packed)
    return Translation(kind, "ip" if first.version == 4 else "ip6", packed, ports, flags)


def _mapped(kind: NatType, to: Mapped, port: Ports | None, flags: NatFlag) -> Term:
    what = kind.name.lower()
    if port is not None:
        raise wrong(f"{what} port", "is for one address: a map has tuples of address and port")
    if isinstance(to.values, str):
        return MappedTranslation(kind, to, None, flags)
    value = to.values[0][1]
    with_port = isinstance(value, tuple)
    first, _ = _span(value[0] if with_port else value, what)
    data = _TYPES["ip" if first.version == 4 else "ip6"] + (_AND_PORT if with_port else "")
    own_map(to.key, to.values, data)
    return MappedTranslation(kind, to, data, flags)


def _span(value: Any, what: str) -> tuple[IPv4Address | IPv6Address, IPv4Address | IPv6Address]:
    try:
        if isinstance(value, tuple):
            first, last = (ip_address(each) for each in value)
        elif isinstance(value, IPv4Network | IPv6Network) or "/" in str(value):
            network = ip_network(value)
            first, last = network.network_address, network.broadcast_address
        else:
            first = last = ip_address(value)
    except ValueError as error:
        raise wrong(
            what, f"expected an address, two, or a network, got {value!r}: {error}"
        ) from None
    if first.version != last.version or int(first) > int(last):
        raise wrong(what, f"{first} to {last} is no range")
    return first, last
