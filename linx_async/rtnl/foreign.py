"""What others have that would go with something of ours: looked for only where it may."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from .desired import Address, Nexthop
from .desired.desired import Desired
from .diff.address_ops import Whose
from .views import Views

__all__ = ["carried_routes", "nexthop_users"]


async def carried_routes(
    views: Views, desired: Desired, addresses: Iterable[Address], whose: Whose
) -> Mapping[str, str]:
    """Foreign routes on interfaces that may lose an IPv4 address of ours, one for each."""
    stay = {_shape(each) for each in desired.addresses}
    names = {
        each.interface
        for each in addresses
        if each.family == 4 and _shape(each) not in stay and whose.ours(each)
    }
    return await views.carried(names) if names else {}


def _shape(address: Address) -> tuple[object, ...]:
    """All of an address that cannot be changed in place."""
    return address.key, address.label, address.broadcast, address.scope


async def nexthop_users(
    views: Views, desired: Desired, nexthops: Iterable[Nexthop], protocol: int
) -> Mapping[int, str]:
    """Foreign routes by nexthops of ours that are to go, one for each."""
    wanted = {nexthop.id for nexthop in desired.nexthops}
    gone = {each.id for each in nexthops if each.protocol == protocol} - wanted
    return await views.nexthop_users(gone) if gone else {}
