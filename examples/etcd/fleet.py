"""Network namespaces that are kept as etcd says: one key and one loop for each.

    python -m examples.etcd.fleet --etcd http://127.0.0.1:2379 --prefix linx/fleet/ blue green

The value of `linx/fleet/blue` is what `rtnl.Desired` takes, as JSON:

    {"addresses": [["eth0", "10.0.0.2/24"]], "routes": [["default", "10.0.0.1"]]}
"""

from __future__ import annotations

import argparse
import json
import logging
import signal
from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from typing import Any

import anyio
import httpx
from anyio import TASK_STATUS_IGNORED
from anyio.abc import TaskStatus

from examples.etcd.keys import connect, values
from linx_async import DesiredStateError, FileStore, Loop, NetworkNamespace, Supervisor, rtnl

__all__ = ["fleet", "keep"]

logger = logging.getLogger("examples.etcd")


def fleet(scopes: Iterable[NetworkNamespace]) -> Supervisor:
    """A loop for each namespace; they touch nothing until they are told what is desired."""
    loops = [
        # A value comes whole, so there is no burst to wait for.
        Loop(rtnl.Source(scope), {}, name=scope.value, debounce=0, store=FileStore())
        for scope in scopes
    ]
    for loop in loops:
        loop.pause()
    return Supervisor(*loops)


async def keep(
    fleet: Supervisor,
    etcd: httpx.AsyncClient,
    prefix: str,
    *,
    task_status: TaskStatus[None] = TASK_STATUS_IGNORED,
) -> None:
    """Run all loops, and have each follow its key; `started` once they run."""
    async with anyio.create_task_group() as group:
        for loop in fleet.loops:
            group.start_soon(follow, loop, etcd, prefix + loop.name)
        await fleet.run(task_status=task_status)
        group.cancel_scope.cancel()


async def follow(loop: Loop[Any, Any, Any], etcd: httpx.AsyncClient, key: str) -> None:
    """Have a loop keep what a key says."""
    async with aclosing(states(loop, etcd, key)) as stream:
        await loop.follow(stream)


async def states(
    loop: Loop[Any, Any, Any], etcd: httpx.AsyncClient, key: str
) -> AsyncGenerator[rtnl.Desired, None]:
    """What a key says, as desired states; what is wrong is told, and left out."""
    async with aclosing(values(etcd, key)) as stream:
        async for value in stream:
            try:
                desired = desired_in(value)
            except DesiredStateError as error:
                logger.error("%s: is wrong, and what was there before stays: %s", key, error)  # noqa: TRY400
                continue
            yield desired
            if loop.revision:  # which is 0 until a first one was taken
                loop.resume()


def desired_in(value: bytes) -> rtnl.Desired:
    """The desired state that a value describes.

    Raises:
        DesiredStateError: It describes none.
    """
    try:
        document = json.loads(value)
    except (ValueError, RecursionError) as error:
        raise DesiredStateError(f"not JSON: {error}") from error
    return rtnl.Desired.of(document)


async def run(url: str, prefix: str, names: Iterable[str]) -> None:
    """Keep the namespaces of these names until SIGINT or SIGTERM."""
    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async with connect(url) as etcd, anyio.create_task_group() as group:
            group.start_soon(keep, fleet(map(NetworkNamespace.named, names)), etcd, prefix)
            await anext(signals)
            group.cancel_scope.cancel()


def main() -> None:
    """Read the command line, and run."""
    parser = argparse.ArgumentParser(description="Keep network namespaces as etcd says.")
    parser.add_argument("--etcd", metavar="URL", default="http://127.0.0.1:2379")
    parser.add_argument("--prefix", default="linx/fleet/", help="of the keys, before the names")
    parser.add_argument("--backend", choices=["asyncio", "trio"], default="asyncio")
    parser.add_argument("names", metavar="NAME", nargs="+", help="a namespace of ip-netns(8)")
    given = parser.parse_args()
    logging.basicConfig(format="%(levelname)s: %(message)s")
    anyio.run(run, given.etcd, given.prefix, given.names, backend=given.backend)


if __name__ == "__main__":
    main()
