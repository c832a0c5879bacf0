"""The diff of a whole network namespace: pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from ..._core.model import Plan
from ..._core.ownership import Ownership
from ..desired import Address, Nexthop
from ..desired.desired import Desired, DesiredLike
from ..desired.forwarding import Forwarding
from ..observed import Observed
from ..ops import RtnlOp
from .address_ops import Whose, draft_addresses, is_tentative
from .draft import Draft, merged
from .link_ops import draft_links, ground_of
from .others import draft_neighbours, draft_nexthops, draft_rules
from .route_ops import draft_routes

__all__ = ["diff"]


def diff(
    desired: DesiredLike,
    observed: Observed,
    owned: Ownership | None = None,
    *,
    protocol: int = 76,
    replace: bool = False,
    tagged: bool = True,
) -> Plan[RtnlOp]:
    """The ops that lead from observed to desired, in the order in which the kernel takes them.

    Links come first, each after what it sits on, then addresses, nexthops, neighbours, routes and
    rules. Deletes come last, and in reverse.

    Args:
        desired: What the namespace should have.
        observed: What it has.
        owned: Our record of links, and of addresses where the kernel has no tag.
        protocol: Our tag on all else.
        replace: Whether foreign objects under desired keys are taken over.
        tagged: Whether the kernel has a tag on addresses (IFA_PROTO, Linux 5.18).

    Raises:
        DesiredStateError: The desired state is wrong as written.
    """
    wanted = Desired.of(desired)
    record = owned or Ownership()
    ground = ground_of(wanted.links, observed.links, record)
    by_number = draft_nexthops(
        wanted.nexthops,
        observed.nexthops,
        ground,
        protocol=protocol,
        replace=replace,
        users=observed.nexthop_users,
    )
    return merged(
        [
            draft_links(
                wanted.links,
                observed.links,
                record,
                ground,
                replace=replace,
                moved=observed.moved,
            ),
            draft_addresses(
                wanted.addresses,
                observed.addresses,
                ground,
                Whose(protocol, record, tagged),
                replace=replace,
                promoting=observed.promoting,
            ),
            by_number,
            draft_neighbours(
                wanted.neighbours, observed.neighbours, ground, protocol=protocol, replace=replace
            ),
            draft_routes(
                observed.routes.deviations(wanted.routes),
                observed.foreign_routes,
                ground,
                replace=replace,
                obstacle=_Obstacles(wanted, observed, by_number),
            ),
            draft_rules(wanted.rules, observed.rules, protocol=protocol),
        ]
    )


class _Obstacles:
    """Why a route cannot be had yet, beyond its interfaces."""

    def __init__(self, wanted: Desired, observed: Observed, nexthops: Draft) -> None:
        self._nexthops = _numbers(wanted.nexthops) | _numbers(observed.nexthops)
        self._stuck = {each.key: f"{each.key} waits" for each in nexthops.waiting}
        self._stuck |= {each.key: f"{each.key} is another's" for each in nexthops.conflicts}
        self._tentative = _tentative(observed.addresses, wanted.addresses)

    def __call__(self, forwarding: Forwarding) -> str:
        number = forwarding.nexthop_id
        if number and number not in self._nexthops:
            return f"the nexthop {number} is not there"
        if number and (stuck := self._stuck.get(f"nexthop {number}")):
            return stuck
        return self._tentative.get(str(forwarding.source), "") if forwarding.source else ""


def _numbers(nexthops: Collection[Nexthop]) -> set[int]:
    return {nexthop.id for nexthop in nexthops}


def _tentative(observed: Collection[Address], wanted: Collection[Address]) -> Mapping[str, str]:
    """Why an address cannot be a route's source yet, by address."""
    usable = {str(each.address) for each in observed if not is_tentative(each)}
    waiting = {
        str(each.address): f"duplicate address detection of {each.address} is not over yet"
        for each in observed
        if is_tentative(each)
    }
    for each in wanted:
        text = str(each.address)
        if each.family == 6 and not each.nodad and text not in usable:
            waiting.setdefault(text, f"{text} is not there yet")
    return {text: reason for text, reason in waiting.items() if text not in usable}
