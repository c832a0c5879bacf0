"""Whether what is desired has the tag of its source."""

from __future__ import annotations

from .._core.errors import DesiredStateError
from .desired import Address, Neighbour, Nexthop, Route, Rule
from .desired.desired import Desired

__all__ = ["check_tags"]


def check_tags(desired: Desired, protocol: int, name: str) -> None:
    """Refuse what is declared with another tag than the source's, which would never be ours.

    Raises:
        DesiredStateError: An entry has another one.
    """
    wrong = {id(way) for way in desired.routes.ways if way.protocol not in {None, protocol}}
    entries: list[Address | Rule | Neighbour | Nexthop | Route] = [
        route for route in (desired.routes if wrong else ()) if id(route.forwarding) in wrong
    ]
    entries += [*desired.addresses, *desired.rules, *desired.neighbours, *desired.nexthops]
    for entry in entries:
        if entry.protocol not in {None, protocol}:
            raise DesiredStateError(
                f"{entry}: protocol: {entry.protocol} is not the tag of {name}, {protocol}: leave"
                " it out, or give it to another Source"
            )
