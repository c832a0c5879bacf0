"""The elements of a rule's own set: values, or ranges as the kernel has them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TypeAlias

from ..._core.checks import wrong
from ..desired.elements import CATCHALL, END, NOTHING, Elements, Rest, element_key
from ..desired.ranges import OPEN

__all__ = ["Entry", "concatenations", "intervals", "merged", "singles"]

Entry: TypeAlias = tuple[tuple[tuple[int, int], ...], Rest]
"""The first and the last value of each field, and what a map has for it."""

Pack: TypeAlias = Callable[[int], bytes]


def singles(entries: Iterable[Entry], pack: Pack, default: Rest | None) -> Elements:
    """Elements that are one value each."""
    return Elements(
        {element_key(pack(spans[0][0])): rest for spans, rest in entries} | _default(default)
    )


def concatenations(
    entries: Iterable[Entry], packs: Sequence[Pack], default: Rest | None, *, interval: bool
) -> Elements:
    """Elements that are several values each, padded to whole registers; or the bounds of ranges."""

    def packed(values: Iterable[int]) -> bytes:
        parts = (pack(value) for pack, value in zip(packs, values, strict=True))
        return b"".join(part + bytes(-len(part) % 4) for part in parts)

    found: dict[bytes, Rest] = {}
    for spans, rest in entries:
        first = packed(span[0] for span in spans)
        last = packed(span[1] for span in spans) if interval else b""
        found[element_key(first, last)] = rest
    return Elements(found | _default(default))


def merged(entries: Iterable[Entry]) -> list[Entry]:
    """Ranges without a map's data, those made one that touch each other, as nft does it."""
    found: list[tuple[int, int]] = []
    for first, last in sorted(spans[0] for spans, _ in entries):
        if found and first <= found[-1][1] + 1:
            found[-1] = found[-1][0], max(found[-1][1], last)
        else:
            found.append((first, last))
    return [((span,), NOTHING) for span in found]


def intervals(
    entries: Iterable[Entry], pack: Pack, most: int, default: Rest | None, what: str
) -> Elements:
    """Elements where ranges begin, and where they are over.

    Raises:
        DesiredStateError: Two ranges have a value in common.
    """
    found: dict[bytes, Rest] = {}
    free = -1
    for ((first, last),), rest in sorted(entries, key=lambda entry: entry[0]):
        if first < free:
            raise wrong(what, "two ranges have values in common")
        if first > max(free, 0):
            found[element_key(pack(max(free, 0)), first=END)] = NOTHING
        found[element_key(pack(first))] = rest
        free = last + 1
        if last == most:
            found[element_key(pack(first))] = _open(rest)
    if free <= most:
        found[element_key(pack(free), first=END)] = NOTHING
    return Elements(found | _default(default))


def _open(rest: Rest) -> Rest:
    return Rest(rest.data, rest.object, userdata=OPEN)


def _default(rest: Rest | None) -> dict[bytes, Rest]:
    return {} if rest is None else {CATCHALL: rest}
