"""What routes take of memory, and a loop over a million: each in a process of its own."""

from __future__ import annotations

import gc
import math
import time
import tracemalloc
from pathlib import Path

import anyio

from linx_async import Loop, Report, rtnl
from linx_async.rtnl import Desired, RouteTable
from tests.bench.passes import Passes
from tests.bench.rtnl_passes import Disturber
from tests.bench.rtnl_sets import mixed, plain
from tests.bench.rtnl_wire import OURS, Plain, testbed
from tests.bench.timing import at_most, heading, in_time, row

__all__ = ["held", "held_mixed", "looped"]

HELD_BOUND = 400
CACHED_BOUND = 150


def held(count: int) -> None:
    """Bytes that a desired route and a cached one take, as Python allocates them."""
    heading(f"memory of {count:,} routes of one shape")
    measure_tables(plain(count))


def held_mixed(count: int) -> None:
    """The same of routes of many shapes."""
    heading(f"memory of {count:,} routes, IPv4, IPv6, multipath, metrics mixed")
    measure_tables(mixed(count))


def measure_tables(table: RouteTable) -> None:
    with testbed() as indices, Plain(indices) as client:
        client.add(table, OURS)
        anyio.run(measure_held, table)


async def measure_held(table: RouteTable) -> None:
    count = len(table)
    tracemalloc.start()
    before = allocated()
    # Routes one by one, each with a destination of its own, as a user makes them.
    desired = Desired(routes=iter(table))
    per_route = (allocated() - before) / count
    row("a desired route held", f"{per_route:.0f} B", "", at_most(per_route, HELD_BOUND, " B"))
    async with rtnl.Source() as source:
        passes = Passes(source, desired)
        cached = 0.0
        for what in ("first pass", "quiet pass"):
            before = allocated()
            tracemalloc.reset_peak()
            await passes.quiet()
            peak = (tracemalloc.get_traced_memory()[1] - before) / count
            row(f"at most while the {what} runs, a route", f"{peak:.0f} B", "above what was held")
            if what == "first pass":
                cached = (allocated() - before) / count
        row("a route cached", f"{cached:.0f} B", "", at_most(cached, CACHED_BOUND, " B"))


def allocated() -> int:
    gc.collect()
    return tracemalloc.get_traced_memory()[0]


def looped(count: int) -> None:
    """A loop that adds so many routes, finds them quiet, and heals what somebody changes."""
    heading(f"a loop over {count:,} routes, from none there")
    with testbed() as indices, Plain(indices) as client:
        anyio.run(drive, client, count)


async def drive(client: Plain, count: int) -> None:
    before = resident("VmRSS")
    began = time.perf_counter()
    desired = Desired(routes=iter(plain(count)))
    row("the desired state made", in_time(time.perf_counter() - began))
    table = desired.routes
    loop = Loop(rtnl.Source(), desired, interval=math.inf, debounce=0)
    async with anyio.create_task_group() as tg:
        began = time.perf_counter()
        await tg.start(loop.run)
        report = loop.last_report
        assert report is not None
        assert report.converged
        assert len(report.applied) == count
        del report
        row("first pass, which adds them", in_time(time.perf_counter() - began))
        for what in ("second pass, which finds them added", "quiet pass"):
            began = time.perf_counter()
            assert not (await loop.reconcile()).applied
            row(what, in_time(time.perf_counter() - began))
        async with loop.reports() as reports:
            changes = Disturber(client, table, 99).disturb()
            began = time.perf_counter()
            healed = 0
            while healed < changes:
                told = await anext(reports)
                assert isinstance(told, Report)
                healed += len(told.applied)
        row(f"{changes} changes healed, on hints", in_time(time.perf_counter() - began))
        loop.stop()
    grown = (resident("VmHWM") - before) / count
    row("the process at its largest, a route", f"{grown:.0f} B", "all in all")


def resident(field: str) -> int:
    """Bytes of memory that the process has, or had at most (proc_pid_status(5))."""
    # getrusage() would tell of the process before exec too.
    lines = Path("/proc/self/status").read_text().splitlines()
    (line,) = (line for line in lines if line.startswith(f"{field}:"))
    return int(line.split()[1]) * 1024
