"""Deleting addresses, and what goes with them: pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from collections.abc import Set as AbstractSet
from ipaddress import ip_interface

from attrs import frozen

from ..._core.ownership import Ownership
from ..desired import Address
from ..desired.checks import IP, Network
from ..ops import AddAddress, DeleteAddress, ReplaceAddress
from .draft import Draft

__all__ = ["Clearing", "Whose", "network"]


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


class Clearing:
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
            if address.is_secondary:
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
            or primary.is_secondary
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
