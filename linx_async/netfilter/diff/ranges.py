"""The ranges of a set: two elements each, which the kernel adds and deletes together: pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from itertools import chain
from operator import itemgetter
from typing import Final, TypeAlias

from attrs import evolve

from ..desired.elements import CATCHALL, END, Rest
from .multiset import ElementChanges, element_changes

__all__ = ["range_changes"]

_Range: TypeAlias = tuple[bytes, ...]
"""The keys of where it begins and of what comes after it; one alone is open on a side."""

_value: Final = itemgetter(slice(1, None))


def range_changes(
    desired: Mapping[bytes, Rest],
    observed: Mapping[bytes, Rest],
    *,
    managed: bool,
    transient: Callable[[Rest], bool],
) -> ElementChanges[bytes]:
    """`element_changes` of a set of ranges: an end goes with its beginning, and comes after it.

    nft_rbtree_deactivate() and __nft_rbtree_insert() (net/netfilter/nft_set_rbtree.c) refuse half
    of a range, and among other ranges an end without its beginning.
    """
    found = element_changes(desired, observed, managed=managed, transient=transient)
    if not found:
        return found
    if (whole := _of_whole_ranges(found)) is not None:
        return whole
    ranges = element_changes(
        _ranges(desired),
        _ranges(observed),
        managed=managed,
        transient=lambda rests: transient(rests[0]),
    )
    return ElementChanges(
        tuple(chain.from_iterable(ranges.added)),
        tuple(chain.from_iterable(ranges.changed)),
        tuple(chain.from_iterable(ranges.deleted)),
        found.untouched,
        found.spared,
    )


def _of_whole_ranges(changes: ElementChanges[bytes]) -> ElementChanges[bytes] | None:
    """The changes in order, where whole ranges are added, or whole ones deleted, and no more."""
    if changes.changed or (changes.added and changes.deleted):
        return None
    keys = _in_order(changes.added or changes.deleted)
    starts, ends = keys[::2], keys[1::2]
    if len(starts) != len(ends) or any(map(_ends, starts)) or not all(map(_ends, ends)):
        return None
    ordered = tuple(keys)
    return evolve(changes, added=ordered) if changes.added else evolve(changes, deleted=ordered)


def _ends(key: bytes) -> bool:
    return key.startswith(END)


def _ranges(elements: Mapping[bytes, Rest]) -> dict[_Range, tuple[Rest, ...]]:
    found: dict[_Range, tuple[Rest, ...]] = {}
    start: bytes | None = None
    for key in _in_order(elements):
        if _ends(key) and start is not None:
            found[start, key] = elements[start], elements[key]
            start = None
            continue
        if start is not None:
            found[start,] = (elements[start],)
        start = None if _ends(key) or key == CATCHALL else key
        if start is None:
            found[key,] = (elements[key],)
    if start is not None:
        found[start,] = (elements[start],)
    return found


def _in_order(keys: Iterable[bytes]) -> list[bytes]:
    """By value, as the kernel compares them; what ends a range before what begins the next."""
    ends: list[bytes] = []
    starts: list[bytes] = []
    for key in keys:
        (ends if key.startswith(END) else starts).append(key)
    return sorted(chain(ends, starts), key=_value)
