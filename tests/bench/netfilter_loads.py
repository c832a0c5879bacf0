"""What it costs to load a table, beside `nft -f` of the same."""

from __future__ import annotations

import time
from pathlib import Path

from attrs import define

from linx_async import netfilter
from linx_async.netfilter import Table
from tests.bench.netfilter_tables import NAME, text_of, written
from tests.bench.netfilter_wire import flush, nft_file
from tests.bench.passes import Passes
from tests.bench.timing import by_turns, faster, heading

__all__ = ["measure_load"]

LOAD_BOUND = 1.0


@define
class Loads:
    """Loads of one table into a rule set that is empty each time; to empty it is not counted."""

    table: Table
    file: Path

    async def by_nft(self) -> float:
        flush()
        began = time.perf_counter()
        nft_file(self.file)
        return time.perf_counter() - began

    async def whole(self) -> float:
        flush()
        began = time.perf_counter()
        report = await netfilter.reconcile(self.table, lifetime="shared")
        seconds = time.perf_counter() - began
        assert report.converged
        return seconds

    async def applied(self) -> float:
        flush()
        async with netfilter.Source(lifetime="shared") as source:
            passes = Passes(source, self.table)
            return await passes.apply(await passes.look())


async def measure_load(what: str, table: Table, body: str, rounds: int) -> None:
    """A table loaded, again and again, in several ways."""
    heading(f"{what} loaded into an empty rule set")
    with written(text_of(NAME, body)) as file:
        loads = Loads(table, file)
        times = await by_turns(
            rounds,
            {
                "nft -f": loads.by_nft,
                "a whole pass: observe, diff, apply": loads.whole,
                "apply alone": loads.applied,
            },
        )
    flush()
    for name in ("a whole pass: observe, diff, apply", "apply alone"):
        faster(times, name, "nft -f", "`nft -f`", LOAD_BOUND)
