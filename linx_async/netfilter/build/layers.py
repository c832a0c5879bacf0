"""Which headers a rule has made sure of, and the matches that make sure of more."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from ..._core.checks import wrong
from ..codec.key_abi import MetaKey
from .headers import (
    ARP,
    BY_ETHER_TYPE,
    BY_FAMILY,
    BY_PROTOCOL,
    ETHER,
    ICMP,
    ICMPV6,
    INET,
    IP,
    IP6,
    LINK,
    NETDEV,
    NETWORK,
    TH,
    TRANSPORT,
    UNKNOWN,
    VLAN,
    Header,
)
from .steps import Bytes

__all__ = ["Layers"]

_FIRST: Final = {
    "inet": (INET, None),
    "netdev": (NETDEV, None),
    "bridge": (ETHER, None),
    "ip": (None, IP),
    "ip6": (None, IP6),
    "arp": (None, ARP),
}
_TYPE_AT: Final = {ETHER: 12, VLAN: 2}
"""Where a header of the link layer has the ether type."""
_ARPHRD_ETHER: Final = 1


class Layers:
    """The headers that a rule knows of, so far.

    Bytes are an IPv4 address only where there is an IPv4 header: what is matched for that is what
    nft matches (payload_gen_dependency() in its payload.c). But where a field is one of several,
    which tells no header apart, nft 1.0.6 takes it for the last of them; here it tells nothing.

    Args:
        family: The family of its table.
        meta: Adds a match that a meta key has a number.
        payload: Adds a match that the packet has certain bytes.
    """

    def __init__(
        self, family: str, meta: Callable[[MetaKey, int], None], payload: Callable[[Bytes], None]
    ) -> None:
        self.family = family
        self._meta = meta
        self._payload = payload
        link, network = _FIRST[family]
        self._at: list[Header | None] = [link, network, None]
        self._outer: list[Header] = []
        self._matched: set[int] = set()
        self.has_transport: bool = False

    @property
    def network(self) -> Header | None:
        """The header of the network layer, where it is known."""
        return self._at[NETWORK]

    def offset_of(self, header: Header, what: str) -> int:
        """Where a header begins in its layer; it is made sure that it is there.

        Raises:
            DesiredStateError: There is another one.
        """
        if header is TH:
            return 0
        if header.base == LINK:
            return self._link(header, what)
        if self._at[header.base] is None:
            self._reach(header, what)
            self._matched.add(header.base)
        if self._at[header.base] is not header:
            raise self._conflict(header, what)
        return 0

    def _link(self, header: Header, what: str) -> int:
        now = self._at[LINK]
        if now is header:
            return self._depth
        if now is None or now is INET or now is NETDEV:
            had_none = now is None
            self._meta(MetaKey.IIFTYPE, _ARPHRD_ETHER)
            self._at[LINK] = ETHER
            if header is ETHER:
                return 0
        elif header in self._outer:
            return 0
        else:
            had_none = False
        if header is not VLAN or (self._at[NETWORK] is not None and not had_none):
            raise self._conflict(header, what)
        self._follow(ETHER, VLAN, what)
        self._outer.append(ETHER)
        self._at[LINK] = VLAN
        return self._depth

    @property
    def _depth(self) -> int:
        return sum(header.length for header in self._outer)

    def _reach(self, header: Header, what: str) -> None:
        """Make sure of a header of a layer of which nothing is known."""
        if header.base == NETWORK:
            lower = self._at[LINK]
            if self.family == "bridge" and lower is ETHER and header in (IP, IP6):
                # Of the packet, not of the frame: what has a VLAN tag is meant as well.
                lower = NETDEV
            self._follow(lower, header, what)
            self._at[NETWORK] = header
            return
        if self._at[NETWORK] is None and header in (ICMP, ICMPV6):
            network = IP if header is ICMP else IP6
            self._follow(self._at[LINK], network, what)
            self._at[NETWORK] = network
            self._matched.add(NETWORK)
        if self._at[NETWORK] in (ARP, UNKNOWN):
            raise self._conflict(header, what, NETWORK)
        self._meta(MetaKey.L4PROTO, _number(BY_PROTOCOL, header))
        self._at[TRANSPORT] = header
        self.has_transport = True

    def _follow(self, lower: Header | None, header: Header, what: str) -> None:
        """Match that a header comes after another."""
        if lower is INET and header in BY_FAMILY.values():
            self._meta(MetaKey.NFPROTO, _number(BY_FAMILY, header))
        elif lower is NETDEV:
            self._meta(MetaKey.PROTOCOL, _number(BY_ETHER_TYPE, header))
        elif lower is not None and lower in _TYPE_AT:
            value = _number(BY_ETHER_TYPE, header).to_bytes(2, "big")
            self._payload(Bytes(LINK, self._depth + _TYPE_AT[lower], value, carries=True))
        else:
            raise self._conflict(header, what, LINK)

    def is_always(self, number: int) -> bool:
        """Whether a table of this family only sees packets of that ether type."""
        upper = BY_ETHER_TYPE.get(number)
        return upper is not None and _FIRST[self.family] == (None, upper) and upper is not ARP

    def learn_meta(self, key: MetaKey, number: int) -> None:
        """What it means that a meta key has a number."""
        if key == MetaKey.L4PROTO:
            self._learn(TRANSPORT, BY_PROTOCOL.get(number, UNKNOWN))
            self.has_transport = True
        elif key == MetaKey.NFPROTO and self.family == "inet":
            self._learn(NETWORK, BY_FAMILY.get(number, UNKNOWN))
        elif key == MetaKey.PROTOCOL and self.family in ("netdev", "bridge"):
            upper = BY_ETHER_TYPE.get(number, UNKNOWN)
            if upper.base != LINK:
                self._learn(NETWORK, upper)
        elif key == MetaKey.IIFTYPE and number == _ARPHRD_ETHER:
            self._at[LINK] = ETHER

    def learn_type(self, number: int) -> None:
        """What it means that the header of the link layer has an ether type."""
        upper, now = BY_ETHER_TYPE.get(number), self._at[LINK]
        if upper is None or now is None:
            return
        if upper.base == LINK:
            self._outer.append(now)
            self._at[LINK] = upper
        else:
            self._learn(NETWORK, upper)

    def learn_protocol(self, number: int) -> None:
        """What it means that the header of the network layer has a protocol."""
        self.has_transport = True
        upper = BY_PROTOCOL.get(number)
        if upper is not None:
            self._learn(TRANSPORT, upper)

    def _learn(self, base: int, header: Header) -> None:
        """A match says that a layer has a header; two that say different things say nothing."""
        known = self._at[base] if base in self._matched else header
        self._at[base] = header if known is header else UNKNOWN
        self._matched.add(base)

    def _conflict(self, header: Header, what: str, base: int | None = None) -> Exception:
        now = self._at[header.base if base is None else base]
        if now is None or now is NETDEV or now is INET:
            found = f"a table of family {self.family} has none"
        else:
            found = f"the rule is about {now.name} in a table of family {self.family}"
        return wrong(what, f"needs a header of {header.name}, and {found}")


def _number(numbers: Mapping[int, Header], header: Header) -> int:
    return next(number for number, each in numbers.items() if each is header)
