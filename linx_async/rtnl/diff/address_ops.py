"""The diff of addresses: pure, two-way by protocol tag, three-way by record where there is none."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from collections.abc import Set as AbstractSet

from ..._core.errors import OpError
from ..._core.model import Plan
from ..._core.ownership import Ownership
from ..desired import FOREVER, Address
from ..desired.protocols import shown_protocol
from ..ops import AddAddress, ReplaceAddress, RtnlOp
from .clearing import Clearing, Whose, network
from .draft import Draft, Ground
from .emptying import held_back

__all__ = [
    "DETECTION",
    "Whose",
    "addresses",
    "draft_addresses",
    "is_made_anew",
    "network",
]

DETECTION = "duplicate address detection is not over yet"


def addresses(
    desired: Iterable[Address],
    observed: Collection[Address],
    *,
    protocol: int = 76,
    owned: Ownership | None = None,
    replace: bool = False,
    promoting: AbstractSet[str] = frozenset(),
    carried: Mapping[str, str] | None = None,
) -> Plan[RtnlOp]:
    """The ops that lead from the addresses that are there to those that should be.

    Two-way, by tag: what has the protocol `protocol` is ours. Given `owned`, three-way by that
    record instead, for kernels without the tag (before Linux 5.18).

    ====== ============================================ =======================================
    family key                                          where the kernel compares it
    ====== ============================================ =======================================
    IPv4   interface, address, prefix length and peer   __inet_insert_ifa(), net/ipv4/devinet.c
    IPv6   interface and address                        ipv6_add_addr(), net/ipv6/addrconf.c
    ====== ============================================ =======================================

    Deleting the primary IPv4 address of a network deletes its secondary ones too, unless the
    interface promotes them (__inet_del_ifa(), net/ipv4/devinet.c): with foreign ones among them it
    is a conflict, and our own are added again.

    A lifetime is renewed when half of it is over.

    Args:
        desired: The addresses that should be.
        observed: All that are there.
        protocol: Our tag.
        owned: Our record, where the kernel has no tag.
        replace: Whether a foreign address under a desired key is taken over.
        promoting: Interfaces that promote secondary addresses.
        carried: Foreign IPv4 routes and neighbours by the interface they are on: its last address
            takes them along, and stays therefore.
    """
    whose = Whose(protocol, owned or Ownership(), tagged=owned is None)
    return draft_addresses(
        desired,
        observed,
        Ground(),
        whose,
        replace=replace,
        promoting=promoting,
        carried=carried or {},
    ).plan()


def draft_addresses(
    desired: Iterable[Address],
    observed: Collection[Address],
    ground: Ground,
    whose: Whose,
    *,
    replace: bool,
    promoting: AbstractSet[str],
    carried: Mapping[str, str],
) -> Draft:
    """The ops on addresses."""
    draft = Draft()
    there = {address.key: address for address in observed}
    wanted = {address.key: address for address in desired}
    anew: list[tuple[Address, Address]] = []
    for key, address in wanted.items():
        found = there.get(key)
        if found is not None:
            anew += _judge(draft, address, found, whose, replace=replace)
        elif missing := ground.missing(address.interface):
            draft.wait(key, missing)
        else:
            requires = ground.requires(address.interface)
            draft.steps.build(AddAddress(address, requires, own=not whose.tagged))
    gone = [a for key, a in there.items() if key not in wanted and whose.ours(a)]
    if carried and (gone or anew):
        leaving = [*gone, *(found for _, found in anew)]
        coming = [each for key, each in wanted.items() if key not in there]
        held = held_back(leaving, coming, observed, carried, promoting, network)
        for key, reason in held.items():
            draft.conflict(key, reason)
        gone = [each for each in gone if each.key not in held]
        anew = [pair for pair in anew if pair[0].key not in held]
    if gone or anew:
        Clearing(draft, observed, wanted, whose, promoting).clear(gone, anew)
    for key in whose.owned:
        if key.startswith("address ") and (whose.tagged or key not in there):
            draft.stale.add(key)
    return draft


def _judge(
    draft: Draft, address: Address, found: Address, whose: Whose, *, replace: bool
) -> list[tuple[Address, Address]]:
    """Note how an address differs; gives it with what is there where it has to be made anew."""
    key = address.key
    if found.is_duplicate:
        message = "duplicate address detection failed: another host has it"
        draft.failed.append(OpError(key, None, message))
        return []
    ours = whose.ours(found)
    change = _change(address, found)
    if change and not (ours or replace):
        draft.conflict(key, f"{shown_protocol(found.protocol)} has {found} there, {change}")
    elif change and not (ours and _can_change(address, found, change)):
        return [(address, found)]
    elif change:
        draft.steps.build(ReplaceAddress(address, found, in_place=True, own=not whose.tagged))
    elif found.is_tentative:
        draft.wait(key, DETECTION)
    return []


_LIFETIME = "with another lifetime"
_METRIC = "with another metric"


def is_made_anew(address: Address, found: Address) -> bool:
    """Whether an address of ours has to be deleted to make it what it should be."""
    change = _change(address, found)
    return bool(change) and not _can_change(address, found, change)


def _can_change(address: Address, found: Address, change: str) -> bool:
    """Whether the kernel changes an address as told: inet_rtm_newaddr(), inet6_addr_modify()."""
    if address.family == 6:
        return address.prefix_length == found.prefix_length
    return change in {_LIFETIME, _METRIC}


def _change(address: Address, found: Address) -> str:
    """In which way an address is not as desired; empty where it is."""
    if address.prefix_length != found.prefix_length or address.peer != found.peer:
        return "with another network"
    if (address.label, address.broadcast, address.scope) != (
        found.label,
        found.broadcast,
        found.scope,
    ):
        return "with another label, broadcast address or scope"
    if address.noprefixroute != found.noprefixroute:
        return "with another prefix route"
    if address.metric != found.metric and address.metric is not None:
        return _METRIC
    lifetimes = (
        (address.valid_lifetime, found.valid_lifetime),
        (address.preferred_lifetime, found.preferred_lifetime),
    )
    return _LIFETIME if any(_is_over(*pair) for pair in lifetimes) else ""


def _is_over(said: int, left: int) -> bool:
    """Whether a lifetime has to be set: it is another one, or half over."""
    if FOREVER in {said, left}:
        return said != left
    return left > said or left < said // 2
