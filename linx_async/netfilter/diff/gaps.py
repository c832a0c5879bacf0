"""Where two lists of rules differ: the gaps between the rules that stay in place."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from itertools import compress
from operator import ne

from attrs import frozen

from .matching import Pair

__all__ = ["Gap", "Span", "gaps"]


@frozen
class Span:
    """What lies between the rules that are alike at the head and those alike at the tail.

    Attributes:
        rows: The indices of the observed rules.
        columns: Those of the desired ones.
        tail: How many rules are alike at the tail.
    """

    rows: range
    columns: range
    tail: int

    @classmethod
    def between(cls, ours: Sequence[Hashable], wanted: Sequence[Hashable]) -> Span:
        """Compare the keys of the observed rules and of the desired ones from both ends."""
        shorter = min(len(ours), len(wanted))
        head = _alike(ours, wanted, shorter)
        tail = _alike(ours[::-1], wanted[::-1], shorter - head)
        return cls(range(head, len(ours) - tail), range(head, len(wanted) - tail), tail)

    @property
    def alike(self) -> int:
        """How many rules are alike at both ends."""
        return self.rows.start + self.tail

    @property
    def ends(self) -> Iterator[Pair]:
        """The rules that are alike at both ends."""
        for index in range(self.rows.start):
            yield index, index
        for index in range(self.tail):
            yield self.rows.stop + index, self.columns.stop + index


def _alike(ours: Sequence[Hashable], wanted: Sequence[Hashable], limit: int) -> int:
    return next(compress(range(limit), map(ne, ours, wanted)), limit)


@frozen
class Gap:
    """What goes and what comes between two rules that stay.

    Attributes:
        after: The index of the observed rule before it; -1 at the head of the chain.
        going: The observed rules that go.
        coming: The desired rules that come.
        last: Whether it is at the tail of the chain.
    """

    after: int
    going: range
    coming: range
    last: bool

    @property
    def replaced(self) -> Iterator[Pair]:
        """What goes, with what comes in its place."""
        skipped = 0 if self.last else max(0, len(self.coming) - len(self.going))
        return zip(self.going, self.coming[skipped:], strict=False)

    @property
    def deleted(self) -> range:
        """What goes, and nothing comes in its place."""
        return self.going[len(self.coming) :]

    @property
    def inserted(self) -> range:
        """What comes in no other's place: the first ones, right after the rule that stays.

        At the tail of the chain the last ones: the kernel appends without searching.
        """
        if self.last:
            return self.coming[len(self.going) :]
        return self.coming[: max(0, len(self.coming) - len(self.going))]


def gaps(span: Span, stays: Sequence[Pair]) -> Iterator[Gap]:
    """The gaps of a span in which anything goes or comes, from the head to the tail.

    Args:
        span: Where the rules differ.
        stays: Those in it that stay, ascending.
    """
    row, column = span.rows.start - 1, span.columns.start - 1
    for stop, column_stop in stays:
        if stop - row > 1 or column_stop - column > 1:
            yield Gap(row, range(row + 1, stop), range(column + 1, column_stop), last=False)
        row, column = stop, column_stop
    going, coming = range(row + 1, span.rows.stop), range(column + 1, span.columns.stop)
    if going or coming:
        yield Gap(row, going, coming, last=not span.tail)
