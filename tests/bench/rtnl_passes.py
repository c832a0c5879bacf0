"""What passes over many routes cost, beside what the kernel takes to tell of them."""

from __future__ import annotations

import random
import time
from contextlib import AsyncExitStack

from attrs import define

from linx_async import rtnl
from linx_async._kernel.netlink import Flag
from linx_async.rtnl import Desired, DesiredLike, Encap, RouteTable
from linx_async.rtnl.desired.forwarding import Forwarding
from linx_async.rtnl.desired.route import Prefix
from tests.bench.passes import Passes
from tests.bench.rtnl_sets import OTHER_WAYS, each, mixed, packed_of, plain, table_of
from tests.bench.rtnl_wire import FOREIGN, OURS, Plain, ip_show, testbed
from tests.bench.timing import by_turns, faster, heading, slower, took

__all__ = ["measure_growth", "measure_mixed", "measure_plain"]

QUIET_BOUND = 1.5
QUIET_IP_BOUND = 3.0
CHANGES_BOUND = 2.0
FIRST_BOUND = 12.0
LIMIT = "the filtered dump received, not looked at"
OF_MAIN = "the same, filtered by table too"
IP_SHOW = "ip route show table main proto 76"

_SPARE = 0xF00000  # numbers of destinations that no set has


async def first_pass(desired: DesiredLike) -> float:
    async with rtnl.Source() as source:
        return await Passes(source, desired).quiet()


class Disturber:
    """Somebody else who deletes, replaces and adds routes of ours: a third each."""

    def __init__(self, plain: Plain, table: RouteTable, changes: int) -> None:
        self._plain = plain
        self._routes = list(each(table))
        self._share = changes // 3
        self._rng = random.Random(76)

    def disturb(self) -> int:
        """Make changes; gives how many."""
        share = self._share
        chosen = self._rng.sample(self._routes, 3 * share)
        gone, replaced = chosen[:share], chosen[share : 2 * share]
        extra = [_spare(route, number) for number, route in enumerate(chosen[2 * share :])]
        self._plain.delete(table_of([*gone, *replaced]), OURS)
        others = [(prefix, packed, OTHER_WAYS[prefix.family]) for prefix, packed, _ in replaced]
        self._plain.add(table_of([*others, *extra]), OURS, Flag.CREATE | Flag.EXCL)
        return 3 * share


def _spare(
    route: tuple[Prefix, bytes, Forwarding], number: int
) -> tuple[Prefix, bytes, Forwarding]:
    return route[0], packed_of(route[0], _SPARE + number), OTHER_WAYS[route[0].family]


@define
class Churned:
    """Two contenders: the pass that finds changes, and, after they are undone, the one after it."""

    passes: Passes[DesiredLike]
    disturber: Disturber

    async def finds(self) -> float:
        changes = self.disturber.disturb()
        began = time.perf_counter()
        plan = await self.passes.look()
        seconds = time.perf_counter() - began
        assert sum(map(len, plan.batches)) == changes
        await self.passes.apply(plan)
        return seconds

    async def verifies(self) -> float:
        return await self.passes.quiet()


async def measure_plain(count: int, beside: int, rounds: int, backend: str) -> None:
    """Routes of one shape: quiet passes, passes with 100 changes, and first ones."""
    heading(f"{count:,} of our routes beside {beside:,} foreign ones in one table, on {backend}")
    table = plain(count)
    async with AsyncExitStack() as stack:
        client = prepared(stack, table, plain(beside, first=1))
        passes, churned = await entered(stack, client, table, 100)
        times = await by_turns(
            rounds,
            {
                LIMIT: took(client.receive),
                OF_MAIN: took(lambda: client.receive(table=254)),
                IP_SHOW: took(ip_show),
                "quiet pass": passes.quiet,
                "pass that finds 100 changes": churned.finds,
                "pass after it, which finds them undone": churned.verifies,
            },
        )
        for what in (LIMIT, OF_MAIN, IP_SHOW):
            slower(times, what, LIMIT)
        slower(times, "quiet pass", LIMIT, QUIET_BOUND)
        faster(times, "quiet pass", IP_SHOW, "`ip route show`", QUIET_IP_BOUND)
        slower(times, "pass that finds 100 changes", LIMIT, CHANGES_BOUND)
        slower(times, "pass after it, which finds them undone", LIMIT, CHANGES_BOUND)
        await measure_first(client, passes.desired, rounds, None)


