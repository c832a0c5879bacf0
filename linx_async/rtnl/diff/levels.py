"""The order of links: each after what it sits on, and what it belongs to."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from typing import Final

from ..desired import Link
from .draft import Ground

__all__ = ["Levels", "founded"]

_PREFIX: Final = "link "
_LEVELS_A_LINK: Final = 3
"""A link is made, then set, then moved."""


def founded(
    coming: Mapping[str, str], links: Iterable[Link], there: Container[str]
) -> Mapping[str, str]:
    """Of the links to come those that can: what they sit on, and belong to, is there or comes too.

    Args:
        coming: The keys of the links that bring them, by name.
        links: The desired links.
        there: The names of the links that are there, and stay.
    """
    needs = {link.key: [each for each in (link.parent, link.master) if each] for link in links}
    while True:
        left = {
            name: key
            for name, key in coming.items()
            if all(each in there or each in coming for each in needs[key])
        }
        if len(left) == len(coming):
            return left
        coming = left


class Levels:
    """How many links have to be there before each."""

    def __init__(self, wanted: Mapping[str, Link], ground: Ground) -> None:
        self._wanted = wanted
        self._ground = ground
        self._known: dict[str, int] = {}

    def of(self, name: str) -> int:
        """The level of a link: 0 where it needs none of this plan."""
        return self._find(name, frozenset())

    def _find(self, name: str, below: frozenset[str]) -> int:
        if name in self._known or name in below:
            return self._known.get(name, 0)
        link = self._wanted.get(name)
        needed: list[str] = []
        if link is not None:
            needed = [each for each in (link.parent, link.master) if each]
        bringer = self._ground.coming.get(name, "").removeprefix(_PREFIX)
        if bringer != name and bringer:
            needed.append(bringer)
        levels = [self._find(each, below | {name}) for each in needed if each in self._wanted]
        level = max(levels, default=-_LEVELS_A_LINK) + _LEVELS_A_LINK
        self._known[name] = level
        return level
