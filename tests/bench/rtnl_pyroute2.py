"""pyroute2 beside ours: its IPRoute, its batch, and NDB."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from functools import partial
from typing import Any

import anyio.to_thread

from linx_async import rtnl
from linx_async.rtnl import Desired, RouteTable
from tests.bench.rtnl_changes import Whole
from tests.bench.rtnl_passes import Passes
from tests.bench.rtnl_sets import plain
from tests.bench.rtnl_wire import FOREIGN, OURS, Plain, testbed
from tests.bench.timing import Contender, by_turns, faster, heading

__all__ = ["measure_pyroute2"]

_IPV4, _MAIN = 2, 254


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
    from pyroute2 import IPBatch

    with IPBatch() as batch:
        for arguments in routes:
            batch.route(verb, **arguments)
        data = bytes(batch.batch)
    ...


def dumped(count: int) -> None:
    from pyroute2 import IPRoute

    with IPRoute() as ipr:
        found = list(ipr.route("dump", family=_IPV4, table=_MAIN, proto=OURS))
    assert len(found) == count
