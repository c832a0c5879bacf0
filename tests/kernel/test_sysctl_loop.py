"""Loops over real sysctls: what somebody else does to them is undone, and nothing more."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import AsyncExitStack
from pathlib import Path

import anyio
import pytest

from linx_async import FileStore, Loop, Ownership, Report, sysctl
from linx_async.sysctl import Observed, RevertSysctl, SetSysctl
from linx_async.sysctl.desired import DesiredLike
from linx_async.sysctl.ops import SysctlOp
from linx_async.testing.links import add_veth, delete_link, links, rename_link, set_mtu
from linx_async.testing.namespaces import Namespaces
from tests.kernel.sysctls import (
    CONF,
    in_thread,
    kept,
    listing,
    put,
    quiet,
    running,
    until,
    value,
)
from tests.leftovers import open_descriptors

pytestmark = pytest.mark.anyio

FORWARD = "net.ipv4.ip_forward"
LO = "net.ipv4.conf.lo.arp_filter"
OTHER = "net.ipv4.conf.lo.arp_ignore"
LATE = "net.ipv4.conf.va.arp_filter"


@pytest.fixture(autouse=True)
def nothing_stays() -> Iterator[None]:
    with kept("net.ipv4.conf.all.accept_redirects", LO, OTHER), kept(FORWARD):
        for key in (FORWARD, LO, OTHER):
            put(key, "0")
        yield
        for name in ("va", "vb", "vc"):
            if name in links():
                delete_link(name)


def eager(
    desired: Mapping[str, int], *, revert: bool = False, store: FileStore | None = None
) -> Loop[DesiredLike, Observed, SysctlOp]:
    """A loop that relies on hints alone, and does not gather them."""
    source = sysctl.Source(revert_on_release=revert)
    return Loop(source, desired, interval=math.inf, debounce=0, store=store)


async def test_what_another_process_writes_is_undone(foreigner: Namespaces) -> None:
    loop = eager({LO: 1})
    async with running(loop) as reports:
        assert value(LO) == "1"
        await in_thread(foreigner.write, LO, "7")
        report = await until(reports, lambda report: report.changed)
        assert report.applied == (SetSysctl(LO, "1", "7", "0"),)
        assert value(LO) == "1"


async def test_nothing_else_is_touched(foreigner: Namespaces) -> None:
    loop = eager({LO: 1})
    async with running(loop) as reports:
        await in_thread(foreigner.write, OTHER, "2")
        before = listing(*CONF)
        await in_thread(foreigner.write, LO, "7")
        await until(reports, lambda report: report.changed)
        assert listing(*CONF) == before
        await quiet(loop.reconcile)


async def test_what_another_key_overwrites_is_undone(foreigner: Namespaces) -> None:
    loop = eager({"net.ipv4.conf.lo.forwarding": 0, "net.ipv4.conf.all.accept_redirects": 1})
    async with running(loop) as reports:
        await in_thread(foreigner.write, FORWARD, "1")
        await until(reports, lambda report: report.converged and report.changed)
        await quiet(loop.reconcile)
        assert value("net.ipv4.conf.lo.forwarding") == "0"
        assert value("net.ipv4.conf.all.accept_redirects") == "1"
        assert value(FORWARD) == "1"


async def test_a_late_interface_is_waiting_and_then_converges() -> None:
    loop = eager({LATE: 1, LO: 1})
    async with running(loop) as reports:
        assert loop.last_report is not None
        assert [waiting.key for waiting in loop.last_report.waiting] == [LATE]
        assert value(LO) == "1"
        add_veth("va", "vb")
        report = await until(reports, lambda report: report.converged)
        assert report.applied == (SetSysctl(LATE, "1", "0", "0"),)
        assert value(LATE) == "1"


async def test_an_interface_that_gets_the_awaited_name_converges() -> None:
    add_veth("vc", "vb")
    loop = eager({LATE: 1})
    async with running(loop) as reports:
        rename_link("vc", "va")
        await until(reports, lambda report: report.converged)
        assert value(LATE) == "1"


async def test_an_interface_that_comes_is_watched(foreigner: Namespaces) -> None:
    loop = eager({LATE: 1})
    async with running(loop) as reports:
        add_veth("va", "vb")
        await until(reports, lambda report: report.converged)
        await in_thread(foreigner.write, LATE, "7")
        await until(reports, lambda report: report.changed and report.converged)
        assert value(LATE) == "1"


async def test_an_interface_that_goes_takes_its_claims_along() -> None:
    add_veth("va", "vb")
    loop = eager({LATE: 1})
    async with running(loop) as reports:
        delete_link("va")
        report = await until(reports, lambda report: bool(report.waiting))
        assert not report.last_applied


async def test_of_an_interface_that_is_made_again_the_original_is_captured_anew() -> None:
    default = "net.ipv4.conf.default.arp_filter"
    add_veth("va", "vb")
    loop = eager({LATE: 1}, revert=True)
    with kept(default):
        async with running(loop) as reports:
            put(default, "5")
            delete_link("va")
            add_veth("va", "vb")
            report = await until(
                reports,
                lambda report: report.converged and report.last_applied[LATE].original == "5",
            )
            assert value(LATE) == "1"
            loop.put_desired({})
            report = await until(reports, lambda report: report.changed)
            assert report.applied == (RevertSysctl(LATE, "5", "1", "5"),)
            assert value(LATE) == "5"


async def test_an_mtu_that_is_changed_at_the_link_is_undone() -> None:
    key = "net.ipv6.conf.va.mtu"
    add_veth("va", "vb")
    loop = eager({key: 1300})
    async with running(loop) as reports:
        await in_thread(set_mtu, "va", 1400)
        await until(reports, lambda report: report.changed)
        assert value(key) == "1300"


async def test_a_new_desired_state_converges_and_the_old_is_released() -> None:
    loop = eager({LO: 1})
    async with running(loop):
        report = await loop.wait_converged(loop.put_desired({OTHER: 2}))
        assert {str(op) for op in report.applied} == {f"set {OTHER} = 2 (is 0)", f"release {LO}"}
        assert (value(LO), value(OTHER)) == ("1", "2")


async def test_or_reverted_on_request() -> None:
    put(LO, "3")
    loop = eager({LO: 1}, revert=True)
    async with running(loop):
        await loop.wait_converged(loop.put_desired({OTHER: 2}))
        assert (value(LO), value(OTHER)) == ("3", "2")
        await loop.wait_converged(loop.put_desired({}))
        assert value(OTHER) == "0"


async def test_ownership_outlives_the_loop(tmp_path: Path) -> None:
    put(LO, "3")
    async with running(eager({LO: 1}, store=FileStore(tmp_path))):
        pass
    loop = eager({}, revert=True, store=FileStore(tmp_path))
    async with running(loop):
        assert value(LO) == "3"


async def test_what_fails_is_tried_again_and_holds_up_nothing(foreigner: Namespaces) -> None:
    missing = "net.ipv4.tcp_congestion_control"
    source = sysctl.Source()
    desired = sysctl.Desired({missing: "no-such", LO: 1})
    loop = Loop(source, desired, interval=math.inf, debounce=0)
    async with running(loop) as reports:
        report = await until(reports, lambda report: report.trigger.value == "retry")
        assert "ENOENT" in str(report.failed[0])
        await in_thread(foreigner.write, LO, "7")
        await until(reports, lambda report: LO in {op.key for op in report.applied})
        assert value(LO) == "1"


async def test_interfaces_that_come_and_go_leave_nothing_behind() -> None:
    loop = eager({})
    async with running(loop):
        counts = []
        for number in range(4):
            name = f"v{number}"
            add_veth(name, "vb")
            await loop.wait_converged(loop.put_desired({f"net.ipv4.conf.{name}.arp_filter": 1}))
            delete_link(name)
            await loop.wait_converged(loop.put_desired({LO: 1}))
            await loop.reconcile()
            counts.append((len(open_descriptors()), kernel_watches()))
        assert counts[1:] == counts[:-1]


def originals(report: Report[SysctlOp]) -> dict[str, str | None]:
    return {key: claim.original for key, claim in report.last_applied.items() if claim.settled}


def kernel_watches() -> int:
    """How many watches the kernel has for this process."""
    inotify = [number for number, target in open_descriptors() if target.endswith(":inotify")]
    infos = [Path(f"/proc/self/fdinfo/{fd}").read_text(encoding="ascii") for fd in inotify]
    return sum(line.startswith("inotify ") for info in infos for line in info.splitlines())


async def test_a_source_has_one_subscription_at_a_time() -> None:
    async with sysctl.Source() as source, source.subscribe():
        with pytest.raises(RuntimeError, match="has a subscription"):
            async with source.subscribe():
                pass


async def test_a_subscription_after_another_hears_as_well() -> None:
    desired = sysctl.Desired({LO: 1})
    with anyio.fail_after(60):
        async with sysctl.Source() as source:
            for text in ("1", "2"):
                async with source.subscribe() as hints:
                    await source.observe(desired, Ownership())
                    await in_thread(put, LO, text)
                    assert (await anext(hints)).keys == frozenset({LO})


async def test_two_hundred_loops_share_one_descriptor_and_all_heal(foreigner: Namespaces) -> None:
    add_veth("va", "vb")
    apart = ("forwarding", "disable_ipv6", "mtu", "addr_gen_mode", "stable_secret")
    places = [f"{family}/{name}" for family in CONF for name in ("lo", "va", "vb")]
    keys = [key for key in listing(*places) if not key.endswith(apart) and takes(key, "1", "2")]
    keys = sorted(keys)[:200]
    assert len(keys) == 200
    async with AsyncExitStack() as stack:
        streams = [await stack.enter_async_context(running(eager({key: 1}))) for key in keys]
        held = [target for _, target in open_descriptors()]
        assert held.count("anon_inode:inotify") == 1
        script = "import sys\nfor key in sys.argv[1:]: open('/proc/sys/' + key, 'w').write('2')"
        await in_thread(foreigner.run, [sys.executable, "-I", "-c", script, *keys])
        for key, reports in zip(keys, streams, strict=True):
            if value(key) != "1":
                await until(reports, lambda report: report.changed)
            assert value(key) == "1"


def takes(key: str, *texts: str) -> bool:
    """Whether a sysctl can be any of these; it is 0 afterwards, or the last."""
    try:
        for text in (*texts, "0"):
            put(key, text)
            if value(key) != text:
                return False
    except OSError:
        return False
    return os.access(f"/proc/sys/{key}", os.W_OK)
