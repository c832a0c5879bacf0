"""What a network namespace has, as far as a pass looks."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import field, frozen

from .away import Elsewhere
from .desired import Address, Neighbour, Nexthop, Rule
from .desired.forwarding import Forwarding
from .observed_link import ObservedLink
from .reading import RouteKey
from .seen import SeenRoutes

__all__ = ["Observed"]


@frozen
class Observed:
    """What a network namespace has.

    Attributes:
        links: The links by name.
        addresses: All addresses.
        nexthops: All nexthops.
        neighbours: All neighbours and proxies.
        rules: All rules.
        routes: Our routes, as the kernel told them; `routes.table()` reads them.
        foreign_routes: What others have at keys of desired routes that are not ours, as far as it
            was looked for.
        elsewhere: What is known of links in other network namespaces.
        promoting: Interfaces on which a secondary address takes the place of a deleted primary one
            (net.ipv4.conf.*.promote_secondaries).
        carried: What others have on interfaces that may lose an IPv4 address of ours: a route and a
            neighbour for each.
        nexthop_users: Foreign routes that go by nexthops of ours which are not desired any more,
            one for each number.
        first_index: The lowest index for a link that is made; 0 leaves it to the kernel.
    """

    links: Mapping[str, ObservedLink] = field(factory=dict)
    addresses: tuple[Address, ...] = ()
    nexthops: tuple[Nexthop, ...] = ()
    neighbours: tuple[Neighbour, ...] = ()
    rules: tuple[Rule, ...] = ()
    routes: SeenRoutes = field(factory=lambda: SeenRoutes({}, {}))
    foreign_routes: Mapping[RouteKey, Forwarding] = field(factory=dict)
    elsewhere: Elsewhere = field(factory=Elsewhere)
    promoting: frozenset[str] = frozenset()
    carried: Mapping[str, str] = field(factory=dict)
    nexthop_users: Mapping[int, str] = field(factory=dict)
    first_index: int = field(default=0, eq=False)
