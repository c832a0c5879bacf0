"""The diff of a whole network namespace: pure."""

from __future__ import annotations

from itertools import chain

from attrs import evolve

from ..._core.model import Plan
from ..._core.ownership import Ownership
from ..desired.desired import Desired, DesiredLike
from ..observed import Observed
from ..ops import RtnlOp
from .address_ops import Whose, draft_addresses
from .draft import merged
from .link_ops import draft_links, ground_of
from .nexthop_ops import draft_nexthops
from .obstacles import Obstacles
from .others import draft_neighbours, draft_rules
from .retreating import retreat_from
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
    rules. Deletes come last, and in reverse. Nexthops that leave a link which goes down or away
    come before all.

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
    by_link = draft_links(
        wanted.links,
        observed.links,
        record,
        ground,
        replace=replace,
        elsewhere=observed.elsewhere,
        first_index=observed.first_index,
    )
    held = {each.key for each in by_link.conflicts}
    foreign = frozenset(link.name for link in wanted.links if link.key in held)
    anew = frozenset(op.key for op in by_link.steps.first)
    ground = evolve(ground, foreign=foreign, anew=anew)
    by_address = draft_addresses(
        wanted.addresses,
        observed.addresses,
        ground,
        Whose(protocol, record, tagged),
        replace=replace,
        promoting=observed.promoting,
        carried=observed.carried,
    )
    by_number = draft_nexthops(
        wanted.nexthops,
        observed.nexthops,
        ground,
        protocol=protocol,
        replace=replace,
        users=observed.nexthop_users,
        used=lambda: {way.nexthop_id for way in wanted.routes.ways},
        retreat=retreat_from(
            chain(by_link.steps.first, *by_link.steps.levels), observed.links, observed.addresses
        ),
    )
    return merged(
        [
            by_link,
            by_address,
            by_number,
            draft_neighbours(
                wanted.neighbours, observed.neighbours, ground, protocol=protocol, replace=replace
            ),
            draft_routes(
                observed.routes.deviations(wanted.routes),
                observed.foreign_routes,
                ground,
                replace=replace,
                obstacle=Obstacles(wanted, observed, ground, by_address, by_number),
            ),
            draft_rules(wanted.rules, observed.rules, protocol=protocol),
        ]
    )
