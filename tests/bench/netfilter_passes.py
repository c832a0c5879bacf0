"""What quiet passes over a table cost, beside what the kernel takes to tell of it."""

from __future__ import annotations

import time
from collections.abc import Callable

from attrs import define, field

from linx_async import Plan, netfilter
from linx_async._core.ownership import Ownership
from linx_async.netfilter import NetfilterOp, Table
from tests.bench.netfilter_wire import Plain, flush
from tests.bench.timing import at_most, by_turns, heading, in_time, row, slower, took

__all__ = ["GENERATION_BOUND", "QUIET_BOUND", "Passes", "measure_quiet"]

QUIET_BOUND = 1.5
GENERATION_BOUND = 1.0  # milliseconds


@define
class Passes:
    """Passes of a source over one desired table."""

    source: netfilter.Source
    desired: Table
    owned: Ownership = field(factory=Ownership)

    async def look(self) -> Plan[NetfilterOp]:
        observed = await self.source.observe(self.desired, self.owned)
        return self.source.diff(self.desired, observed, self.owned)

    async def quiet(self) -> float:
        began = time.perf_counter()
        plan = await self.look()
        seconds = time.perf_counter() - began
        assert not plan.batches, f"{[str(op) for op in plan.ops][:5]}: it is not quiet"
        assert not plan.conflicts, plan.conflicts
        return seconds

    async def apply(self, plan: Plan[NetfilterOp]) -> float:
        began = time.perf_counter()
        for batch in plan.batches:
            outcomes = await self.source.apply(batch)
            assert all(outcome.done for outcome in outcomes)
        return time.perf_counter() - began

    async def whole(self, desired: Table) -> float:
        """A pass with another table desired from now on."""
        began = time.perf_counter()
        self.desired = desired
        plan = await self.look()
        await self.apply(plan)
        seconds = time.perf_counter() - began
        assert plan.batches
        return seconds


@define
class Disturbed:
    """Passes after somebody changed another table, so that all has to be told again."""

    passes: Passes
    client: Plain

    async def quiet(self) -> float:
        self.client.disturb()
        return await self.passes.quiet()


async def measure_quiet(
    what: str, table: Table, receive: Callable[[Plain], int], rounds: int
) -> None:
    """Passes that find all as it should be."""
    heading(f"quiet passes over {what}")
    limit = "the dump received, not looked at"
    with Plain() as client:
        async with netfilter.Source(lifetime="shared") as source:
            passes = Passes(source, table)
            await passes.apply(await passes.look())
            await passes.quiet()

            async def first() -> float:
                async with netfilter.Source(lifetime="shared") as another:
                    return await Passes(another, table).quiet()

            times = await by_turns(
                rounds,
                {
                    limit: took(lambda: receive(client)),
                    "after another table changed": Disturbed(passes, client).quiet,
                    "nothing changed": passes.quiet,
                    "the first one of a source": first,
                },
            )
            slower(times, limit, limit)
            slower(times, "after another table changed", limit, QUIET_BOUND)
            slower(times, "the first one of a source", limit)
            alone = times["nothing changed"]
            verdict = at_most(alone * 1000, GENERATION_BOUND, " ms")
            row("nothing changed", in_time(alone), "by generation alone", verdict)
    flush()
