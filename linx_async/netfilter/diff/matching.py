"""Which observed rule is which desired one, and which of them can stay where they are."""

from __future__ import annotations

from collections.abc import Container, Hashable, Iterable, Iterator, Mapping, Sequence
from itertools import product
from typing import Final, TypeAlias

from attrs import field, frozen

from .increasing import Point, longest_increasing

__all__ = ["Listed", "Pair", "matched", "staying"]

Pair: TypeAlias = tuple[int, int]
"""The index of an observed rule and that of the desired one."""

_ByKey: TypeAlias = Mapping[Hashable, list[int]]

_PAIRS_A_RULE: Final = 4
"""Equal rules are all tried against each other up to so many pairs a rule; it bounds the time."""


def _keys(given: Iterable[Hashable]) -> tuple[Hashable, ...]:
    return tuple(given)


def _tags(given: Iterable[str | None]) -> tuple[str | None, ...]:
    return tuple(given)


@frozen
class Listed:
    """The rules of a chain, in order.

    Attributes:
        keys: What each rule is: rules with equal keys are the same to the diff, and what is not in
            the key is not looked at.
        tags: What each is known by when its key changes (its comment), or None; empty where none
            of them has a tag.

    Raises:
        ValueError: There are tags, and not one a key.
    """

    keys: tuple[Hashable, ...] = field(converter=_keys)
    tags: tuple[str | None, ...] = field(converter=_tags, default=())

    def __attrs_post_init__(self) -> None:
        if self.tags and len(self.tags) != len(self.keys):
            raise ValueError(f"tags: {len(self.tags)} for {len(self.keys)} keys; give one a key")


def matched(
    ours: Listed, wanted: Listed, rows: Iterable[int], columns: Iterable[int]
) -> list[Pair]:
    """Match rules: the k-th of a key with the k-th, then by tags unique among those left.

    Args:
        ours: The observed rules.
        wanted: The desired ones.
        rows: Which of the observed rules are matched, ascending.
        columns: With which of the desired ones, ascending.
    """
    present, sought = _by_key(ours.keys, rows), _by_key(wanted.keys, columns)
    pairs = [
        pair
        for key, those in sought.items()
        if key in present
        for pair in zip(present[key], those, strict=False)
    ]
    pairs.extend(_by_tag(ours, wanted, present, sought))
    return pairs


def staying(ours: Listed, wanted: Listed, rows: range, columns: range) -> list[Pair]:
    """The most rules that can stay in place, ascending; one by its key counts as two by tag.

    That is what they save: a rule that stays by its tag is sent all the same.

    Args:
        ours: The observed rules.
        wanted: The desired ones.
        rows: Which of the observed rules are looked at.
        columns: Which of the desired ones.
    """
    present, sought = _by_key(ours.keys, rows), _by_key(wanted.keys, columns)
    by_tag = set(_by_tag(ours, wanted, present, sought))
    pairs = [*by_tag]
    for key, those in present.items():
        if key in sought:
            pairs.extend(_equal(those, sought[key]))
    pairs.sort(key=_later_column_first)
    if not by_tag:
        return longest_increasing(
            pairs, (rows.start - 1, columns.start - 1), (rows.stop, columns.stop)
        )
    return _heaviest(pairs, by_tag, rows, columns)


def _heaviest(
    pairs: Sequence[Pair], light: Container[Pair], rows: range, columns: range
) -> list[Pair]:
    """The heaviest increasing run of pairs, where a light one weighs one, and any other two.

    To weigh two is to be two points in a row: a longest run has both of them or neither.
    """
    points: list[Point] = []
    for row, column in pairs:
        if (row, column) not in light:
            points.append((row * 2, column * 2))
        points.append((row * 2 + 1, column * 2 + 1))
    start, end = (rows.start * 2 - 1, columns.start * 2 - 1), (rows.stop * 2, columns.stop * 2)
    found: list[Pair] = []
    for point in longest_increasing(points, start, end):
        row, column = point[0] // 2, point[1] // 2
        if not found or found[-1][1] != column:
            found.append((row, column))
    return found


def _by_key(keys: Sequence[Hashable], indices: Iterable[int]) -> _ByKey:
    found: dict[Hashable, list[int]] = {}
    for index in indices:
        found.setdefault(keys[index], []).append(index)
    return found


def _equal(rows: Sequence[int], columns: Sequence[int]) -> Iterable[Pair]:
    """The pairs of equal rules that are tried.

    Where all would be too many, each is tried against the k-th from the head and from the tail.
    """
    if len(rows) * len(columns) <= _PAIRS_A_RULE * (len(rows) + len(columns)):
        return product(rows, columns)
    head = zip(rows, columns, strict=False)
    return {*head, *zip(reversed(rows), reversed(columns), strict=False)}


def _by_tag(ours: Listed, wanted: Listed, present: _ByKey, sought: _ByKey) -> Iterator[Pair]:
    """The rules with equal tags, of those left by their keys, where only one on each side is."""
    if not ours.tags or not wanted.tags:
        return
    rows, columns = _unique(ours, present, sought), _unique(wanted, sought, present)
    for tag, row in rows.items():
        column = columns.get(tag)
        if row is not None and column is not None:
            yield row, column


def _unique(rules: Listed, these: _ByKey, those: _ByKey) -> dict[str, int | None]:
    """The rules by tag of which there are more in `these` than in `those`; None is ambiguous."""
    found: dict[str, int | None] = {}
    for key, indices in these.items():
        for index in indices[len(those.get(key, ())) :]:
            tag = rules.tags[index]
            if tag is not None:
                found[tag] = None if tag in found else index
    return found


def _later_column_first(pair: Pair) -> Pair:
    return pair[0], -pair[1]
