"""The diff of routes: pure, two-way by protocol tag."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

from ..._core.model import Plan
from ..desired.forwarding import Forwarding
from ..desired.protocols import KERNEL_TAGS, shown_protocol
from ..desired.route import Route
from ..desired.routes import RouteTable, route_key, route_of
from ..deviations import Deviations, agree, compared
from ..ops import AddRoute, DeleteRoute, ReplaceRoute, RtnlOp
from ..reading import Found, RouteKey
from .draft import Draft, Ground

__all__ = ["draft_routes", "held_by", "routes"]


def routes(
    desired: RouteTable | Collection[Route],
    observed: RouteTable | Collection[Route],
    *,
    protocol: int = 76,
    replace: bool = False,
) -> Plan[RtnlOp]:
    """The ops that lead from the routes that are there to those that should be.

    Two-way, by tag: of what is observed, that with the protocol `protocol` is ours, and is deleted
    where it is not desired; what has another one is left alone, and is a conflict where it has the
    key of a desired route and leads elsewhere. One that leads there is as good as ours.

    ====== ======================================== ==========================================
    family key                                      where the kernel compares it
    ====== ======================================== ==========================================
    IPv4   table, destination, tos, metric          fib_find_alias(), net/ipv4/fib_trie.c
    IPv6   table, destination, metric               fib6_add_rt2node(), net/ipv6/ip6_fib.c
    ====== ======================================== ==========================================

    Args:
        desired: The routes that should be.
        observed: Those that are there.
        protocol: Our tag.
        replace: Whether a foreign route under a desired key is taken over.

    Raises:
        DesiredStateError: Two desired routes have one key.
    """
    wanted = desired if isinstance(desired, RouteTable) else RouteTable(desired)
    ours = Found()
    foreign: dict[RouteKey, Forwarding] = {}
    for route in observed:
        packed = route.destination.network_address.packed
        if route.protocol == protocol:
            ours.put(route.prefix, packed, route.forwarding)
        else:
            foreign.setdefault((route.prefix, packed), route.forwarding)
    deviations = compared(wanted.groups, [ours])
    return draft_routes(deviations, foreign, Ground(), replace=replace).plan()


def draft_routes(
    deviations: Deviations,
    foreign: Mapping[RouteKey, Forwarding],
    ground: Ground,
    *,
    replace: bool,
    obstacle: Callable[[Forwarding], str] = lambda _: "",
) -> Draft:
    """The ops on routes.

    Args:
        deviations: Where ours differ from the desired ones.
        foreign: What others have under desired keys.
        ground: The interfaces.
        replace: Whether a foreign route under a desired key is taken over; the kernel's never is.
        obstacle: Why a route cannot be had yet, beyond its interfaces; empty where it can.
    """
    draft = Draft()
    needs = _Needs(ground, obstacle)
    added: list[RtnlOp] = []
    for prefix, group in deviations.missing.items():
        for packed, wanted in group.items():
            if foreign and (key := (prefix, packed)) in foreign:
                _beside(draft, key, wanted, foreign[key], needs, replace=replace)
                continue
            blocked, requires = needs.known.get(id(wanted)) or needs.of(wanted)
            if blocked:
                draft.wait(route_key(prefix, packed), blocked)
            else:
                added.append(AddRoute(prefix, packed, wanted, requires))
    draft.steps.build_all(added)
    for key, (wanted, there) in deviations.different.items():
        blocked, requires = needs.of(wanted)
        if blocked:
            draft.wait(route_key(*key), blocked)
        else:
            draft.steps.build(ReplaceRoute(*key, wanted, there, requires))
    for prefix, extra in deviations.extra.items():
        draft.steps.last += [
            DeleteRoute(prefix, packed, each) for packed, those in extra.items() for each in those
        ]
    return draft


def _beside(
    draft: Draft,
    key: RouteKey,
    wanted: Forwarding,
    held: Forwarding,
    needs: _Needs,
    *,
    replace: bool,
) -> None:
    """What to do where another has the key of a desired route."""
    if agree(wanted, held):
        return
    blocked, requires = needs.of(wanted)
    if not replace or held.protocol in KERNEL_TAGS:
        draft.conflict(route_key(*key), held_by(key, held))
    elif blocked:
        draft.wait(route_key(*key), blocked)
    else:
        draft.steps.build(ReplaceRoute(*key, wanted, held, requires))


class _Needs:
    """What routes need before they can be: asked once for all that share a way.

    Attributes:
        known: What was asked, by the way's id().
    """

    def __init__(self, ground: Ground, obstacle: Callable[[Forwarding], str]) -> None:
        self._ground = ground
        self._obstacle = obstacle
        self.known: dict[int, tuple[str, frozenset[str]]] = {}

    def of(self, forwarding: Forwarding) -> tuple[str, frozenset[str]]:
        """Why it has to wait, empty where it need not; and the keys it requires."""
        found = self.known.get(id(forwarding))
        if found is None:
            found = self.known[id(forwarding)] = self._find(forwarding)
        return found

    def _find(self, forwarding: Forwarding) -> tuple[str, frozenset[str]]:
        names = [forwarding.interface, *(hop.interface for hop in forwarding.nexthops)]
        blocked = next(filter(None, map(self._ground.down, names)), "")
        requires = self._ground.requires(*names)
        if forwarding.nexthop_id:
            requires |= {f"nexthop {forwarding.nexthop_id}"}
        return blocked or self._obstacle(forwarding), requires


def held_by(key: RouteKey, held: Forwarding) -> str:
    """Who has the key of a desired route, for people."""
    return f"{shown_protocol(held.protocol)} has {route_of(*key, held)} there"
