"""Ranges as the kernel has them: an element where each begins, and one past its end."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final, TypeAlias

from attrs import evolve

from ..._core.checks import wrong
from .elements import CATCHALL, END, NOTHING, PLAIN, Rest

__all__ = ["OPEN", "Placed", "closed", "of_ranges", "ranges_in", "span_keys", "zero_end"]

OPEN: Final = b"\x01\x04\x01\x00\x00\x00"
"""NFTNL_UDATA_SET_ELEM_FLAGS with SET_ELEM_F_INTERVAL_OPEN: of a range up to the last value."""

Placed: TypeAlias = tuple[int, int, int]
"""The first value, minus the place in what was declared, and the last value: in nft's order."""


def of_ranges(
    ranges: list[Placed],
    rests: Sequence[Rest] | None,
    plain: Rest,
    length: int,
    most: int,
    merge: bool,
    label: Callable[[int], str],
) -> dict[bytes, Rest]:
    """The elements of ranges, which are sorted in place.

    Args:
        ranges: The ranges.
        rests: What each is besides, by its place; None where all are `plain`.
        plain: What a range is besides, that is nothing else.
        length: Bytes of a value.
        most: The greatest value.
        merge: Whether ranges that touch or overlap are joined, as nft does with `auto-merge`.
        label: What to call the range at a place.

    Raises:
        DesiredStateError: Two overlap that are not joined.
    """
    ranges.sort()
    found: dict[bytes, Rest] = {}
    if not ranges:
        return found
    size, ends = length + 1, 1 << (8 * length)
    if ranges[0][0]:
        found[zero_end(length)] = NOTHING
    first, _, last = ranges[0]
    rest = plain if rests is None else rests[-ranges[0][1]]
    before = ranges[0]
    for each in ranges[1:]:
        low, place, high = each
        other = plain if rests is None else rests[-place]
        if low <= last + 1:
            if low <= last:
                if (low, high) == (first, last) and rest == other:
                    continue
                if not merge or rest.timeout_ms != other.timeout_ms:
                    raise _overlap(before, each, label)
            if low <= last or (merge and rest.timeout_ms == other.timeout_ms):
                last = max(last, high)
                continue
        found[first.to_bytes(size, "big")] = rest
        found[(last + 1 | ends).to_bytes(size, "big")] = NOTHING
        first, last, rest, before = low, high, other, each
    found.update(span_keys(first, last, rest, length, most))
    return found


def _overlap(one: Placed, other: Placed, label: Callable[[int], str]) -> Exception:
    early, late = sorted((-one[1], -other[1]))
    if (one[0], one[2]) == (other[0], other[2]):
        return wrong(label(late), f"is declared already, by {label(early)}, with something else")
    return wrong(label(late), f"overlaps {label(early)}; auto_merge=True joins such ranges of sets")


def span_keys(
    first: int, last: int, rest: Rest, length: int, most: int
) -> tuple[tuple[bytes, Rest], ...]:
    """The elements of one range."""
    begin = PLAIN + first.to_bytes(length, "big")
    if last == most:
        return ((begin, evolve(rest, userdata=rest.userdata + OPEN)),)
    return (begin, rest), (END + (last + 1).to_bytes(length, "big"), NOTHING)


def closed(rest: Rest) -> Rest:
    """What a range is besides, without that it goes up to the last value."""
    if OPEN not in rest.userdata:
        return rest
    found = evolve(rest, userdata=rest.userdata.replace(OPEN, b"", 1))
    return NOTHING if found == NOTHING else found


def zero_end(length: int) -> bytes:
    """The key of the end that nft puts at zero, where no range begins there."""
    return END + bytes(length)


def ranges_in(keys: Iterable[bytes], most: int) -> list[tuple[int, int]]:
    """The first and the last value of each range, in order; of keys that are such."""
    bounds = sorted((key[1:], key[:1] != END) for key in keys if key != CATCHALL)
    found: list[tuple[int, int]] = []
    start: int | None = None
    for value, begins in bounds:
        number = int.from_bytes(value, "big")
        if start is not None:
            found.append((start, number - 1))
        start = number if begins else None
    if start is not None:
        found.append((start, most))
    return found
