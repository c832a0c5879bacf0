"""What adding and deleting many routes costs, beside `ip -batch` with the same ones."""

from __future__ import annotations

import time
from contextlib import AsyncExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from attrs import define, field

from linx_async import rtnl
from linx_async._kernel.netlink import Flag
from linx_async.rtnl import Desired, RouteTable
from linx_async.rtnl.codec.wire import Type
from tests.bench.passes import Passes
from tests.bench.rtnl_sets import deletions, mixed, payloads, plain, words
from tests.bench.rtnl_wire import FOREIGN, OURS, Plain, ip_batch, packed, testbed
from tests.bench.timing import Contender, by_turns, faster, heading, took

__all__ = ["Whole", "measure_changes"]

FASTER_BOUND = 2.0
VERBS = ("add", "delete")


@define
class Whole:
    """Whole passes in sources of their own, that add what is desired, or delete it."""

    desired: Desired
    nothing: Desired = field(factory=Desired)

    async def add(self) -> float:
        return await self._pass(self.desired)

    async def delete(self) -> float:
        return await self._pass(self.nothing)

    async def _pass(self, desired: Desired) -> float:
        began = time.perf_counter()
        report = await rtnl.reconcile(desired)
        seconds = time.perf_counter() - began
        assert report.converged
        assert len(report.applied) == len(self.desired.routes)
        return seconds


@define
class Applied:
    """The same plans, of which the applying alone counts."""

    source: rtnl.Source
    desired: Desired

    async def add(self) -> float:
        passes = Passes(self.source, self.desired)
        return await passes.apply(await passes.look())

    async def delete(self) -> float:
        passes = Passes(self.source, Desired())
        return await passes.apply(await passes.look())


async def measure_changes(count: int, beside: int, rounds: int, *, mixture: bool) -> None:
    """A table's routes added and deleted, again and again, in several ways."""
    kind = "IPv4, IPv6, multipath, metrics mixed" if mixture else "all of one shape"
    heading(f"{count:,} routes added and deleted beside {beside:,} foreign ones, {kind}")
    table = mixed(count) if mixture else plain(count)
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory()))
        client = stack.enter_context(Plain(stack.enter_context(testbed())))
        client.add(plain(beside, first=1), FOREIGN)
        applied = Applied(await stack.enter_async_context(rtnl.Source()), Desired(routes=table))
        times = await by_turns(rounds, contenders(client, table, applied, folder))
    most = None if mixture else FASTER_BOUND
    for verb in VERBS:
        for what, bound in (
            (f"{verb}: a whole pass", most),
            (f"{verb}: apply alone", most),
            (f"{verb}: packed before, no source", None),
        ):
            faster(times, what, f"{verb}: ip -batch", "`ip -batch`", bound)


def contenders(
    client: Plain, table: RouteTable, applied: Applied, folder: Path
) -> dict[str, Contender]:
    """Each adds, and then deletes what it added."""
    files = {verb: folder / verb for verb in VERBS}
    for verb, file in files.items():
        file.write_text("".join(words(table, verb, OURS)))
    created = payloads(table, client.indices, OURS)
    ready = {
        "add": packed(Type.NEWROUTE, Flag.CREATE | Flag.EXCL, created),
        "delete": packed(Type.DELROUTE, 0, deletions(table, client.indices, OURS)),
    }
    whole = Whole(Desired(routes=table))
    return {
        "add: ip -batch": took(lambda: ip_batch(files["add"])),
        "delete: ip -batch": took(lambda: ip_batch(files["delete"])),
        "add: a whole pass": whole.add,
        "delete: a whole pass": whole.delete,
        "add: apply alone": applied.add,
        "delete: apply alone": applied.delete,
        "add: packed before, no source": took(lambda: client.send(ready["add"])),
        "delete: packed before, no source": took(lambda: client.send(ready["delete"])),
    }
