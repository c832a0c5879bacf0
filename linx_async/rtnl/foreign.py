"""What others have that would go with something of ours: looked for only where it may."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from .desired import Address, Nexthop
from .desired.desired import Desired
from .diff.address_ops import Whose, is_made_anew
from .views import Views

__all__ = ["carried_routes", "nexthop_users"]


async def carried_routes(
    views: Views, desired: Desired, addresses: Iterable[Address], whose: Whose
) -> Mapping[str, str]:
    """Foreign routes on interfaces that may lose an IPv4 address of ours, one for each."""
    wanted = {each.key: each for each in desired.addresses}
    names = {
        each.interface
        for each in addresses
        if each.family == 4
        and whose.ours(each)
        and (each.key not in wanted or is_made_anew(wanted[each.key], each))
    }
    return await views.carried(names) if names else {}


async def nexthop_users(
    views: Views, desired: Desired, nexthops: Iterable[Nexthop], protocol: int
) -> Mapping[int, str]:
    """Foreign routes by nexthops of ours that are to go, one for each."""
    wanted = {nexthop.id for nexthop in desired.nexthops}
    gone = {each.id for each in nexthops if each.protocol == protocol} - wanted
    return await views.nexthop_users(gone) if gone else {}
