"""The diff of ordered rules: the fewest changes that make a chain's rules the desired ones."""

from __future__ import annotations

from collections.abc import Collection, Container, Iterable, Mapping, Sequence
from itertools import chain
from typing import Final

from attrs import field, frozen

from .gaps import Gap, Span, gaps
from .matching import Listed, Pair, matched, staying
from .steps import After, Anchor, Delete, First, Flush, Insert, Last, Move, Replace, Script, Step

__all__ = ["Listed", "Placed", "edit_script"]

_MESSAGE: Final = 600
"""To send a rule takes the kernel as long as to walk past so many (3 microseconds, 5 ns each)."""
_MUCH: Final = 2
"""How many times cheaper a flush has to be that takes unchanged rules along."""
_FIRST: Final = First()
_LAST: Final = Last()


def _handles(given: Iterable[int]) -> tuple[int, ...]:
    return tuple(given)


@frozen
class Placed(Listed):
    """The rules that are in a chain, in order.

    Attributes:
        handles: The kernel's handle of each rule.

    Raises:
        ValueError: The tags or the handles are not one a key, or a handle comes twice.
    """

    handles: tuple[int, ...] = field(converter=_handles, kw_only=True)

    def __attrs_post_init__(self) -> None:
        super().__attrs_post_init__()
        count = len(self.handles)
        if count != len(self.keys):
            raise ValueError(f"handles: {count} for {len(self.keys)} keys; give one a key")
        if len(set(self.handles)) != count:
            raise ValueError("handles: one comes twice; each rule of a table has its own")


def edit_script(observed: Placed, desired: Listed, *, keep_state: bool = True) -> Script:
    """The changes that make the observed rules the desired ones, to be sent in one transaction.

    Rules with equal keys are the same; of what is left, rules with equal tags are, where these are
    unique. As many as can stay in place: as they are where the keys are equal, else replaced.
    Between two that stay, what comes replaces what goes, which takes one message and keeps the
    handle; the rest is inserted or deleted, or moved where it was elsewhere in the chain. Where
    nothing can stay and it is cheaper, the chain is flushed and all rules are appended.

    The kernel looks for a handle from the head of the chain, past rules that were deleted or added
    in the transaction too (__nft_rule_lookup(), net/netfilter/nf_tables_api.c). So steps go from
    the tail to the head, and rules are put after the last one before them that stays, the later
    ones first: only the search for a rule that is moved may pass what was added, and no anchor is
    new or deleted.

    Args:
        observed: The rules that are there.
        desired: The rules that should be.
        keep_state: Whether what can stay has to. Else the chain is flushed too where searching is
            much slower: unchanged rules lose their handles, and counters have to be carried.
    """
    ours, wanted = observed.keys, desired.keys
    if ours == wanted:
        return Script((), {}, len(ours), ())
    span = Span.between(ours, wanted)
    stays = staying(observed, desired, span.rows, span.columns)
    changed = [pair for pair in stays if ours[pair[0]] != wanted[pair[1]]]
    between = list(gaps(span, stays))
    replaced = {pair for gap in between for pair in gap.replaced}
    same = {pair for pair in replaced if ours[pair[0]] == wanted[pair[1]]}
    elsewhere = _elsewhere(observed, desired, between, same)

    edit = _Edit(observed.handles, same, _movable(between, elsewhere))
    edit.write(between, changed)
    kept = bool(span.alike or stays)
    flush_cost = _MESSAGE * (1 + len(wanted)) + len(ours)
    if edit.cost > flush_cost * (_MUCH if kept else 1) and not (kept and keep_state):
        return _flushed(observed, desired, chain(span.ends, stays, same, elsewhere))
    return Script(
        tuple(edit.steps),
        {column: row for row, column in chain(changed, elsewhere)},
        span.alike + len(stays) - len(changed) + len(same),
        tuple(observed.handles[pair[0]] for pair in elsewhere if pair not in replaced),
    )


def _elsewhere(
    observed: Placed, desired: Listed, between: Sequence[Gap], same: Collection[Pair]
) -> list[Pair]:
    """The rules that are there and desired, but not where they are."""
    rows = dict.fromkeys(chain.from_iterable(gap.going for gap in between))
    columns = dict.fromkeys(chain.from_iterable(gap.coming for gap in between))
    for row, column in same:
        del rows[row], columns[column]
    return matched(observed, desired, rows, columns)


def _movable(between: Iterable[Gap], elsewhere: Iterable[Pair]) -> Mapping[int, int]:
    """The desired rules, of those, that can be moved, with the observed ones.

    They take no other's place, and nothing takes theirs.
    """
    deleted: set[int] = set()
    inserted: set[int] = set()
    for gap in between:
        deleted.update(gap.deleted)
        inserted.update(gap.inserted)
    return {column: row for row, column in elsewhere if row in deleted and column in inserted}


def _flushed(observed: Placed, desired: Listed, pairs: Iterable[Pair]) -> Script:
    """The script that starts from an empty chain."""
    inserts = (Insert(column, _LAST) for column in range(len(desired.keys)))
    carried = {column: row for row, column in pairs}
    lost = tuple(observed.handles[row] for row in carried.values())
    return Script((Flush(), *inserts), carried, 0, lost)


class _Edit:
    """Steps in the making, and what they cost the kernel, in rules that it walks past."""

    def __init__(
        self, handles: Sequence[int], same: Container[Pair], moves: Mapping[int, int]
    ) -> None:
        self.steps: list[Step] = []
        self.cost = 0
        self._handles = handles
        self._same = same
        self._moves = moves
        self._moved = frozenset(moves.values())

    def write(self, between: Sequence[Gap], changed: Sequence[Pair]) -> None:
        """Add the steps of the gaps, and of the rules that change where they are."""
        waiting = [*changed]
        for gap in reversed(between):
            while waiting and waiting[-1][0] > gap.after:
                self._replace(*waiting.pop())
            self._fill(gap)
        while waiting:
            self._replace(*waiting.pop())

    def _fill(self, gap: Gap) -> None:
        for row in reversed(gap.deleted):
            if row not in self._moved:
                self._add(Delete(self._handles[row]), row + 1)
        for row, column in reversed([*gap.replaced]):
            if (row, column) not in self._same:
                self._replace(row, column)
        if gap.last:
            self._insert(gap.inserted, _LAST, 0)
        elif gap.after < 0:
            self._insert(reversed(gap.inserted), _FIRST, 0)
        else:
            anchor = After(self._handles[gap.after])
            self._insert(reversed(gap.inserted), anchor, gap.after + 1)

    def _replace(self, row: int, column: int) -> None:
        self._add(Replace(self._handles[row], column), row + 1)

    def _insert(self, columns: Iterable[int], anchor: Anchor, walk: int) -> None:
        for column in columns:
            row = self._moves.get(column)
            if row is None:
                self._add(Insert(column, anchor), walk)
            else:
                self._add(Move(self._handles[row], column, anchor), _MESSAGE + row + 1 + walk)

    def _add(self, step: Step, walk: int) -> None:
        self.steps.append(step)
        self.cost += _MESSAGE + walk
