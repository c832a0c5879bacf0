"""Sysctls of other namespaces: by pid, path and name, whatever becomes of them."""

from __future__ import annotations

import asyncio
import math
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest

from linx_async import (
    DesiredStateError,
    FileStore,
    Loop,
    NetworkNamespace,
    Report,
    ScopeGone,
    sysctl,
)
from linx_async._kernel import netns
from linx_async._kernel.nsfs import enter
from linx_async.sysctl import Desired, Observed, SetSysctl
from linx_async.sysctl.desired import DesiredLike
from linx_async.sysctl.ops import SysctlOp
from linx_async.sysctl.source import Scope
from linx_async.testing.namespaces import Namespaces
from tests.kernel.sysctls import (
    has_key,
    in_thread,
    kept,
    mounted,
    named_namespace,
    put,
    running,
    until,
    value,
)
from tests.leftovers import open_descriptors

pytestmark = pytest.mark.anyio

LO = "net.ipv4.conf.lo.arp_filter"
FORWARD = "net.ipv4.ip_forward"


@pytest.fixture(autouse=True)
def nothing_stays() -> Iterator[None]:
    with kept(LO, FORWARD, "kernel.hostname" if os.getuid() == 0 else LO):
        put(LO, "0")
        yield


def namespace_here() -> str:
    return os.readlink(f"/proc/self/task/{threading.get_native_id()}/ns/net")


@pytest.fixture(params=["pid", "path", "name"])
def scope(request: pytest.FixtureRequest, box: Namespaces) -> Iterator[Scope]:
    """The namespace of the box, as it can be said."""
    with named_namespace("blue", box.path("net")):
        scopes: dict[str, int | str] = {
            "pid": box.pid,
            "path": str(box.path("net")),
            "name": "blue",
        }
        yield scopes[request.param]


async def test_what_is_reconciled_there_is_not_touched_here(box: Namespaces, scope: Scope) -> None:
    before = namespace_here()
    report = await sysctl.reconcile({LO: 1, FORWARD: 1}, scope=scope)
    assert report.converged
    assert (box.read(LO), box.read(FORWARD)) == ("1\n", "1\n")
    assert value(LO) == "0"
    assert namespace_here() == before


async def test_a_loop_heals_there_and_its_thread_stays_here(box: Namespaces, scope: Scope) -> None:
    before = namespace_here()
    loop = Loop(sysctl.Source(scope), {LO: 1}, interval=math.inf, debounce=0)
    async with running(loop) as reports:
        await in_thread(box.write, LO, "7")
        report = await until(reports, lambda report: report.changed)
        assert report.applied == (SetSysctl(LO, "1", "7", "0"),)
        assert namespace_here() == before
    assert box.read(LO) == "1\n"
    assert value(LO) == "0"


async def test_a_write_here_is_no_hint_there(box: Namespaces) -> None:
    with anyio.fail_after(60):
        async with sysctl.subscribe([LO], scope=box.pid) as hints:
            put(LO, "5")
            await in_thread(box.write, LO, "6")
            assert "was written" in (await anext(hints)).reason
            await anyio.wait_all_tasks_blocked()
            with anyio.move_on_after(0) as at_once:
                await anext(hints)
            assert at_once.cancelled_caught


async def test_what_belongs_to_the_machine_is_refused_at_construction(box: Namespaces) -> None:
    for scope in (box.pid, str(box.path("net")), "blue"):
        with pytest.raises(DesiredStateError, match=r"vm\.swappiness belongs to the whole machine"):
            Loop(sysctl.Source(scope), {"vm.swappiness": 60})
    with pytest.raises(DesiredStateError, match="belongs to the uts namespace"):
        Loop(sysctl.Source(str(box.path("net"))), {"kernel.hostname": "a"})
    with pytest.raises(DesiredStateError, match="declare it where it belongs"):
        await sysctl.reconcile({"vm.swappiness": 60}, scope=box.pid)


async def test_here_everything_may_be_declared() -> None:
    Loop(sysctl.Source(), Desired({"vm.swappiness": 60, "kernel.hostname": "a", LO: 1}))


async def test_the_host_name_of_a_process_is_its_own(box: Namespaces) -> None:
    box.call("socket.sethostname", "theirs")
    if os.access("/proc/sys/kernel/hostname", os.W_OK):
        report = await sysctl.reconcile({"kernel.hostname": "ours", LO: 1}, scope=box.pid)
        assert report.converged
        assert box.call("socket.gethostname") == "ours"
    else:
        report = await sysctl.reconcile({"kernel.hostname": "ours", LO: 1}, scope=box.pid)
        assert [failure.key for failure in report.failed] == ["kernel.hostname"]
        assert "EACCES" in str(report.failed[0])
    assert box.read(LO) == "1\n"


async def test_a_host_name_that_is_set_there_is_healed_there(box: Namespaces) -> None:
    if not os.access("/proc/sys/kernel/hostname", os.W_OK):
        pytest.skip("kernel.hostname is written by the machine's root alone")
    here = value("kernel.hostname")
    desired = {"kernel.hostname": "ours"}
    loop = Loop(sysctl.Source(box.pid), desired, interval=math.inf, debounce=0)
    async with running(loop) as reports:
        await in_thread(box.call, "socket.sethostname", "theirs")
        await until(reports, lambda report: report.changed)
        assert box.call("socket.gethostname") == "ours"
    assert value("kernel.hostname") == here


