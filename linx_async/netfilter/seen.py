"""A table as it was last read, and what it was read from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from anyio import to_thread
from attrs import evolve, frozen

from .._core.bulk import run_in_bulk
from .._core.errors import DumpInterrupted
from .aftermath import certain_sets, torn_set
from .desired import Elements
from .desired.sets import with_elements
from .dumps import Dumps, ElementsOf
from .observed import ObservedTable
from .reading import NOTHING_KNOWN, Known, table_of

__all__ = ["Seen", "adopting", "read_anew"]

_AT_ONCE: Final = 1 << 16
"""Bytes of dumps that are decoded on the event loop's thread, some milliseconds."""
_MANY: Final = 1 << 14
"""Elements that are compared on the event loop's thread, about a millisecond."""


@frozen
class Seen:
    """A table as it was last read.

    Attributes:
        generation: The generation that it is of.
        dumps: Its dumps; None: it was not there.
        table: What was read of them.
        known: What need not be read again.
        certain: The sets that change by transactions alone.
        held: The elements of sets that are known, where all else is to be dumped; None where
            nothing is.
    """

    generation: int
    dumps: Dumps | None = None
    table: ObservedTable | None = None
    known: Known = NOTHING_KNOWN
    certain: frozenset[str] = frozenset()
    held: Mapping[str, ElementsOf] | None = None


async def read_anew(
    family: str, name: str, generation: int, dumps: Dumps | None, seen: Seen | None
) -> Seen:
    """What dumps say, of which no more is read than differs from those before."""
    if dumps is None:
        return Seen(generation)
    if seen is not None and seen.held is None and seen.dumps == dumps:
        return evolve(seen, generation=generation)
    known = NOTHING_KNOWN if seen is None else seen.known

    def work() -> Seen:
        table, known_now = table_of(dumps.raw(family, name), known, dumps.held)
        certain = certain_sets(table)
        if torn := torn_set(table, certain - dumps.held.keys()):
            raise DumpInterrupted(f"{table.key}: the dump of set {torn} lacks elements")
        return Seen(generation, dumps, table, known_now, certain)

    return work() if dumps.size < _AT_ONCE else await run_in_bulk(work)


async def adopting(seen: Seen, wanted: Mapping[str, Elements]) -> Seen:
    """The same, with the desired elements themselves where those that are there are equal."""
    table = seen.table
    if table is None:
        return seen
    pairs = {
        name: (elements, table.sets[name].set.elements)
        for name, elements in wanted.items()
        if name in seen.certain
    }
    likely = {
        name: pair
        for name, pair in pairs.items()
        if pair[0] is not pair[1] and len(pair[0]) == len(pair[1])
    }
    if not likely:
        return seen

    def work() -> list[str]:
        return [name for name, (new, old) in likely.items() if new == old]

    few = sum(len(new) for new, _ in likely.values()) < _MANY
    equal = work() if few else await to_thread.run_sync(work)
    if not equal:
        return seen
    adopted = {
        name: evolve(table.sets[name], set=with_elements(table.sets[name].set, wanted[name]))
        for name in equal
    }
    known = seen.known.with_sets(
        {name: each.set for name, each in adopted.items()}, as_they_were=True
    )
    return evolve(seen, table=evolve(table, sets={**table.sets, **adopted}), known=known)
