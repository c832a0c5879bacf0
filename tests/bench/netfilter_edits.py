"""What a small change to a big table costs, beside `nft` with the same change."""

from __future__ import annotations

import time
from collections.abc import Sequence
from itertools import count

from attrs import define, field

from linx_async import netfilter
from linx_async.netfilter import Elements, Rule, Table
from linx_async.netfilter.desired.elements import NOTHING
from tests.bench.netfilter_tables import (
    FAMILY,
    NAME,
    Kind,
    emptied,
    rearranged,
    ruled,
    rules,
    rules_of,
    text_of,
    written,
)
from tests.bench.netfilter_wire import flush, nft, nft_file
from tests.bench.passes import Passes
from tests.bench.timing import Contender, by_turns, faster, heading

__all__ = ["measure_edits", "measure_one_more"]

ELEMENT_BOUND = 20.0


@define
class OneMore:
    """A set that gets one more element, again and again.

    Attributes:
        passes: The passes over its table.
        kind: What kind of set it is.
        numbers: Of elements that are not there yet.
    """

    passes: Passes[Table | None]
    kind: Kind
    numbers: count[int]
    elements: Elements = field(init=False)

    def __attrs_post_init__(self) -> None:
        table = self.passes.desired
        assert table is not None
        self.elements = table.sets[0].elements

    async def derived(self) -> float:
        """It is told as the difference to those before."""
        more = dict.fromkeys(self.kind.keys([next(self.numbers)]), NOTHING)
        self.elements = Elements.derived(self.elements, more, {})
        return await self.passes.whole(self.kind.table(self.elements))

    async def anew(self) -> float:
        """All of them are told anew."""
        more = dict.fromkeys(self.kind.keys([next(self.numbers)]), NOTHING)
        self.elements = Elements({**self.elements.items_by_key, **more})
        return await self.passes.whole(self.kind.table(self.elements))


@define
class ByNft:
    """The same, by a program that is run each time."""

    kind: Kind
    numbers: count[int]

    async def add(self) -> float:
        words = f"{{ {self.kind.words([next(self.numbers)])} }}"
        began = time.perf_counter()
        nft("add", "element", FAMILY, NAME, "s", words)
        return time.perf_counter() - began


async def measure_one_more(kind: Kind, beside: int, rounds: int, bound: float | None) -> None:
    """One more element in a set of so many."""
    heading(f"one more element in a set of {beside:,} ({kind.name})")
    with written(text_of(NAME, kind.text(beside))) as file:
        nft_file(file)
    times = dict(await by_turns(rounds, {"nft add element": ByNft(kind, count(beside)).add}))
    flush()
    derived, anew = "a whole pass, told as the difference", "a whole pass, all told anew"
    async with netfilter.Source(lifetime="shared") as source:
        passes = Passes(source, kind.table(kind.elements(beside)))
        await passes.apply(await passes.look())
        await passes.quiet()
        more = OneMore(passes, kind, count(beside))
        for name, contend in ((derived, more.derived), (anew, more.anew)):
            times |= await by_turns(rounds, {name: contend})
            await passes.quiet()
    flush()
    faster(times, derived, "nft add element", "`nft add element`", bound)
    faster(times, anew, "nft add element", "`nft add element`")


@define
class Edits:
    """Passes that change the rules of a chain, and change them back."""

    passes: Passes[Table | None]
    before: Table

    def to(self, chosen: Sequence[Rule]) -> Contender:
        """A contender that makes the chain's rules these; to put them back is not counted."""
        table = rearranged(self.before, chosen)

        async def contend() -> float:
            seconds = await self.passes.whole(table)
            await self.passes.whole(self.before)
            await self.passes.quiet()
            return seconds

        return contend


async def measure_edits(total: int, rounds: int) -> None:
    """Rules added, changed, moved and reversed, beside the whole table by `nft -f`."""
    heading(f"changes to a chain of {total:,} rules")
    *all_but_one, extra = rules_of(rules(total + 1))
    middle = total // 2
    with written(emptied(NAME, ruled(range(total)))) as file:
        nft_file(file)

        async def by_nft() -> float:
            began = time.perf_counter()
            nft_file(file)
            return time.perf_counter() - began

        times = dict(await by_turns(rounds, {"nft -f of the whole table": by_nft}))
    flush()
    before = rearranged(rules(total + 1), all_but_one)
    head, tail = all_but_one[:middle], all_but_one[middle:]
    chosen: dict[str, list[Rule]] = {
        "one more rule in the middle": [*head, extra, *tail],
        "one rule changed in the middle": [*head, extra, *tail[1:]],
        "one rule moved from the head to the middle": [*head[1:], head[0], *tail],
        "all rules reversed": all_but_one[::-1],
    }
    async with netfilter.Source(lifetime="shared") as source:
        passes = Passes(source, before)
        await passes.apply(await passes.look())
        await passes.quiet()
        edits = Edits(passes, before)
        times |= await by_turns(rounds, {name: edits.to(those) for name, those in chosen.items()})
    flush()
    for name in chosen:
        faster(times, name, "nft -f of the whole table", "`nft -f` of the whole table")
