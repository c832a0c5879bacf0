"""Why a route cannot be had yet, beyond the interfaces that it names."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import cached_property

from ..desired import Address
from ..desired.checks import IP, Network
from ..desired.desired import Desired
from ..desired.forwarding import Forwarding
from ..observed import Observed
from .address_ops import network
from .draft import Draft, Ground

__all__ = ["Obstacles"]


class Obstacles:
    """What stands in the way of routes; found out once a route is asked about.

    Args:
        wanted: The desired state.
        observed: What there is.
        ground: The interfaces.
        addresses: The plan of the addresses.
        nexthops: The plan of the nexthops.
    """

    def __init__(
        self, wanted: Desired, observed: Observed, ground: Ground, addresses: Draft, nexthops: Draft
    ) -> None:
        self._wanted = wanted
        self._observed = observed
        self._ground = ground
        self._addresses = addresses
        self._nexthops = nexthops

    @cached_property
    def _numbers(self) -> set[int]:
        return {each.id for each in (*self._wanted.nexthops, *self._observed.nexthops)}

    @cached_property
    def _stuck(self) -> Mapping[str, str]:
        waiting, conflicts = self._nexthops.waiting, self._nexthops.conflicts
        stuck = {each.key: f"{each.key} waits" for each in waiting}
        return stuck | {each.key: f"{each.key} is not as declared" for each in conflicts}

    @cached_property
    def _tentative(self) -> Mapping[IP, str]:
        return _tentative(self._observed.addresses, self._wanted.addresses)

    @cached_property
    def _networks(self) -> tuple[set[Network], dict[Network, str]]:
        return _networks(self._wanted, self._observed, self._ground, self._addresses)

    def __call__(self, forwarding: Forwarding) -> str:
        """Why a route that does this has to wait; empty where it need not."""
        number = forwarding.nexthop_id
        if number and number not in self._numbers:
            return f"the nexthop {number} is not there"
        if number and (stuck := self._stuck.get(f"nexthop {number}")):
            return stuck
        if forwarding.source and (reason := self._tentative.get(forwarding.source)):
            return reason
        ways = [(forwarding.gateway, forwarding.interface)]
        ways += [(hop.gateway, hop.interface) for hop in forwarding.nexthops]
        return next(filter(None, (self._behind(*way) for way in ways)), "")

    def _behind(self, gateway: IP | None, interface: str | None) -> str:
        """Why a gateway that is found by its network alone cannot be reached yet."""
        if gateway is None or interface is not None:
            return ""
        usable, unusable = self._networks
        if not unusable or any(gateway in network for network in usable):
            return ""
        found = (reason for network, reason in unusable.items() if gateway in network)
        return next(found, "")


def _networks(
    wanted: Desired, observed: Observed, ground: Ground, addresses: Draft
) -> tuple[set[Network], dict[Network, str]]:
    """The networks that addresses lead to, and why some do not yet."""
    waiting = {each.key: each.reason for each in addresses.waiting}
    usable: set[Network] = set()
    unusable: dict[Network, str] = {}
    for address in (*wanted.addresses, *observed.addresses):
        _, reached = network(address)
        reason = waiting.get(address.key, "") or ground.down(address.interface)
        if reason and not address.is_tentative:
            unusable.setdefault(reached, reason)
        else:
            usable.add(reached)
    return usable, unusable


def _tentative(observed: Collection[Address], wanted: Collection[Address]) -> Mapping[IP, str]:
    """Why an address cannot be a route's source yet, by address."""
    usable = {each.address for each in observed if not (each.is_tentative or each.is_duplicate)}
    waiting = {
        each.address: f"duplicate address detection of {each.address} is not over yet"
        for each in observed
        if each.is_tentative
    }
    for each in observed:
        if each.is_duplicate:
            failed = f"duplicate address detection of {each.address} failed"
            waiting.setdefault(each.address, failed)
    for each in wanted:
        if each.family == 6 and not each.nodad and each.address not in usable:
            waiting.setdefault(each.address, f"{each.address} is not there yet")
    return {address: reason for address, reason in waiting.items() if address not in usable}
