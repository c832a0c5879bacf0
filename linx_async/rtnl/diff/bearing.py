"""Which links are ours, and what of somebody else's would go with them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from ..._core.ownership import Claim, Ownership
from ..observed_link import ObservedLink
from ..records import LinkRecord

__all__ = ["bears", "claim_on", "is_doubtful"]

_GOES_ALONG: Final = frozenset(
    {"ipvlan", "ipvtap", "macsec", "macvlan", "macvtap", "vlan", "vxlan"}
)
"""Kinds whose links go when what they sit on goes (NETDEV_UNREGISTER in their drivers)."""


def claim_on(found: ObservedLink, owned: Ownership) -> Claim | None:
    """Our claim on a link that is there; None where it is another's."""
    claim = owned.get(f"link {found.name}")
    if claim is None or claim.value != found.kind:
        return None
    record = LinkRecord.of(claim.settled)
    return claim if record is not None and record.index == found.index else None


def is_doubtful(found: ObservedLink, owned: Ownership) -> bool:
    """Whether a link may be ours, by a claim that does not say which one it is on."""
    claim = owned.get(f"link {found.name}")
    return claim is not None and claim.settled is None and claim.value == found.kind


def bears(found: ObservedLink, observed: Mapping[str, ObservedLink], owned: Ownership) -> str:
    """Why a link must not be deleted: a foreign one sits on it, or on one that does.

    Empty where it may be. What sits on it from another network namespace is not seen.
    """
    left = [
        each
        for each in observed.values()
        if each.kind in _GOES_ALONG and each.parent and each.link_netnsid is None
    ]
    foreign: list[str] = []
    lower = {found.index}
    while lower:
        upper = [each for each in left if each.parent in lower]
        left = [each for each in left if each.parent not in lower]
        foreign += [each.name for each in upper if claim_on(each, owned) is None]
        lower = {each.index for each in upper}
    theirs = ", ".join(sorted(foreign))
    return theirs and f"deleting it would delete {theirs} too, which is not ours"
