"""The public types as users meet them: read by the type checkers, never run."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Self, assert_type

import anyio
from attrs import frozen

from linx_async import (
    Claim,
    Hint,
    Loop,
    MemoryStore,
    Outcome,
    Ownership,
    Plan,
    Report,
    Restart,
    Source,
    SourceError,
    Supervisor,
    Verb,
    cgroup,
    reconcile,
    rtnl,
    sysctl,
)

Lamps = dict[str, bool]


@frozen
class Switch:
    """An op of a subsystem that a user wrote."""

    key: str
    on: bool
    verb: Verb = Verb.UPDATE
    original: str | None = None
    claim: Claim | None = None
    requires: frozenset[str] = frozenset()


class LampSource:
    """A source without hints, which need not inherit from anything."""

    name = "lamps"

    def check(self, desired: Lamps) -> Lamps:
        return desired

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...

    def subscribe(self) -> AbstractAsyncContextManager[AsyncIterator[Hint]] | None:
        return None

    async def observe(self, desired: Lamps, owned: Ownership) -> Lamps:
        return desired

    def diff(self, desired: Lamps, observed: Lamps, owned: Ownership) -> Plan[Switch]:
        return Plan(batches=(tuple(Switch(lamp, on) for lamp, on in desired.items()),))

    async def apply(self, batch: Sequence[Switch]) -> Sequence[Outcome]:
        return [Outcome() for _ in batch]


def a_structural_source_is_a_source() -> Source[Lamps, Lamps, Switch]:
    return LampSource()


async def one_pass_infers_its_ops() -> None:
    report = await reconcile(LampSource(), {"hall": True})
    assert_type(report, Report[Switch])
    assert_type(report.applied, tuple[Switch, ...])
    assert_type(report.last_applied, Ownership)


def a_report_callback(report: Report[Switch] | SourceError) -> None: ...


async def a_loop_infers_its_types() -> None:
    loop = Loop(
        LampSource(),
        {"hall": True},
        interval=30.0,
        debounce=0.1,
        monitor=False,
        name="hall",
        store=MemoryStore(),
        on_report=a_report_callback,
    )
    assert_type(loop, Loop[Lamps, Lamps, Switch])
    assert_type(loop.last_report, Report[Switch] | None)
    assert_type(loop.put_desired({"hall": False}), int)
    assert_type(await loop.reconcile(), Report[Switch])
    assert_type(await loop.wait_converged(1), Report[Switch])
    async with loop.reports() as reports:
        async for report in reports:
            assert_type(report, Report[Switch] | SourceError)


async def plain_values_are_taken_by_the_subsystems() -> None:
    sysctls = {"net.ipv4.ip_forward": 1, "net.ipv4.conf.all.rp_filter": True}
    report = await sysctl.reconcile(sysctls, revert_on_release=True)
    assert_type(report.converged, bool)
    await sysctl.reconcile(sysctls, last_applied=report.last_applied)
    assert_type(await sysctl.read("kernel.hostname"), int | str | tuple[int, ...])
    limits = {"memory.max": "256M", "pids.max": None, "cpu.max": (50_000, 100_000)}
    await cgroup.reconcile("myorg/web-42", limits, store=MemoryStore())
    Supervisor(Loop(sysctl.Source(), sysctls), Loop(cgroup.Source("myorg/web-42"), limits))


async def ops_narrow() -> None:
    report = await sysctl.reconcile({"net.ipv4.ip_forward": 1})
    for op in report.applied:
        match op:
            case sysctl.SetSysctl():
                assert_type(op, sysctl.SetSysctl)
            case _:
                assert_type(op.verb, Verb)


async def a_network_namespace_is_declared_as_plain_values_or_classes() -> None:
    desired = {"addresses": [("eth0", "10.0.0.2", 24)], "routes": [("default", "10.0.0.1")]}
    report = await rtnl.reconcile(desired, scope="blue", protocol=77, on_conflict="replace")
    assert_type(report, Report[rtnl.RtnlOp])
    classes = rtnl.Desired(
        links=[rtnl.Link("br0", "bridge", up=True)],
        routes=rtnl.RouteTable([rtnl.Route("default", "10.0.0.1", metrics={"mtu": 1400})]),
        rules=[(100, 200)],
    )
    loop = Loop(rtnl.Source(), classes)
    loop.put_desired(desired)
    loop.put_desired({})
    plan = rtnl.diff.routes(classes.routes, [], protocol=76)
    assert_type(plan, Plan[rtnl.RtnlOp])
    for op in plan:
        match op:
            case rtnl.AddRoute():
                assert_type(op.route, rtnl.Route)
            case rtnl.Release():
                assert_type(op.key, str)
            case _:
                assert_type(op.verb, Verb)
    async with rtnl.subscribe(desired) as hints:
        async for hint in hints:
            assert_type(hint, Hint)


async def loops_run_in_a_task_group() -> None:
    sysctls = Loop(sysctl.Source(), {"net.ipv4.ip_forward": 1})
    sysctls.put_desired({"net.ipv4.ip_forward": True, "net.ipv4.tcp_rmem": [4096, 131072, 6291456]})
    sysctls.put_desired({})
    loop = Loop(LampSource(), {"hall": True})
    supervisor = Supervisor(loop, restart=Restart(burst=3))
    async with anyio.create_task_group() as group:
        await group.start(loop.run)
        group.start_soon(supervisor.run)
        loop.stop()
