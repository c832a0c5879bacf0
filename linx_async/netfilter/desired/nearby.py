"""Which ranges of a big set are near to others, without a look at all of them."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping
from typing import Final

from attrs import frozen

from .elements import END, PLAIN, Elements, Rest

__all__ = ["Span", "spans_near"]

_BEGINS, _ENDS = b"\1", b"\0"
_KEYS: Final = {_BEGINS[0]: PLAIN, _ENDS[0]: END}


@frozen
class Span:
    """A range that is there.

    Attributes:
        first: Its first value.
        last: Its last value.
        keys: The keys of its elements.
        rest: What it is besides.
    """

    first: int
    last: int
    keys: tuple[bytes, ...]
    rest: Rest


def spans_near(elements: Elements, first: int, last: int, length: int, most: int) -> list[Span]:
    """The ranges that overlap or touch a range, in order.

    Args:
        elements: The elements.
        first: Where the range begins.
        last: Its last value.
        length: Bytes of a value.
        most: The greatest value.
    """
    low = first.to_bytes(length, "big") + _ENDS
    high = (min(last + 1, most)).to_bytes(length, "big") + _BEGINS
    bounds = _bounds(elements, low, high, bytes(length) + _ENDS)
    found: list[Span] = []
    begin: bytes | None = None
    for bound in bounds:
        if begin is not None:
            found.append(_span(elements, begin, bound, most))
        begin = bound if bound[-1] == _BEGINS[0] else None
    if begin is not None:
        found.append(_span(elements, begin, None, most))
    return found


def _span(elements: Elements, begin: bytes, end: bytes | None, most: int) -> Span:
    key = PLAIN + begin[:-1]
    first = int.from_bytes(begin[:-1], "big")
    if end is None:
        return Span(first, most, (key,), elements[key])
    last = int.from_bytes(end[:-1], "big") - 1
    return Span(first, last, (key, END + end[:-1]), elements[key])


def _bounds(elements: Elements, low: bytes, high: bytes, zero: bytes) -> list[bytes]:
    """Where ranges begin and end from one place to another, and those around that belong to them.

    A bound is a value with a byte behind that says whether a range begins there; of two at one
    value the end comes first. The end at zero belongs to no range.
    """
    over = elements.over
    within: set[bytes] = set()
    before, after = b"", b""
    for bounds in (elements.shared_bounds, elements.over_bounds):
        start, stop = bisect_left(bounds, low), bisect_right(bounds, high)
        within.update(bound for bound in bounds[start:stop] if _stands(bound, over))
        before = max(before, next(_standing(bounds, start - 1, -1, over), b""))
        found = next(_standing(bounds, stop, 1, over), b"")
        after = min(after, found) if after and found else after or found
    within.discard(zero)
    ordered = sorted(within)
    if before[-1:] == _BEGINS:
        ordered.insert(0, before)
    if ordered and ordered[-1][-1:] == _BEGINS and after:
        ordered.append(after)
    return ordered


def _stands(bound: bytes, over: Mapping[bytes, Rest | None]) -> bool:
    key = _KEYS[bound[-1]] + bound[:-1]
    return key not in over or over[key] is not None


def _standing(
    bounds: list[bytes], place: int, step: int, over: Mapping[bytes, Rest | None]
) -> Iterator[bytes]:
    while 0 <= place < len(bounds):
        if _stands(bounds[place], over):
            yield bounds[place]
        place += step
