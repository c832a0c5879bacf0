"""pyroute2 beside ours: its IPRoute, its batch, and NDB."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from functools import partial
from itertools import product
from typing import Any

import anyio.to_thread

from linx_async import rtnl
from linx_async.rtnl import Desired, RouteTable
from tests.bench.passes import Passes
from tests.bench.rtnl_changes import Whole
from tests.bench.rtnl_passes import first_pass
from tests.bench.rtnl_sets import plain
from tests.bench.rtnl_wire import FOREIGN, OURS, Plain, testbed
from tests.bench.timing import Contender, by_turns, faster, heading

__all__ = ["measure_pyroute2"]

_IPV4, _MAIN = 2, 254
_ROUTES_A_SEND = 250


def in_thread(work: Callable[[], object]) -> Contender:
    """A contender that runs an event loop of its own."""

    def timed() -> float:
        began = time.perf_counter()
        work()
        return time.perf_counter() - began

    async def contend() -> float:
        return await anyio.to_thread.run_sync(timed)

    return contend


def arguments_of(table: RouteTable, index: int) -> list[dict[str, Any]]:
    return [
        {
            "dst": str(route.destination),
            "gateway": str(route.gateway),
            "oif": index,
            "proto": OURS,
        }
        for route in table
    ]


def one_by_one(routes: list[dict[str, Any]], verb: str) -> None:
    from pyroute2 import IPRoute

    with IPRoute() as ipr:
        for arguments in routes:
            ipr.route(verb, **arguments)


def in_batch(routes: list[dict[str, Any]], verb: str) -> None:
    from pyroute2 import IPBatch, IPRoute

    with IPBatch() as batch, IPRoute() as ipr:
        for start in range(0, len(routes), _ROUTES_A_SEND):
            batch.reset()
            for arguments in routes[start : start + _ROUTES_A_SEND]:
                batch.route(verb, **arguments)
            ipr.sendto(batch.batch, (0, 0))


def dumped(count: int) -> None:
    from pyroute2 import IPRoute

    with IPRoute() as ipr:
        found = list(ipr.route("dump", family=_IPV4, table=_MAIN, proto=OURS))
    assert len(found) == count


def ndb_of_pyroute2() -> Any:
    from pyroute2 import NDB

    return NDB()


def ndb_loaded() -> None:
    with ndb_of_pyroute2():
        pass


def ndb_added(routes: list[dict[str, Any]]) -> None:
    """By committing one by one, in an NDB that holds them alone."""
    with ndb_of_pyroute2() as ndb:
        for arguments in routes:
            ndb.routes.create(**arguments).commit()


async def measure_pyroute2(count: int, by_ndb: int, rounds: int) -> None:
    """The same routes read, added and deleted, by pyroute2's ways and by ours."""
    heading(f"{count:,} routes beside {count:,} foreign ones, by pyroute2 and by us (no bound)")
    table = plain(count)
    desired = Desired(routes=table)
    async with AsyncExitStack() as stack:
        client = stack.enter_context(Plain(stack.enter_context(testbed())))
        client.add(plain(count, first=1), FOREIGN)
        await measure_changes(client, table, rounds)
        client.add(table, OURS)
        passes = Passes(await stack.enter_async_context(rtnl.Source()), desired)
        await passes.quiet()

        async def first() -> float:
            return await first_pass(desired)

        times = await by_turns(
            rounds,
            {
                "IPRoute: dump of ours": in_thread(partial(dumped, count)),
                "NDB: load of all": in_thread(ndb_loaded),
                "ours: first pass": first,
                "ours: quiet pass": passes.quiet,
            },
        )
        for what, than in product(("ours: first pass", "ours: quiet pass"), list(times)[:2]):
            faster(times, what, than, than.partition(":")[0])
    await measure_ndb(by_ndb)


async def measure_changes(client: Plain, table: RouteTable, rounds: int) -> None:
    routes = arguments_of(table, client.indices["b0"])
    whole = Whole(Desired(routes=table))
    times = await by_turns(
        rounds,
        {
            "add: IPRoute": in_thread(partial(one_by_one, routes, "add")),
            "delete: IPRoute": in_thread(partial(one_by_one, routes, "del")),
            "add: IPBatch": in_thread(partial(in_batch, routes, "add")),
            "delete: IPBatch": in_thread(partial(in_batch, routes, "del")),
            "add: our whole pass": whole.add,
            "delete: our whole pass": whole.delete,
        },
    )
    for verb, than in product(("add", "delete"), ("IPRoute", "IPBatch")):
        faster(times, f"{verb}: our whole pass", f"{verb}: {than}", than)


async def measure_ndb(count: int) -> None:
    """Fewer routes, as each takes NDB milliseconds."""
    heading(f"{count:,} routes, as NDB takes long for more (no bound)")
    table = plain(count)
    with testbed() as indices:
        whole = Whole(Desired(routes=table))
        times = await by_turns(1, {"our whole pass": whole.add, "our deletes": whole.delete})
        routes = arguments_of(table, indices["b0"])
        added = await by_turns(1, {"NDB": in_thread(partial(ndb_added, routes))})
        faster({**times, **added}, "our whole pass", "NDB", "NDB")
