"""The links, addresses, routes, rules, neighbours and nexthops that there are."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

from attrs import define, field

from .. import rtnl
from .._core.ownership import Ownership
from .._core.reconcile import identity_of
from .._kernel.release import kernel_release
from ..config.host import Part
from ..config.writing_links import link_fields
from ..config.writing_network import (
    Unsayable,
    address_fields,
    neighbour_fields,
    nexthop_fields,
    route_fields,
    rule_fields,
)
from ..rtnl import Address, Neighbour, Rule
from ..rtnl.codec.neighbour import NeighbourFlag
from ..rtnl.desired.protocols import KERNEL_TAGS, shown_protocol
from ..rtnl.diff.address_ops import Whose
from ..rtnl.diff.bearing import claim_on
from ..rtnl.everything import Everything, everything
from ..rtnl.observed_link import ObservedLink
from .present import Entry, LeftOut, Present
from .selection import Selection
from .state import HostStore

__all__ = ["present_network"]

_OF_THE_KERNEL: Final = frozenset({1, 2, 3})
"""Tags of addresses: of lo, of router advertisements, link-local (IFAPROT_*, if_addr.h)."""
_OF_LO: Final = frozenset({"127.0.0.1/8 on lo", "::1/128 on lo"})
"""What the kernel gives lo (inetdev_event() in net/ipv4/devinet.c), at times without a tag."""
_ADVERTISED: Final = 9  # RTPROT_RA
_KERNEL: Final = 2  # RTPROT_KERNEL
_WITHOUT_ARP: Final = 0x8 | 0x10 | 0x80  # IFF_LOOPBACK, IFF_POINTOPOINT, IFF_NOARP
_LEARNED: Final = int(NeighbourFlag.EXT_LEARNED)
_WORDS: Final = {
    "addresses": "address",
    "routes": "route",
    "rules": "rule",
    "neighbours": "neighbour",
    "nexthops": "nexthop",
}
_FALLBACKS: Final = frozenset(
    {
        *("tunl0", "gre0", "gretap0", "erspan0", "ip_vti0", "ip6_vti0", "sit0", "ip6tnl0"),
        "ip6gre0",
    }
)
"""What modules make by themselves in each namespace (net.core.fb_tunnels_only_for_init_net)."""


async def present_network(
    selection: Selection, store: HostStore, protocol: int | None
) -> Present | None:
    """What there is in a network namespace.

    Args:
        selection: What of it.
        store: The records.
        protocol: The tag of what is ours; None: as the records say.

    Raises:
        SourceError: It could not be read.
        StoreError: The records cannot be read.
    """
    netns = selection.netns
    owned_parts = [part for part, _ in await store.owned()]
    scopes = {part.scope for part in owned_parts if (part.kind, part.netns) == ("rtnl", netns)}
    if protocol is None:
        tags = {int(scope.rpartition(" ")[2]) for scope in scopes if scope}
        protocol = tags.pop() if len(tags) == 1 and "" not in scopes else rtnl.PROTOCOL
    scope = "" if protocol == rtnl.PROTOCOL else f"protocol {protocol}"
    part = Part("rtnl", scope, netns=netns)
    async with part.source() as source:
        owned = await store.peek(part.name, identity_of(source))
    found = await everything(owned, scope=netns, protocol=protocol)
    options = {"protocol": protocol} if scope else {}
    present = Present("rtnl", scope, options=options, netns=netns)
    made = _Network(found, selection, owned, protocol, present)
    made.look()
    return made.present if made.present.entries or made.present.left_out else None


@define
class _Network:
    """What was found of it, so far."""

    found: Everything
    selection: Selection
    owned: Ownership
    protocol: int
    present: Present
    _keys: set[str] = field(factory=set)

    def look(self) -> None:
        """Find all of it."""
        observed = self.found.observed
        self._links()
        whose = Whose(self.protocol, self.owned, kernel_release() >= (5, 18))
        for address in observed.addresses:
            self._address(address, ours=whose.ours(address))
        for route in self.found.routes:
            if route.protocol not in {*KERNEL_TAGS, _ADVERTISED}:
                hops = [hop.interface for hop in route.forwarding.nexthops]
                self._put("routes", route, route_fields, [route.interface, *hops])
        for rule in observed.rules:
            if not _is_kernels_rule(rule):
                self._put("rules", rule, rule_fields, [rule.iif, rule.oif])
        for entry in observed.neighbours:
            if self._is_lasting(entry):
                self._put("neighbours", entry, neighbour_fields, [entry.interface])
        for nexthop in observed.nexthops:
            if nexthop.protocol != _KERNEL:
                self._put("nexthops", nexthop, nexthop_fields, [nexthop.interface])

    def _links(self) -> None:
        links = self.found.observed.links
        names = {link.index: link.name for link in links.values()}
        ends = set(self._ends(links.values(), names))
        without_kind = ends | _FALLBACKS
        for link in links.values():
            ours = self._is_ours(link)
            if not self._is_wanted(ours, [link.name, *link.altnames]):
                continue
            text = f"link {link.name} ({link.kind or 'hardware'})"
            try:
                fields, why = link_fields(link, names, without_kind, ours=ours)
            except Unsayable as error:
                self._leave_out(text, str(error), ours=ours)
                continue
            who = "could not be made again by this" if ours else "is left to others to be made"
            remark = f"{link.kind}: {who}: {why}" if why else ""
            entry = Entry(f"link {link.name}", ("links", link.name), fields, text, ours, remark)
            self.present.entries.append(entry)

    def _leave_out(self, text: str, why: str, *, ours: bool) -> None:
        more = "; linx put it there, and to apply this would take it away" if ours else ""
        self.present.left_out.append(LeftOut(text, f"{why}{more}"))

    def _ends(self, links: Iterable[ObservedLink], names: dict[int, str]) -> Iterator[str]:
        """Of each veth the end that the other one brings along: ours is the one that was made."""
        by_name = self.found.observed.links
        for link in links:
            other = names.get(link.parent) if link.link_netnsid is None else None
            if link.kind == "veth" and other is not None:
                pair = (link, by_name[other])
                yield min(pair, key=lambda end: (self._is_ours(end), -end.index)).name

    def _is_ours(self, link: ObservedLink) -> bool:
        return claim_on(link, self.owned) is not None

    def _address(self, address: Address, *, ours: bool) -> None:
        if not ours and _is_kernels_address(address):
            return
        if not ours and address.valid_lifetime != rtnl.FOREVER:
            if self._is_wanted(ours, [address.interface]):
                why = f"it is for {address.valid_lifetime} seconds: whoever gave it renews it"
                self.present.left_out.append(LeftOut(f"address {address}", why))
            return
        self._put("addresses", address, address_fields, [address.interface], ours=ours)

    def _put(
        self,
        resource: str,
        value: Any,
        fields_of: Callable[[Any], dict[str, Any]],
        interfaces: Iterable[str | None],
        *,
        ours: bool | None = None,
    ) -> None:
        mine = value.protocol == self.protocol if ours is None else ours
        if not self._is_wanted(mine, interfaces):
            return
        text = f"{_WORDS[resource]} {value}"
        if value.key in self._keys:
            why = "another one has the same key, and a file says each once"
            self._leave_out(text, why, ours=mine)
            return
        try:
            fields = fields_of(value)
        except Unsayable as error:
            self._leave_out(text, str(error), ours=mine)
            return
        self._keys.add(value.key)
        remark = "" if mine or not value.protocol else shown_protocol(value.protocol)
        self.present.entries.append(Entry(value.key, (resource,), fields, text, mine, remark))

    def _is_wanted(self, ours: bool, called: Iterable[str | None]) -> bool:
        wanted = self.selection.wants(*called)
        return wanted and (ours or not self.selection.ours)

    def _is_lasting(self, entry: Neighbour) -> bool:
        """Whether a neighbour is there to stay, and not by the kernel's own doing."""
        if entry.protocol == self.protocol:
            return True
        if entry.flags & _LEARNED or not (entry.proxy or entry.state in {"permanent", "noarp"}):
            return False
        if entry.proxy or entry.state == "permanent":
            return True
        link = self.found.observed.links.get(entry.interface)
        broadcast = {each.broadcast for each in self.found.observed.addresses}
        without_arp = link is None or link.flags & _WITHOUT_ARP
        return not (without_arp or entry.address.is_multicast or entry.address in broadcast)


def _is_kernels_address(address: Address) -> bool:
    """Whether the kernel made it by itself, or a router's word (net/ipv6/addrconf.c)."""
    if address.family == 6 and address.flags & 1:
        return True  # a temporary one
    if address.protocol or kernel_release() >= (5, 18):
        return address.protocol in _OF_THE_KERNEL or str(address) in _OF_LO
    return str(address) in _OF_LO or address.address.is_link_local


def _is_kernels_rule(rule: Rule) -> bool:
    if rule.protocol:
        return rule.protocol == _KERNEL
    # Before Linux 4.17 they have no tag.
    return kernel_release() < (4, 17) and (rule.priority, rule.table) in {
        (0, 255),
        (32766, 254),
        (32767, 253),
    }