async def measure_mixed(
    count: int, encap: Encap | None, rounds: int, backend: str, *, bound: float | None
) -> None:
    """Routes of many shapes, of which some change between the passes."""
    kinds = "IPv4, IPv6, multipath, metrics" + (", encap" if encap else "")
    heading(f"{count:,} of ours beside {count:,} foreign ones, {kinds} mixed, on {backend}")
    table = mixed(count, encap)
    changes = count // 100
    async with AsyncExitStack() as stack:
        client = prepared(stack, table, mixed(count, first=1))
        passes, churned = await entered(stack, client, table, changes)
        finds = f"pass that finds 1 % churned ({changes // 3 * 3:,} changes)"
        verifies = "pass after it, which finds them undone"
        times = await by_turns(
            rounds,
            {
                LIMIT: took(client.receive),
                "quiet pass": passes.quiet,
                finds: churned.finds,
                verifies: churned.verifies,
            },
        )
        slower(times, LIMIT, LIMIT)
        slower(times, "quiet pass", LIMIT, QUIET_BOUND)
        slower(times, finds, LIMIT)
        slower(times, verifies, LIMIT)
        await measure_first(client, passes.desired, rounds, bound)


async def measure_first(
    client: Plain, desired: DesiredLike, rounds: int, bound: float | None
) -> None:
    """Sources that have seen nothing yet, and find everything as it should be."""
    first = "first pass, all equal"

    async def look() -> float:
        return await first_pass(desired)

    times = await by_turns(max(rounds // 3, 1), {LIMIT: took(client.receive), first: look})
    slower(times, first, LIMIT, bound)


def prepared(stack: AsyncExitStack, table: RouteTable, beside: RouteTable) -> Plain:
    """A client, on interfaces with our routes and foreign ones."""
    client = stack.enter_context(Plain(stack.enter_context(testbed())))
    client.add(beside, FOREIGN)
    client.add(table, OURS)
    return client


async def entered(
    stack: AsyncExitStack, client: Plain, table: RouteTable, changes: int
) -> tuple[Passes[DesiredLike], Churned]:
    """Passes that have been made before, and found changes before."""
    source = await stack.enter_async_context(rtnl.Source())
    passes = Passes(source, Desired(routes=table))
    churned = Churned(passes, Disturber(client, table, changes))
    await passes.quiet()
    await churned.finds()
    await churned.verifies()
    return passes, churned


async def measure_growth(count: int, besides: list[int], rounds: int) -> None:
    """Passes over the same routes, as more and more foreign ones come beside."""
    heading(f"{count:,} of ours as foreign ones grow in number (no bound)")
    table = plain(count)
    with testbed() as indices, Plain(indices) as client:
        client.add(table, OURS)
        there = 0
        for beside in besides:
            client.add(plain(beside - there, first=there * 2 + 1), FOREIGN)
            there = beside
            await measure_beside(client, table, beside, rounds)


async def measure_beside(client: Plain, table: RouteTable, beside: int, rounds: int) -> None:
    desired = Desired(routes=table)
    async with rtnl.Source() as source:
        passes = Passes(source, desired)
        disturber = Disturber(client, table, 30)
        await passes.quiet()
        misses = "pass that misses routes for the first time"
        churned = Churned(passes, disturber)
        times = dict(await by_turns(1, {misses: churned.finds}))
        await passes.quiet()

        async def first() -> float:
            return await first_pass(desired)

        times |= await by_turns(
            rounds,
            {
                LIMIT: took(client.receive),
                "quiet pass": passes.quiet,
                "pass that finds 30 changes": churned.finds,
                "pass after it": churned.verifies,
                "first pass, all equal": first,
            },
        )
    heading(f"  beside {beside:,}")
    for what in (
        LIMIT,
        "quiet pass",
        "pass that finds 30 changes",
        "first pass, all equal",
        misses,
    ):
        slower(times, what, LIMIT)
