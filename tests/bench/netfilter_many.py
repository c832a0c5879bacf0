"""What a set of very many elements costs; each thing is done once, as the kernel takes its time."""

from __future__ import annotations

from itertools import count

from linx_async import netfilter
from tests.bench.netfilter_edits import ByNft, OneMore
from tests.bench.netfilter_passes import GENERATION_BOUND, QUIET_BOUND, Disturbed
from tests.bench.netfilter_tables import NAME, Kind, text_of, written
from tests.bench.netfilter_wire import Plain, flush, nft_file
from tests.bench.passes import Passes
from tests.bench.timing import at_most, by_turns, faster, heading, in_time, row, slower, took

__all__ = ["measure_many"]

_SAMPLES = 5


async def measure_many(kind: Kind, total: int) -> None:
    """Loaded, told of, quiet, and one more.

    To dump a hash takes the kernel more than twice the time for twice the elements: it begins anew
    with each datagram, and goes past all that it has told (nft_rhash_walk()).
    """
    heading(f"a set of {total:,} elements ({kind.name})")
    with written(text_of(NAME, kind.text(total))) as file:
        times = dict(await by_turns(1, {"load: nft -f": took(lambda: nft_file(file))}))
    times |= await by_turns(_SAMPLES, {"one more: nft add element": ByNft(kind, count(total)).add})
    flush()
    table = kind.table(kind.elements(total))
    with Plain() as client:
        async with netfilter.Source(lifetime="shared") as source:
            passes = Passes(source, table)
            more = OneMore(passes, kind, count(total))
            for what, contend, samples in (
                ("load: a whole pass", lambda: passes.whole(table), 1),
                ("the pass after it", passes.quiet, 1),
                ("quiet: nothing changed", passes.quiet, _SAMPLES),
                ("one more: a whole pass", more.derived, _SAMPLES),
                ("the dump received, not looked at", took(client.elements), 1),
                ("quiet: after another table changed", Disturbed(passes, client).quiet, 1),
            ):
                times |= await by_turns(samples, {what: contend})
    flush()
    faster(times, "load: a whole pass", "load: nft -f", "`nft -f`", 1.0)
    row("the pass after it", in_time(times["the pass after it"]))
    limit = "the dump received, not looked at"
    slower(times, limit, limit)
    slower(times, "quiet: after another table changed", limit, QUIET_BOUND)
    alone = times["quiet: nothing changed"]
    verdict = at_most(alone * 1000, GENERATION_BOUND, " ms")
    row("quiet: nothing changed", in_time(alone), "by generation alone", verdict)
    faster(times, "one more: a whole pass", "one more: nft add element", "`nft add element`")
