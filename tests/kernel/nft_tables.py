"""Tables for tests, and in what they differ: those of the corpus, and somebody else's."""

from __future__ import annotations

import re
from functools import cache
from itertools import zip_longest
from typing import Final

from attrs import evolve, fields, frozen

from linx_async import netfilter
from linx_async.netfilter import Elements, ObservedTable, Table
from linx_async.netfilter.codec.state import State, states
from tests.kernel.nft_place import INDICES
from tests.netfilter_corpus import rulesets, sections

__all__ = ["FOREIGN", "Corpus", "corpus", "counts", "differences", "handles", "like"]

FOREIGN: Final = """
table {family} theirs {{
    comment "of somebody else"
    counter hits {{ comment "all of them" packets 17 bytes 1700 }}
    quota most {{ over 10 mbytes used 1000 bytes }}
    limit slow {{ rate 10/second burst 7 packets }}
    set ports {{ type inet_service; flags interval; auto-merge; elements = {{ 22, 80-90 }} }}
    set marks {{ type mark; size 100; elements = {{ 1 counter packets 3 bytes 4, 7 }}; counter; }}
    set slow_ones {{ type mark; flags dynamic,timeout; timeout 1h; size 128; }}
    map ways {{
        type mark : verdict
        elements = {{ 1 : drop, 2 : jump aside, 3 comment "three" : goto other }}
    }}
    map counted {{ type mark : counter; elements = {{ 9 : "hits" }} }}
    chain other {{ counter packets 5 bytes 500 accept comment "kept"; }}
    chain aside {{
        meta mark {{ 5, 6 }} counter packets 9 bytes 99 return
        meta mark vmap {{ 1 : accept, 2 : jump other }}
        counter name "hits" meta mark @marks
        meta mark 33 jump {{ counter packets 1 bytes 1; accept; }}
    }}
    chain unused {{
        meta mark vmap @ways
        meta mark set 0x00000007 limit rate 3/minute counter packets 2 bytes 3
        quota name "most" log prefix "theirs: "
    }}
}}
"""
"""Somebody else's table, of any family. No packet comes by its chains: it stays as it is."""


def differences(found: Table | None, wanted: Table) -> list[str]:
    """Where two tables are not the same; empty where they are."""
    if found is None:
        return [f"{wanted.key} is not there"]
    if found == wanted:
        return []
    parts = [
        f"{each.name}: {getattr(found, each.name)!r} is not {getattr(wanted, each.name)!r}"
        for each in fields(Table)
        if each.name != "chains" and getattr(found, each.name) != getattr(wanted, each.name)
    ]
    there = {chain.name: chain for chain in found.chains}
    for chain in wanted.chains:
        old = there.get(chain.name)
        parts += [
            f"{chain.name}: {new!r} is not {was!r}"
            for was, new in zip_longest(() if old is None else old.rules, chain.rules)
            if was != new
        ]
    return parts or [f"chains: {found.chains!r} are not {wanted.chains!r}"]


def handles(table: ObservedTable, chain: str) -> list[int]:
    """The handles of the rules of a chain, in order."""
    return [each.handle for each in table.chains[chain].rules]


def counts(table: ObservedTable, chain: str) -> list[tuple[State, ...]]:
    """What the rules of a chain have counted, in order."""
    return [states(each.raw) for each in table.chains[chain].rules]


def like(found: Table, wanted: Table) -> Table:
    """A table without the elements that packets put into its sets, if they are not wanted."""
    declared = {each.name: each.elements for each in wanted.sets}
    return evolve(
        found,
        sets=[
            evolve(
                each,
                elements=Elements(
                    {
                        key: rest
                        for key, rest in each.elements.items()
                        if key in declared.get(each.name, ())
                    }
                ),
            )
            if each.dynamic
            else each
            for each in found.sets
        ],
    )


# The corpus

_FAMILY: Final = re.compile(r"^table (\w+) ", re.MULTILINE)


@frozen
class Corpus:
    """A table of the corpus; `needs` says what the kernel has to have, where it may have not."""

    name: str
    topic: str
    text: str
    needs: str | None

    @property
    def family(self) -> str:
        """Known without compiling it, which takes a kernel that has the family."""
        found = _FAMILY.search(self.text)
        assert found is not None, self.text
        return found[1]

    @property
    def table(self) -> Table:
        return compiled(self.text)


@cache
def compiled(text: str) -> Table:
    return netfilter.parse(text, links=INDICES)


@cache
def corpus() -> tuple[Corpus, ...]:
    """All tables of the corpus, and one of each section of its rules."""
    return (
        *(Corpus(each.name, "rulesets", each.text, each.needs) for each in rulesets()),
        *(
            Corpus(f"{each.topic}-{each.number}", each.topic, each.table(), each.needs)
            for each in sections()
        ),
    )
