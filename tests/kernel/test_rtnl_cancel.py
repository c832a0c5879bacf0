"""Passes over a real network namespace that are cut short anywhere: nothing made is unowned."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest
from anyio import CancelScope
from anyio.lowlevel import checkpoint

from linx_async import Ownership, Record, Report, reconcile, rtnl
from linx_async._kernel.socket import NetlinkSocket
from linx_async.rtnl import Address, Desired, Link, Neighbour, Nexthop, Route, RtnlOp, Rule
from tests.kernel.netbox import MAC, Net, net
from tests.kernel.rtnl_place import Place, Thing, World

__all__ = ["net"]

pytestmark = pytest.mark.anyio

TAG, KERNEL = 76, 2
OTHER_MAC = "02:00:00:00:00:99"
MOST = 2000

FOREIGN = """
link add foreign type veth peer name other
address add 10.0.9.1/24 dev one
route add 198.51.100.0/24 via 10.0.0.9 dev one proto static
route add 2001:db8:9::/64 via fd00::9 dev one proto static
rule add from 10.9.0.0/24 lookup 109 priority 1009 protocol static
neighbour add 10.0.0.99 lladdr 02:00:00:00:00:0f dev one protocol static
nexthop add id 9 via 10.0.0.9 dev one proto static
"""

ONE = Desired(
    links=[Link("br7", "bridge", up=True), Link("v7", "veth", peer="w7", master="br7", up=True)],
    addresses=[Address("one", "10.7.0.1/24"), Address("br7", "fd07::1/64", nodad=True)],
    nexthops=[Nexthop(7, "10.0.0.2", "one")],
    neighbours=[Neighbour("one", "10.0.0.77", MAC)],
    routes=[
        Route("192.0.2.0/24", "10.0.0.2", "one"),
        Route("192.0.3.0/24", nexthop_id=7),
        Route("2001:db8::/64", "fd00::2", "one"),
        Route("2001:db8:7::/64", interface="br7"),
    ],
    rules=[Rule(1007, 107, source="10.7.0.0/24")],
)
TWO = Desired(
    links=[
        Link("br7", "bridge", up=True, mtu=1400, alias="seven"),
        Link("v8", "veth", peer="w8", up=True),
        Link("w8", up=True),
    ],
    addresses=[Address("one", "10.7.0.1/24", label="one:7"), Address("v8", "10.8.0.1/24")],
    nexthops=[Nexthop(7, "10.0.0.3", "one"), Nexthop(8, "10.8.0.2", "v8")],
    neighbours=[Neighbour("one", "10.0.0.77", OTHER_MAC), Neighbour("v8", "10.8.0.9", MAC)],
    routes=[
        Route("192.0.2.0/24", "10.0.0.3", "one"),
        Route("192.0.4.0/24", interface="br7", metrics={"mtu": 1300}),
        Route("2001:db8::/64", "fd00::3", "one"),
    ],
    rules=[Rule(1008, 108, source="10.7.0.0/24")],
)

Step = Callable[[str], Any]


async def no_step(_where: str) -> None:
    """Nothing."""


class Notebook:
    """A store with one record, which tells its awaits."""

    def __init__(self) -> None:
        self.ownership = Ownership()
        self.step: Step = no_step

    @asynccontextmanager
    async def open(self, name: str, identity: str) -> AsyncIterator[Record]:
        yield self

    async def load(self) -> Ownership:
        await self.step("load")
        return self.ownership

    async def save(self, ownership: Ownership) -> None:
        await self.step("before save")
        self.ownership = ownership
        await self.step("after save")


class Cutter:
    """Counts the awaits of a pass, and cuts it short at one of them."""

    def __init__(self, at: int) -> None:
        self.at = at
        self.steps = 0
        self.cut: Callable[[], object] = lambda: None

    async def step(self, _where: str) -> None:
        self.steps += 1
        if self.steps == self.at:
            self.cut()
        await checkpoint()

    @property
    def too_late(self) -> bool:
        return self.steps < self.at


class Scene:
    """A namespace between one desired state and another, and what is there besides.

    Args:
        net: The namespace.
        place: A place in it.
        tagged: Whether the kernel is taken to have tags on addresses.
    """

    def __init__(self, net: Net, place: Place, *, tagged: bool) -> None:
        self.net = net
        self.place = place
        self.tagged = tagged
        self.notebook = Notebook()
        self.foreign: World

    async def begin(self) -> None:
        await anyio.to_thread.run_sync(self.net.prepare, FOREIGN)
        self.foreign = await self.place.world()
        await self.converge(ONE)

    async def reconcile(self, desired: Desired) -> Report[RtnlOp]:
        source = rtnl.Source(self.net.scope, address_tags=self.tagged)
        return await reconcile(source, desired, store=self.notebook)

    async def check(self) -> World:
        """Nothing of ours is unowned, and nothing foreign was touched."""
        world, record = await self.place.world(), self.notebook.ownership
        assert self.foreign.links.keys() <= world.links.keys()
        assert links_of_others(self.foreign) == links_of_others(world, self.foreign.links)
        there = {of(thing): thing for thing in world.things}
        for thing in self.foreign.things:
            assert there.pop(of(thing)) == thing
        for thing in there.values():
            by_record = isinstance(thing, Address) and not self.tagged
            assert thing.key in record if by_record else whose(thing), f"{thing} is unowned"
        claimed = {key.removeprefix("link ") for key in record if key.startswith("link ")}
        for name in world.links.keys() - self.foreign.links.keys():
            assert name in claimed or name.replace("w", "v") in claimed, f"{name} is unowned"
        return world

    async def converge(self, desired: Desired) -> None:
        """The next pass does all that is left to do."""
        report = await self.reconcile(desired)
        assert report.converged, report

    async def end(self) -> None:
        """All that was made can go, and nothing else does."""
        await self.converge(Desired())
        again = await self.reconcile(Desired())
        assert (again.converged, again.applied) == (True, ())
        world = await self.check()
        assert self.notebook.ownership == Ownership()
        assert world.links.keys() == self.foreign.links.keys()
        assert world.tagged(TAG) == []
        assert world.addresses == self.foreign.addresses


def links_of_others(
    world: World, only: Mapping[str, object] | None = None
) -> dict[str, tuple[object, ...]]:
    return {
        name: (each.index, each.kind, each.up, each.mtu, each.address, each.master, each.alias)
        for name, each in world.links.items()
        if only is None or name in only
    }


def of(thing: Thing) -> tuple[object, ...]:
    """What tells a thing from all others there are, those with other tags among them."""
    return type(thing), thing.key, thing.protocol, str(thing)


def whose(thing: Thing) -> bool:
    """Whether it is ours, or the kernel's doing."""
    if thing.protocol == TAG:
        return True
    if isinstance(thing, Neighbour):
        return thing.protocol == 0  # which the kernel found out
    return isinstance(thing, Route) and thing.protocol == KERNEL


