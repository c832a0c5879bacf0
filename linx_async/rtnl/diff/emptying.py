"""Which addresses cannot go, because the last one of an interface takes others along."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from collections.abc import Set as AbstractSet

from ..desired import Address

__all__ = ["held_back"]


def held_back(
    leaving: Iterable[Address],
    coming: Iterable[Address],
    observed: Collection[Address],
    carried: Mapping[str, str],
    promoting: AbstractSet[str],
    network: Callable[[Address], object],
) -> dict[str, str]:
    """Why addresses cannot be deleted, by key.

    With the last IPv4 address of an interface go all IPv4 routes on it but those by a nexthop's
    number, and all IPv4 neighbours and proxies, permanent ones too (fib_disable_ip() in
    net/ipv4/fib_frontend.c, neigh_ifdown() in net/core/neighbour.c). The last IPv6 address takes
    nothing along.

    Args:
        leaving: What is to be deleted, if only to be made anew.
        coming: What is to be added.
        observed: All addresses.
        carried: Foreign routes and neighbours on interfaces.
        promoting: Interfaces that promote secondary addresses.
        network: The interface and the network of an address.
    """
    held: dict[str, str] = {}
    going = [each for each in leaving if each.family == 4 and each.interface in carried]
    arriving = [each for each in coming if each.family == 4]
    keys = {each.key for each in going}
    networks = {network(each) for each in going}
    for interface in {each.interface for each in going}:
        stays = any(
            each.interface == interface
            and each.family == 4
            and each.key not in keys
            # A secondary goes with its primary.
            and (interface in promoting or not each.is_secondary or network(each) not in networks)
            for each in observed
        )
        # What is added in another network comes before what is deleted.
        comes = any(
            each.interface == interface and network(each) not in networks for each in arriving
        )
        if not stays and not comes:
            reason = (
                f"deleting the last IPv4 address of {interface} would delete {carried[interface]},"
                " which is not ours: give it another one first, or delete that by hand"
            )
            held.update({each.key: reason for each in going if each.interface == interface})
    return held
