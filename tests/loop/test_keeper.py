"""The parts that `linx run` keeps, and what the service manager is told of them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

import anyio
import pytest
from attrs import evolve, field, frozen

from linx_async import DesiredStateError, LoopFailed, MemoryStore, SourceError
from linx_async.cli.events import Event
from linx_async.cli.keeper import Keeper
from linx_async.cli.kept import Pacing
from linx_async.cli.notify import ServiceSocket
from linx_async.cli.service import Service
from linx_async.cli.state import HostStore, Keeping
from linx_async.config import Part
from linx_async.testing import FakeKernel, FakeSource
from tests.loop.running import HOUR, Gate

pytestmark = pytest.mark.anyio

ONE = Part("sysctl", desired={"a": "1"})
OTHER = Part("cgroup", "x", {"b": "1"})


class Store(MemoryStore):
    """Records in memory, and the names of the parts that were forgotten."""

    def __init__(self) -> None:
        super().__init__()
        self.forgotten: list[str] = []

    async def forget(self, part: Part) -> None:
        self.forgotten.append(part.name)


class Host(Keeper):
    """Keeps parts on fake kernels, one each."""

    def __init__(self, **pacing: Any) -> None:
        self.store = Store()
        self.told: list[Event] = []
        self.kernels: dict[str, FakeKernel] = {}
        self.sources: dict[str, FakeSource] = {}
        super().__init__(cast("HostStore", self.store), Pacing(**pacing), None, self._note)

    def _note(self, *events: Event) -> None:
        self.told += events

    def _source(self, part: Part) -> FakeSource:
        kernel = self.kernels.setdefault(part.name, FakeKernel())
        source = FakeSource(kernel, name=part.name)
        self.sources.setdefault(part.name, source)
        return source

    def objects(self, part: Part) -> dict[str, str]:
        return self.kernels[part.name].objects

    def kinds(self, part: Part) -> list[str]:
        return [event.kind for event in self.told if event.part == part.name]

    @asynccontextmanager
    async def keeping(self, *parts: Part, left: str = "") -> AsyncIterator[None]:
        with anyio.fail_after(100 * HOUR):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self.run, keeps(*parts, left=left))
                await anyio.wait_all_tasks_blocked()
                await self.first_passes()
                yield
                self.stop()


def keeps(*parts: Part, left: str = "") -> Keeping:
    return Keeping(parts, left=frozenset(filter(None, [left])))


@frozen
class Heard(ServiceSocket):
    """Hears what the service manager would."""

    address: str = "/there"
    watchdog: float | None = None
    lines: list[str] = field(factory=list)
    error: OSError | None = None

    async def send(self, message: bytes) -> None:
        if self.error is not None:
            raise self.error
        self.lines.extend(message.decode().splitlines())

    def since(self) -> list[str]:
        lines = list(self.lines)
        self.lines.clear()
        return lines


# What the file says


async def test_a_part_that_is_the_same_goes_on_without_a_pass() -> None:
    host = Host(interval=HOUR)
    async with host.keeping(ONE, OTHER):
        await anyio.sleep(60)
        loop, passes = host.kept["sysctl"].loop, host.sources["sysctl"].passes
        changes = await host.change_to(keeps(evolve(ONE), evolve(OTHER, desired={"b": "2"})))
        assert (changes.same, [part.name for part in changes.changed]) == (
            ("sysctl",),
            ["cgroup x"],
        )
        assert host.kept["sysctl"].loop is loop
        assert host.sources["sysctl"].passes == passes
        assert host.objects(OTHER) == {"b": "2"}


async def test_a_part_that_changes_keeps_its_loop_and_what_it_owns() -> None:
    host = Host()
    async with host.keeping(ONE):
        host.kernels["sysctl"].objects["foreign"] = "1"
        loop = host.kept["sysctl"].loop
        await host.change_to(keeps(evolve(ONE, desired={"c": "1"})))
        assert host.kept["sysctl"].loop is loop
        assert host.objects(ONE) == {"c": "1", "foreign": "1"}


async def test_a_part_that_is_new_has_had_its_first_pass_when_the_change_is_done() -> None:
    host = Host()
    async with host.keeping():
        await host.change_to(keeps(ONE))
        assert host.objects(ONE) == {"a": "1"}


async def test_a_part_that_leaves_is_let_go_and_ends() -> None:
    host = Host()
    async with host.keeping(ONE, OTHER):
        await host.change_to(keeps(OTHER))
        await anyio.sleep(1)
        assert list(host.kept) == ["cgroup x"]
        assert host.objects(ONE) == {}
        assert host.store.forgotten == ["sysctl"]
        assert host.sources["sysctl"].calls[-1] == "leave"


async def test_a_part_that_had_left_at_the_start_ends_once_it_is_let_go() -> None:
    host = Host()
    async with host.keeping(evolve(ONE, desired={}), OTHER, left="sysctl"):
        await anyio.sleep(1)
        assert list(host.kept) == ["cgroup x"]


async def test_a_part_that_leaves_is_kept_as_long_as_it_cannot_be_let_go() -> None:
    host = Host()
    async with host.keeping(ONE):
        with host.kernels["sysctl"].refuse("a"):
            await host.change_to(keeps())
            await anyio.sleep(60)
            assert host.kept["sysctl"].left
            assert host.kept["sysctl"].state == "not converged"
        await anyio.sleep(60)
        assert host.kept == {}


async def test_a_part_that_comes_back_while_it_is_let_go_goes_on() -> None:
    host = Host()
    async with host.keeping(ONE):
        with host.kernels["sysctl"].refuse("a"):
            await host.change_to(keeps())
        await host.change_to(keeps(ONE))
        await anyio.sleep(60)
        assert not host.kept["sysctl"].left
        assert host.objects(ONE) == {"a": "1"}


async def test_a_part_that_comes_back_while_it_ends_begins_anew() -> None:
    host = Host()
    async with host.keeping(ONE):
        before = host.kept["sysctl"]
        before.stop()
        await host.change_to(keeps(ONE))
        assert before.ended.is_set()
        assert host.kept["sysctl"] is not before
        assert host.objects(ONE) == {"a": "1"}


async def test_other_options_begin_a_loop_anew_which_owns_what_the_former_did() -> None:
    host = Host()
    async with host.keeping(ONE):
        before = host.kept["sysctl"]
        host.kept["sysctl"].loop.pause(look=True)
        changed = evolve(ONE, desired={"c": "1"}, options={"revert_on_release": True})
        await host.change_to(keeps(changed))
        after = host.kept["sysctl"]
        assert before.ended.is_set()
        assert after is not before
        assert after.loop.paused
        host.resume(())
        await anyio.sleep(60)
        assert host.objects(ONE) == {"c": "1"}


async def test_a_part_that_cannot_be_changes_nothing() -> None:
    host = Host()
    async with host.keeping(ONE):
        with pytest.raises(DesiredStateError, match="no key"):
            await host.change_to(keeps(evolve(OTHER, desired={"B": "1"})))
        assert list(host.kept) == ["sysctl"]
        assert host.objects(ONE) == {"a": "1"}


async def test_a_loop_that_crashes_again_and_again_ends_all() -> None:
    host = Host()
    host._source(ONE)
    host.kernels["sysctl"].fail(ZeroDivisionError())
    host._source = lambda part: host.sources["sysctl"]  # type: ignore[method-assign]
    with pytest.raises(LoopFailed, match="sysctl"):
        await host.run(keeps(ONE))
    assert host.kept == {}


# What is asked of it


async def test_a_pause_lasts_until_it_is_resumed_and_holds_for_what_is_new() -> None:
    host = Host()
    async with host.keeping(ONE):
        await host.pause(())
        host.kernels["sysctl"].drift("a", "2")
        await host.change_to(keeps(ONE, OTHER))
        await anyio.sleep(60)
        assert [kept.state for kept in host.kept.values()] == ["not converged"] * 2
        assert (host.objects(ONE), host.objects(OTHER)) == ({"a": "2"}, {})
        assert [op["text"] for op in host.kept["cgroup x"].to_json()["pending"]] == ["put b = 1"]
        host.resume(())
        await anyio.sleep(60)
        assert (host.objects(ONE), host.objects(OTHER)) == ({"a": "1"}, {"b": "1"})
        before, after = ["applied", "converged"], ["applied", "converged"]
        assert host.kinds(ONE) == [*before, "paused", "pending", "resumed", *after]


async def test_a_pause_is_there_once_the_pass_under_way_has_ended() -> None:
    host = Host()
    async with host.keeping(ONE), anyio.create_task_group() as tasks:
        gate = Gate(host.sources["sysctl"], "before put a = 1")
        host.kernels["sysctl"].drift("a", "2")
        await gate.reached.wait()
        done = anyio.Event()

        async def pause() -> None:
            await host.pause(["sysctl"])
            done.set()

        tasks.start_soon(pause)
        await anyio.sleep(5)
        assert not done.is_set()
        gate.open()
        await done.wait()
        assert host.objects(ONE) == {"a": "1"}


async def test_parts_are_named_or_by_how_they_begin() -> None:
    host = Host()
    parts = [Part("cgroup", name, {"a": "1"}) for name in ("x", "x y", "z")]
    async with host.keeping(ONE, *parts):
        names = [kept.part.name for kept in host.named(["cgroup"])]
        assert names == ["cgroup x", "cgroup x y", "cgroup z"]
        assert [kept.part.name for kept in host.named(["cgroup x", "sysctl"])] == [
            "cgroup x",
            "sysctl",
        ]
        assert len(host.named([])) == 4
        with pytest.raises(DesiredStateError, match=r"no part 'cg'; there are: sysctl, cgroup x,"):
            host.named(["cg"])


async def test_how_a_part_fares_is_told_in_full() -> None:
    host = Host()
    async with host.keeping(ONE):
        kernel = host.kernels["sysctl"]
        assert host.kept["sysctl"].to_json()["state"] == "converged"
        with kernel.fail(SourceError("not now")):
            kernel.drift("a", "2")
            await anyio.sleep(4)
            told = host.kept["sysctl"].to_json()
            assert (told["state"], told["error"]) == ("error", "not now")
        with kernel.fail(ZeroDivisionError("oh")):
            while host.kept["sysctl"].state != "restarting":
                await host.news.wait()
            assert host.kept["sysctl"].to_json()["error"] == "oh"
        await anyio.sleep(60)
        told = host.kept["sysctl"].to_json()
        assert (told["state"], told["error"]) == ("converged", None)
        assert told["restarts"] > 0


# What the service manager is told


@asynccontextmanager
async def told(host: Host, heard: Heard, *parts: Part) -> AsyncIterator[Service]:
    service = Service(heard, host, host._note)
    async with host.keeping(*parts):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(service.run)
            await anyio.wait_all_tasks_blocked()
            yield service
            tasks.cancel_scope.cancel()
        await service.stopping()


async def test_ready_is_told_with_the_first_passes_and_the_end_once() -> None:
    host, heard = Host(), Heard()
    async with told(host, heard, ONE, OTHER):
        assert heard.since() == ["READY=1", "STATUS=keeps 2 parts: 2 converged"]
        await host.pause(["sysctl"])
        await anyio.sleep(1)
        assert heard.since() == ["STATUS=keeps 2 parts: 2 converged, 1 paused"]
    assert heard.since()[0] == "STOPPING=1"


async def test_ready_waits_for_the_slowest_first_pass() -> None:
    host, heard = Host(), Heard()
    service = Service(heard, host, host._note)
    async with anyio.create_task_group() as tasks:
        gate = Gate(source := host._source(ONE), "observe")
        host._source = lambda part: source  # type: ignore[method-assign]
        tasks.start_soon(host.run, keeps(ONE))
        await gate.reached.wait()
        tasks.start_soon(service.run)
        await anyio.sleep(60)
        await service.reloading(1)
        await service.ready()
        assert heard.since() == []
        gate.open()
        await anyio.sleep(1)
        assert heard.since()[0] == "READY=1"
        host.stop()
        await anyio.sleep(1)
        tasks.cancel_scope.cancel()


async def test_a_loop_that_hangs_stops_the_signs_of_life_until_it_goes_on() -> None:
    host, heard = Host(), Heard(watchdog=30)
    async with told(host, heard, ONE, OTHER):
        await anyio.sleep(300)
        assert heard.since().count("WATCHDOG=1") >= 30
        gate = Gate(host.sources["sysctl"], "observe")
        await anyio.sleep(60)
        heard.since()
        await anyio.sleep(HOUR)
        lines = heard.since()
        assert "WATCHDOG=1" not in lines
        assert lines[-1].startswith("STATUS=no answer from sysctl; keeps 2 parts")
        assert host.kinds(ONE)[-1] == "error"
        assert host.kinds(ONE).count("error") == 1
        gate.open()
        await anyio.sleep(60)
        assert "WATCHDOG=1" in heard.since()


async def test_where_nobody_can_be_told_it_is_said_once_and_all_goes_on() -> None:
    host, heard = Host(), Heard(watchdog=30, error=OSError(111, "Connection refused"))
    async with told(host, heard, ONE):
        await anyio.sleep(HOUR)
        (event,) = [event for event in host.told if event.kind == "error"]
        assert event.text == (
            "the service manager at /there cannot be told: [Errno 111] Connection refused"
        )


async def test_nothing_is_said_where_nobody_listens() -> None:
    host, heard = Host(), Heard(address="", error=OSError(1, "never"))
    async with told(host, heard, ONE):
        await anyio.sleep(60)
        assert [event for event in host.told if event.kind == "error"] == []