@asynccontextmanager
async def staged(net: Net, *, tagged: bool) -> AsyncIterator[Scene]:
    async with net.socket() as socket:
        scene = Scene(net, Place(socket), tagged=tagged)
        await scene.begin()
        yield scene
        await scene.end()


@pytest.fixture
async def scene(net: Net) -> AsyncIterator[Scene]:
    async with staged(net, tagged=True) as scene:
        yield scene


@pytest.fixture
async def untagged_scene(net: Net) -> AsyncIterator[Scene]:
    """Where our record alone tells which addresses are ours."""
    async with staged(net, tagged=False) as scene:
        yield scene


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> Callable[[Step], None]:
    """Tells a function of each dump before it comes, and of each change before and after it."""
    told: list[Step] = [no_step]

    def around(name: str) -> None:
        original = getattr(NetlinkSocket, name)

        async def call(*arguments: Any, **options: Any) -> Any:
            await told[0](f"before {name}")
            answer = await original(*arguments, **options)
            if name != "dump":
                await told[0](f"after {name}")
            return answer

        monkeypatch.setattr(NetlinkSocket, name, call)

    for name in ("dump", "change", "change_packed"):
        around(name)

    def tell(step: Step) -> None:
        told[0] = step

    return tell


WAYS = (TWO, ONE)


async def test_cancelling_a_pass_at_any_await_leaves_nothing_unowned(
    scene: Scene, steps: Callable[[Step], None]
) -> None:
    there = [False, False]
    for at in range(1, MOST):
        for way, desired in enumerate(WAYS):
            cutter = Cutter(at)
            with CancelScope() as scope:
                cutter.cut = scope.cancel
                steps(cutter.step)
                scene.notebook.step = cutter.step
                await scene.reconcile(desired)
            steps(no_step)
            scene.notebook.step = no_step
            await scene.check()
            await scene.converge(desired)
            there[way] = cutter.too_late
        if all(there):
            return
    pytest.fail("the pass never ends")


async def cancel_after(ticks: int, scope: CancelScope) -> None:
    for _ in range(ticks):
        await checkpoint()
    scope.cancel()


async def test_cancelling_a_pass_between_steps_of_the_event_loop_leaves_nothing_unowned(
    untagged_scene: Scene,
) -> None:
    scene, ticks = untagged_scene, 0
    for _ in range(MOST):
        there = []
        for desired in WAYS:
            ended = False
            async with anyio.create_task_group() as tg:
                tg.start_soon(cancel_after, ticks, tg.cancel_scope)
                await scene.reconcile(desired)
                ended = True
                tg.cancel_scope.cancel()
            await scene.check()
            await scene.converge(desired)
            there.append(ended)
        if all(there):
            return
        # Threads take their time, in which many steps pass.
        ticks += 1 + ticks // 10
    pytest.fail("the pass never ends")


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_cancelling_the_task_of_a_pass_at_any_await_leaves_nothing_unowned(
    anyio_backend: str, scene: Scene, steps: Callable[[Step], None]
) -> None:
    """asyncio's own Task.cancel, which a shield does not keep out."""
    there = [False, False]
    for at in range(1, MOST):
        for way, desired in enumerate(WAYS):
            cutter = Cutter(at)
            steps(cutter.step)
            scene.notebook.step = cutter.step
            task = asyncio.create_task(scene.reconcile(desired))
            cutter.cut = task.cancel
            await asyncio.wait([task])
            steps(no_step)
            scene.notebook.step = no_step
            await scene.check()
            await scene.converge(desired)
            there[way] = cutter.too_late
        if all(there):
            return
    pytest.fail("the pass never ends")
