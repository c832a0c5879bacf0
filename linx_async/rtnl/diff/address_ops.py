"""The diff of addresses: pure, two-way by protocol tag, three-way by record where there is none."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from collections.abc import Set as AbstractSet
from ipaddress import ip_interface

from attrs import frozen

from ..._core.errors import OpError
from ..._core.model import Plan
from ..._core.ownership import Ownership
from ..desired import FOREVER, Address
from ..desired.checks import IP, Network
from ..desired.protocols import shown_protocol
from ..ops import AddAddress, DeleteAddress, ReplaceAddress, RtnlOp
from .draft import Draft, Ground

__all__ = [
    "DADFAILED",
    "DETECTION",
    "Whose",
    "addresses",
    "draft_addresses",
    "is_tentative",
    "network",
]

DETECTION = "duplicate address detection is not over yet"

# IFA_F_*, include/uapi/linux/if_addr.h
_SECONDARY = 0x01
_OPTIMISTIC = 0x04
DADFAILED = 0x08
_TENTATIVE = 0x40


@frozen
class Whose:
    """How addresses are told ours: by tag, or by record where the kernel has no tag.

    Attributes:
        protocol: Our tag.
        owned: Our record.
        tagged: Whether the kernel has the tag (IFA_PROTO, Linux 5.18).
    """

    protocol: int
    owned: Ownership
    tagged: bool

    def ours(self, address: Address) -> bool:
        """Whether an observed address is ours."""
        if self.tagged:
            return address.protocol == self.protocol
        return address.key in self.owned


def addresses(
    desired: Iterable[Address],
    observed: Collection[Address],
    *,
    protocol: int = 76,
    owned: Ownership | None = None,
    replace: bool = False,
    promoting: AbstractSet[str] = frozenset(),
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
    """
    whose = Whose(protocol, owned or Ownership(), tagged=owned is None)
    return draft_addresses(
        desired, observed, Ground(), whose, replace=replace, promoting=promoting
    ).plan()


def is_tentative(address: Address) -> bool:
    """Whether duplicate address detection is not done yet (RFC 4862); an optimistic one is used."""
    return bool(address.flags & _TENTATIVE) and not address.flags & (_OPTIMISTIC | DADFAILED)


def draft_addresses(
    desired: Iterable[Address],
    observed: Collection[Address],
    ground: Ground,
    whose: Whose,
    *,
    replace: bool,
    promoting: AbstractSet[str],
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
    if gone or anew:
        _Clearing(draft, observed, wanted, whose, promoting).clear(gone, anew)
    for key in whose.owned:
        if key.startswith("address ") and (whose.tagged or key not in there):
            draft.stale.add(key)
    return draft


def _judge(
    draft: Draft, address: Address, found: Address, whose: Whose, *, replace: bool
) -> list[tuple[Address, Address]]:
    """Note how an address differs; gives it with what is there where it has to be made anew."""
    key = address.key
    if found.flags & DADFAILED:
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
    elif is_tentative(found):
        draft.wait(key, DETECTION)
    return []


_LIFETIME = "with another lifetime"
_METRIC = "with another metric"


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


class _Clearing:
    """The addresses that are deleted, for good or to be made anew, and what goes with them."""

    def __init__(
        self,
        draft: Draft,
        observed: Collection[Address],
        wanted: Mapping[str, Address],
        whose: Whose,
        promoting: AbstractSet[str],
    ) -> None:
        self._draft = draft
        self._wanted = wanted
        self._whose = whose
        self._promoting = promoting
        self._secondaries: dict[tuple[str, Network], list[Address]] = {}
        for address in observed:
            if address.family == 4 and address.flags & _SECONDARY:
                self._secondaries.setdefault(network(address), []).append(address)

    def clear(self, gone: Collection[Address], anew: Collection[tuple[Address, Address]]) -> None:
        """Delete some for good, and some to make them anew.

        Args:
            gone: What is there and is to go.
            anew: What is to be, each with what is there.
        """
        going = {address.key for address in gone}
        renewed = {found.key for _, found in anew}
        again: dict[str, Address] = {}
        wanted = {network(each) for each in self._wanted.values()} if gone else set()
        for address in gone:
            company = self._company(address, going, renewed)
            if company is None:
                continue
            again.update(company)
            if company or (address.family == 4 and network(address) in wanted):
                # A new address of the same network would be a secondary one, and go with it.
                self._draft.steps.first.append(DeleteAddress(address))
            else:
                self._draft.steps.last.append(DeleteAddress(address))
        allowed = []
        for address, found in anew:
            company = self._company(found, going, renewed)
            if company is not None:
                again.update(company)
                allowed.append((address, found))
        own = not self._whose.tagged
        for address, found in allowed:
            if address.key not in again:
                # Before what is added: it would take along a new address of its network.
                renew = ReplaceAddress(address, found, in_place=False, own=own)
                self._draft.steps.first.append(renew)
        for address in again.values():
            self._draft.steps.build(AddAddress(address, again=True, own=own), 1)

    def _company(
        self, primary: Address, going: AbstractSet[str], renewed: AbstractSet[str]
    ) -> dict[str, Address] | None:
        """The desired addresses that go with one; None where foreign ones would: a conflict."""
        if (
            primary.family == 6
            or primary.flags & _SECONDARY
            or primary.interface in self._promoting
            or not self._secondaries
        ):
            return {}
        secondaries = self._secondaries.get(network(primary), ())
        company = [each for each in secondaries if each.key not in going]
        foreign = [
            each for each in company if not self._whose.ours(each) and each.key not in renewed
        ]
        if foreign:
            theirs = ", ".join(map(str, foreign))
            self._draft.conflict(
                primary.key,
                f"deleting it would delete {theirs} too, which is not ours: set"
                f" net.ipv4.conf.{primary.interface}.promote_secondaries, or delete it by hand",
            )
            return None
        return {each.key: self._wanted[each.key] for each in company}


def network(address: Address) -> tuple[str, Network]:
    """The interface, and the network that the kernel makes a route to."""
    base: IP = address.address if address.peer is None else address.peer
    return address.interface, ip_interface((base, address.prefix_length)).network
