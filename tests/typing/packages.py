"""The types of the packages beside the core, as users meet them: read by checkers, never run."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any, assert_never, assert_type

from opentelemetry.metrics import Meter
from prometheus_client import CollectorRegistry

from linx_async import (
    Hint,
    HintQueue,
    Hooks,
    Loop,
    NetworkNamespace,
    Plan,
    Report,
    Source,
    cgroup,
    config,
    metrics,
    netfilter,
    rtnl,
    sysctl,
)
from linx_async.metrics.otel import MeteredCounts
from linx_async.metrics.prometheus import Collector
from linx_async.netfilter import build as nft


def every_source_is_a_source() -> list[Source[Any, Any, Any]]:
    return [sysctl.Source(), cgroup.Source("a"), rtnl.Source(), netfilter.Source()]


def a_scope_may_be_said_in_many_ways(path: Path) -> list[rtnl.Source]:
    namespaces = [
        NetworkNamespace.here(),
        NetworkNamespace.of_pid(1),
        NetworkNamespace.at_path(path),
        NetworkNamespace.named("blue"),
    ]
    assert_type(namespaces, list[NetworkNamespace])
    return [rtnl.Source(scope) for scope in (None, 1, "blue", *namespaces)]


async def hints_of_ones_own_are_queued() -> None:
    queue = HintQueue()
    queue.put(Hint("written", keys=frozenset({"a"})))
    async for hint in queue:
        assert_type(hint, Hint)


async def sysctls_are_read_alone() -> None:
    assert_type(await sysctl.list("net.ipv4"), tuple[str, ...])
    observed = await sysctl.observe(["net.ipv4.ip_forward"], scope="blue")
    assert_type(observed, sysctl.Observed)
    async with sysctl.subscribe(["net.ipv4.ip_forward"]) as hints:
        assert_type(hints, AsyncIterator[Hint])


async def ops_of_flat_state_are_told_apart() -> None:
    for op in (await sysctl.reconcile({"net.ipv4.ip_forward": 1})).applied:
        match op:
            case sysctl.SetSysctl() | sysctl.RevertSysctl():
                assert_type(op.text, str)
            case sysctl.ReleaseSysctl():
                assert_type(op.key, str)
            case _:
                assert_never(op)
    report: Report[cgroup.LimitOp] = await cgroup.reconcile("a", {"pids.max": 5})
    plan: Plan[cgroup.LimitOp] = cgroup.diff({}, await cgroup.observe("a", []), report.last_applied)
    for limit in plan:
        match limit:
            case cgroup.SetLimit() | cgroup.RevertLimit() | cgroup.ReleaseLimit():
                assert_type(limit.key, str)
            case _:
                assert_never(limit)


async def a_firewall_is_text_or_built() -> None:
    built = netfilter.Table(
        "inet",
        "fw",
        chains=[
            netfilter.Chain(
                "input",
                ["ct state established accept", nft.rule(nft.tcp.dport == 22, nft.accept())],
                hook="input",
                policy="drop",
            )
        ],
        sets=[netfilter.Set("blocked", "ipv4_addr", ["192.0.2.0/24"], interval=True)],
    )
    parsed = netfilter.parse("table inet fw { }", defines={"ssh": "22"})
    assert_type(parsed, netfilter.Table)
    assert_type(await netfilter.compile("table inet fw { }"), netfilter.Table)
    report = await netfilter.reconcile(built, scope=1, lifetime="shared", on_conflict="replace")
    assert_type(report, Report[netfilter.NetfilterOp])
    assert_type(await netfilter.dry_run(parsed), Plan[netfilter.NetfilterOp])
    assert_type(await netfilter.pull("inet", "fw"), netfilter.ObservedTable | None)
    loop = Loop(netfilter.Source(lifetime="socket"), built)
    loop.put_desired(None)


async def what_happens_is_told_as_values() -> None:
    async with rtnl.monitor("link", "address") as announcements:
        async for announcement in announcements:
            match announcement:
                case rtnl.Announcement():
                    assert_type(str(announcement), str)
                case rtnl.Lost():
                    pass
                case _:
                    assert_never(announcement)
    async with netfilter.monitor(snapshot=True) as told:
        async for each in told:
            match each:
                case netfilter.Snapshot():
                    assert_type(each.tables, tuple[netfilter.ObservedTable, ...])
                case netfilter.Transaction() | netfilter.Lost():
                    pass
                case _:
                    assert_never(each)


def a_file_is_parts() -> list[Loop[Any, Any, Any]]:
    host = config.load("desired.toml")
    assert_type(host, config.HostConfig)
    assert_type(host.parts, tuple[config.Part, ...])
    return [Loop(part.source(), part.desired, name=part.name) for part in host.parts]


def counts_are_hooks(meter: Meter, registry: CollectorRegistry) -> list[Hooks]:
    counts = metrics.Counts()
    assert_type(counts.loops, Mapping[str, metrics.LoopCounts])
    registry.register(Collector(counts))
    hooks: list[Hooks] = [counts, MeteredCounts(meter)]
    Loop(sysctl.Source(), {}, hooks=hooks)
    return hooks
