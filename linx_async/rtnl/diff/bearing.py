"""What a link bears that is somebody else's, and would go with it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from ..observed_link import ObservedLink

__all__ = ["borne"]

_GOES_ALONG: Final = frozenset(
    {"ipvlan", "ipvtap", "macsec", "macvlan", "macvtap", "vlan", "vxlan"}
)
"""Kinds whose links go when what they sit on goes (NETDEV_UNREGISTER in their drivers)."""


def borne(
    link: ObservedLink, links: Iterable[ObservedLink], is_ours: Callable[[ObservedLink], bool]
) -> str:
    """The names of the foreign links that sit on one, or on links that do; empty for none."""
    there = [each for each in links if each.kind in _GOES_ALONG and each.link_netnsid is None]
    found: list[str] = []
    lower = {link.index}
    while lower:
        upper = [each for each in there if each.parent in lower]
        there = [each for each in there if each.parent not in lower]
        found += [each.name for each in upper if not is_ours(each)]
        lower = {each.index for each in upper}
    return ", ".join(sorted(found))
