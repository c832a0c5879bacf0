"""Which interfaces a text in nft's syntax names by index: pure."""

from __future__ import annotations

import re
from collections.abc import Generator, Iterable, Mapping, Sequence
from typing import Final, TypeAlias

from .desired import Table

__all__ = ["Asking", "indices_in"]

_BY_INDEX: Final = re.compile(r"\b(?:iif|oif|sdif|iface_index|include)\b")
"""Words of texts that may; what is included may say any."""
_INCLUDE: Final = "include"
_LOOPBACK: Final = "lo"
"""It has the same index everywhere (LOOPBACK_IFINDEX)."""

Asking: TypeAlias = Generator[Mapping[str, int], Sequence[Table], tuple[Mapping[str, int], ...]]
"""Asks what the text makes where links have other indices, and gives what each table relies on."""


def indices_in(text: str, links: Mapping[str, int], made: Sequence[Table]) -> Asking:
    """What interfaces each table of a text names by index: whose index makes a difference to it.

    Args:
        text: It, with the values of its variables.
        links: The indices that it was compiled with, by name.
        made: The tables that it made.
    """
    nothing: tuple[dict[str, int], ...] = tuple({} for _ in made)
    words = set(_BY_INDEX.findall(text))
    if not words:
        return nothing
    any_may = _INCLUDE in words
    names = [name for name in links if name != _LOOPBACK and (any_may or name in text)]
    if not names:
        return nothing
    others = yield _moved(links, names)
    if others == made:
        return nothing
    for name in names:
        others = yield _moved(links, [name])
        for found, one, other in zip(nothing, made, others, strict=True):
            if one != other:
                found[name] = links[name]
    return nothing


def _moved(links: Mapping[str, int], names: Iterable[str]) -> dict[str, int]:
    """Links of which some have other indices."""
    free = max(links.values()) + 1
    return {**links, **{name: free + place for place, name in enumerate(names)}}