async def test_where_all_namespaces_are_shared_no_thread_is_entered(
    foreigner: Namespaces, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_arguments: object) -> None:
        raise AssertionError("a namespace was entered")

    monkeypatch.setattr(netns, "enter", refuse)
    loop = Loop(sysctl.Source(foreigner.pid), {LO: 1}, interval=math.inf, debounce=0)
    async with running(loop) as reports:
        await in_thread(foreigner.write, LO, "7")
        await until(reports, lambda report: report.changed)
    assert value(LO) == "1"


async def test_a_quiet_pass_over_a_network_namespace_enters_it_no_more(
    box: Namespaces, monkeypatch: pytest.MonkeyPatch
) -> None:
    entered: list[str] = []

    def count(fd: int, kind: str) -> None:
        entered.append(kind)
        enter(fd, kind)

    monkeypatch.setattr(netns, "enter", count)
    loop = Loop(sysctl.Source(str(box.path("net"))), {LO: 1}, interval=math.inf)
    async with running(loop):
        await loop.reconcile()
        assert "net" in entered
        entered.clear()
        report = await loop.reconcile()
    assert report.converged
    assert entered == []


@pytest.mark.skipif(not has_key("net.mptcp.enabled"), reason="this kernel has no MPTCP")
async def test_what_may_look_at_the_thread_is_read_and_written_inside(box: Namespaces) -> None:
    put("net.mptcp.enabled", "1")
    report = await sysctl.reconcile({"net.mptcp.enabled": 0}, scope=str(box.path("net")))
    assert report.converged
    assert (box.read("net.mptcp.enabled"), value("net.mptcp.enabled")) == ("0\n", "1")


async def test_a_process_that_ended_is_gone(box: Namespaces) -> None:
    source = sysctl.Source(box.pid)
    desired = source.check({LO: 1})
    box.kill()
    with pytest.raises(ScopeGone, match=f"pid {box.pid}"):
        await sysctl.reconcile(desired, scope=source.scope)
    with pytest.raises(ScopeGone, match=f"pid {box.pid}"):
        sysctl.Source(box.pid)


async def test_a_process_that_ends_is_gone_from_the_next_pass_on(
    box: Namespaces, caplog: pytest.LogCaptureFixture
) -> None:
    loop = Loop(sysctl.Source(box.pid), {LO: 1}, interval=math.inf, debounce=0)
    async with running(loop):
        await in_thread(box.kill)
        with pytest.raises(ScopeGone, match="the process ended"):
            await loop.reconcile()
    caplog.clear()  # what was logged holds the error, which holds the source, and that a pidfd


async def test_no_process_is_taken_for_another_of_the_same_pid(
    box: Namespaces, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever stands at /proc/PID then: the pidfd tells that it is not the one."""
    namespace = NetworkNamespace.of_pid(box.pid)
    box.kill()
    monkeypatch.setattr(NetworkNamespace, "path", property(lambda _: Path("/proc/self/ns/net")))
    with pytest.raises(ScopeGone, match="the process ended"):
        await sysctl.reconcile({LO: 1}, scope=namespace)
    assert value(LO) == "0"


async def test_a_name_is_found_again_with_another_namespace_behind_it(
    box: Namespaces, tmp_path: Path
) -> None:
    loop = Loop(sysctl.Source("blue"), {LO: 1}, interval=0.05, store=FileStore(tmp_path))
    gone = False
    with named_namespace("blue", box.path("net")):
        async with running(loop) as reports:
            assert box.read(LO) == "1\n"
            with mounted("blue", Path("/proc/self/ns/net")):
                async for report in reports:
                    gone = gone or isinstance(report, ScopeGone)
                    if gone and isinstance(report, Report):
                        break
                assert value(LO) == "1"
    records = [name for name in os.listdir(tmp_path) if name.endswith(".json")]
    assert len(records) == 2


async def test_the_identity_is_the_namespaces_and_not_the_names(box: Namespaces) -> None:
    identities = []
    source = sysctl.Source("blue")
    for namespace in (box.path("net"), Path("/proc/self/ns/net"), box.path("net")):
        with named_namespace("blue", namespace):
            async with source:
                identities.append(source.identity)
    assert identities[0] != identities[1]
    assert identities[0] == identities[2]


def busy_loop(pid: int) -> Loop[DesiredLike, Observed, SysctlOp]:
    desired = Desired({LO: 1, "kernel.hostname": "a", "net.ipv4.conf.lo.rp_filter": 2})
    return Loop(sysctl.Source(pid), desired, interval=0.01)


@pytest.mark.parametrize("steps", range(0, 60, 6))
async def test_a_loop_that_is_cancelled_anywhere_leaves_nothing(
    box: Namespaces, steps: int
) -> None:
    """The guard of every test looks for descriptors, threads and tasks that are left."""
    async with anyio.create_task_group() as tg:
        tg.start_soon(busy_loop(box.pid).run)
        for _ in range(steps):
            await anyio.lowlevel.checkpoint()
        tg.cancel_scope.cancel()


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_nor_does_one_whose_task_asyncio_cancels(box: Namespaces) -> None:
    for steps in range(0, 60, 3):
        task = asyncio.create_task(busy_loop(box.pid).run())
        for _ in range(steps):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_nothing_that_a_loop_holds_outlives_exec(box: Namespaces) -> None:
    before = set(open_descriptors())
    async with running(busy_loop(box.pid)):
        held = dict(set(open_descriptors()) - before)
        assert not [target for number, target in held.items() if os.get_inheritable(number)]
        assert "anon_inode:inotify" in held.values()
