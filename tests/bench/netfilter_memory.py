"""What rules and elements take of memory: each in a process of its own."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Callable
from functools import partial

import anyio

from linx_async import netfilter
from linx_async.netfilter import Table
from tests.bench.netfilter_tables import hashed, rules
from tests.bench.netfilter_wire import Plain, flush
from tests.bench.passes import Passes
from tests.bench.timing import heading, row

__all__ = ["held_elements", "held_rules"]


def held_rules(count: int) -> None:
    """Bytes that a desired rule and a cached one take, as Python allocates them."""
    heading(f"memory of {count:,} rules")
    anyio.run(held, "rule", partial(rules, count), count)


def held_elements(count: int) -> None:
    """The same of elements."""
    heading(f"memory of {count:,} elements")
    anyio.run(held, "element", lambda: hashed.table(hashed.elements(count)), count)


async def held(what: str, make: Callable[[], Table], count: int) -> None:
    tracemalloc.start()
    before = allocated()
    desired = make()
    row(f"a desired {what} held", f"{(allocated() - before) / count:.0f} B")
    async with netfilter.Source(lifetime="shared") as source:
        passes = Passes(source, desired)
        await passes.apply(await passes.look())
        with Plain() as client:
            client.disturb()
            before = allocated()
            tracemalloc.reset_peak()
            await passes.quiet()
            peak = (tracemalloc.get_traced_memory()[1] - before) / count
            cached = (allocated() - before) / count
        row(f"the cache of it, for each {what}", f"{cached:.0f} B")
        row(f"at most while all are read, for each {what}", f"{peak:.0f} B", "beside what was held")
    flush()


def allocated() -> int:
    gc.collect()
    return tracemalloc.get_traced_memory()[0]
