"""What quiet passes over a table cost, beside what the kernel takes to tell of it."""

from __future__ import annotations

from collections.abc import Callable

from attrs import define

from linx_async import netfilter
from linx_async.netfilter import Table
from tests.bench.netfilter_wire import Plain, flush
from tests.bench.passes import Passes
from tests.bench.timing import at_most, by_turns, heading, in_time, row, slower, took

__all__ = ["GENERATION_BOUND", "QUIET_BOUND", "measure_quiet"]

QUIET_BOUND = 1.5
GENERATION_BOUND = 1.0  # milliseconds


@define
class Disturbed:
    """Passes after somebody changed another table, so that all has to be told again."""

    passes: Passes[Table | None]
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
