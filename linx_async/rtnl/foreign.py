"""What others have that would go with something of ours: looked for only where it may."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from .codec.neighbour import NeighbourFlag
from .desired import Address, Neighbour, Nexthop
from .desired.desired import Desired
from .desired.protocols import shown_protocol
from .diff.address_ops import Whose, is_made_anew
from .diff.nexthop_ops import turns
from .views import Views

__all__ = ["carried", "is_put_there", "nexthop_users"]

_LASTING: Final = NeighbourFlag.EXT_LEARNED | NeighbourFlag.MANAGED


async def carried(
    views: Views,
    desired: Desired,
    addresses: Iterable[Address],
    neighbours: Iterable[Neighbour],
    whose: Whose,
    *,
    replace: bool,
) -> Mapping[str, str]:
    """What others have on interfaces that may lose an IPv4 address of ours.

    A route and a neighbour for each; with `replace`, not what is taken over in the same pass.
    """
    taken = {each.key for each in desired.neighbours} if replace else set()
    wanted = {each.key: each for each in desired.addresses}
    names = {
        each.interface
        for each in addresses
        if each.family == 4
        and whose.ours(each)
        and (each.key not in wanted or is_made_anew(wanted[each.key], each))
    }
    if not names:
        return {}
    routes = await views.carried(names, desired.routes.groups if replace else {})
    found: dict[str, str] = {}
    for each in neighbours:
        if each.interface not in names or each.protocol == whose.protocol or each.key in taken:
            continue
        if is_put_there(each):
            kind = "" if each.proxy else "neighbour "
            found.setdefault(each.interface, f"{kind}{each} of {shown_protocol(each.protocol)}")
    for name, route in routes.items():
        found[name] = f"{route} and {found[name]}" if name in found else route
    return found


def is_put_there(neighbour: Neighbour) -> bool:
    """Whether an IPv4 neighbour was put there by somebody, and goes with the last address.

    What the kernel learned it learns again; and it has some of its own that need no answer
    (arp_constructor() in net/ipv4/arp.c).
    """
    if neighbour.family != 4:
        return False
    lasting = neighbour.proxy or neighbour.state == "permanent" or neighbour.flags & _LASTING
    return bool(lasting) or (neighbour.state == "noarp" and bool(neighbour.protocol))


async def nexthop_users(
    views: Views, desired: Desired, nexthops: Iterable[Nexthop], protocol: int, *, replace: bool
) -> Mapping[int, str]:
    """Foreign routes by nexthops that are to go, if only to be made anew, one for each."""
    wanted = {nexthop.id: nexthop for nexthop in desired.nexthops}
    gone = {
        each.id
        for each in nexthops
        if (each.protocol == protocol and each.id not in wanted)
        or (
            (each.protocol == protocol or replace)
            and each.id in wanted
            and turns(wanted[each.id], each)
        )
    }
    return await views.nexthop_users(gone) if gone else {}
