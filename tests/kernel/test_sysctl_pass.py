"""One pass over real sysctls: what is set, learned, refused, waited for, released and reverted."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from pathlib import Path

import pytest

from linx_async import FileStore, OpError, Ownership, sysctl
from linx_async.sysctl import ReleaseSysctl, RevertSysctl, SetSysctl, Value
from linx_async.testing.links import add_veth, delete_link, links
from linx_async.testing.namespaces import Namespaces
from tests.kernel.sysctls import CONF, changes, kept, listing, put, value

pytestmark = pytest.mark.anyio

FORWARD = "net.ipv4.ip_forward"
LO = "net.ipv4.conf.lo.arp_filter"
OTHER = "net.ipv4.conf.lo.arp_ignore"
REACHABLE = "net.ipv4.neigh.lo.base_reachable_time_ms"


@pytest.fixture(autouse=True)
def nothing_stays() -> Iterator[None]:
    redirects = "net.ipv4.conf.all.accept_redirects"
    with kept(redirects, LO, OTHER, "net.ipv4.tcp_rmem", REACHABLE), kept(FORWARD):
        put(FORWARD, "0")
        put(LO, "0")
        put(OTHER, "0")
        yield


@pytest.fixture
def veth() -> Iterator[str]:
    """An interface that the test may delete."""
    add_veth("va", "vb")
    yield "va"
    if "va" in links():
        delete_link("va")


async def test_what_differs_is_set_and_what_does_not_is_left_alone() -> None:
    put(OTHER, "1")
    report = await sysctl.reconcile({LO: 1, OTHER: 1})
    assert report.converged
    assert report.applied == (SetSysctl(LO, "1", "0", "0"),)
    assert value(LO) == "1"
    assert set(report.last_applied) == {LO}


async def test_the_next_pass_has_nothing_to_do() -> None:
    desired: dict[str, Value] = {LO: 1, FORWARD: True, "net.ipv4.tcp_rmem": (4096, 100000, 200000)}
    first = await sysctl.reconcile(desired)
    assert len(first.applied) == 3
    second = await sysctl.reconcile(desired, last_applied=first.last_applied)
    assert second.converged
    assert second.applied == ()
    assert second.last_applied == first.last_applied


async def test_keys_are_applied_in_the_order_that_converges_in_one_pass(veth: str) -> None:
    desired = {
        "net.ipv4.conf.va.forwarding": 0,
        "net.ipv4.conf.all.accept_redirects": 1,
        "net.ipv4.conf.va.rp_filter": 0,
        "net.ipv4.conf.default.rp_filter": 2,
        FORWARD: 1,
    }
    with kept("net.ipv4.conf.default.rp_filter"):
        report = await sysctl.reconcile(desired)
        assert report.converged
        assert {key: value(key) for key in desired} == {
            key: str(number) for key, number in desired.items()
        }
        again = await sysctl.reconcile(desired, last_applied=report.last_applied)
        assert again.applied == ()


async def test_what_the_kernel_completes_is_learned() -> None:
    """Times are kept in jiffies, of 1, 4 or 10 ms."""
    put(REACHABLE, "30000")
    desired = {REACHABLE: 40001}
    report = await sysctl.reconcile(desired)
    assert report.converged
    if value(REACHABLE) == "40001":
        pytest.skip("a jiffy of this kernel is a millisecond")
    assert report.last_applied[REACHABLE].settled == value(REACHABLE)
    again = await sysctl.reconcile(desired, last_applied=report.last_applied)
    assert again.applied == ()


async def test_what_the_kernel_spells_out_converges_without_a_record_too() -> None:
    desired = {"net.ipv4.tcp_fastopen_key": "1-2-3-4"}
    assert (await sysctl.reconcile(desired)).converged
    again = await sysctl.reconcile(desired)
    assert again.converged
    assert again.applied == ()


async def test_a_key_that_is_refused_does_not_hold_up_the_others() -> None:
    report = await sysctl.reconcile({LO: "x", OTHER: 1, "net.ipv4.icmp_ratelimit": -1})
    assert not report.converged
    assert [op.key for op in report.applied if op.key == OTHER] == [OTHER]
    failed = {failure.key: failure for failure in report.failed}
    assert failed[LO].error.errno == errno.EINVAL
    assert "EINVAL (Invalid argument): the kernel does not take 'x'" in str(failed[LO])
    assert value(OTHER) == "1"
    assert LO not in report.last_applied


@pytest.mark.parametrize(
    ("key", "name"),
    [("net.ipv4.route.flush", "EACCES"), ("net.ipv6.conf.all.stable_secret", "EIO")],
)
async def test_a_key_that_cannot_be_read_fails_and_is_not_written(key: str, name: str) -> None:
    report = await sysctl.reconcile({key: 1, LO: 1})
    assert not report.converged
    assert [failure.key for failure in report.failed] == [key]
    assert name in str(report.failed[0])
    assert value(LO) == "1"
    assert set(report.last_applied) == {LO}


async def test_a_read_only_key_fails_with_its_reason() -> None:
    key = "net.ipv4.tcp_available_congestion_control"
    report = await sysctl.reconcile({key: "none"})
    (failure,) = report.failed
    assert failure.error.errno == errno.EACCES
    assert "read-only" in str(failure)


async def test_text_that_is_taken_in_part_is_a_failure_and_may_be_ours() -> None:
    report = await sysctl.reconcile({LO: "1 2"})
    (failure,) = report.failed
    assert failure.unknown
    assert "took 2 of 3 bytes" in str(failure)
    assert report.last_applied[LO].original == "0"


@pytest.mark.parametrize("key", ["net.ipv4.conf.no-such.arp_filter", "net.no_such_module.max"])
async def test_a_key_that_is_not_there_is_waiting(key: str) -> None:
    report = await sysctl.reconcile({key: 1, LO: 1})
    assert not report.converged
    assert report.failed == ()
    assert [waiting.key for waiting in report.waiting] == [key]
    assert value(LO) == "1"


async def test_of_neighbours_a_namespace_has_no_defaults() -> None:
    """Only the first network namespace has them: net/ipv4/arp.c, arp_init."""
    report = await sysctl.reconcile({"net.ipv4.neigh.default.locktime": 100})
    assert [waiting.key for waiting in report.waiting] == ["net.ipv4.neigh.default.locktime"]


async def test_a_key_that_leaves_is_released_as_it_is() -> None:
    first = await sysctl.reconcile({LO: 1})
    second = await sysctl.reconcile({}, last_applied=first.last_applied)
    assert second.applied == (ReleaseSysctl(LO),)
    assert value(LO) == "1"
    assert second.last_applied == Ownership()


async def test_or_gets_its_value_from_before_on_request() -> None:
    put(LO, "7")
    first = await sysctl.reconcile({LO: 1, OTHER: 2})
    second = await sysctl.reconcile({LO: 3, OTHER: 2}, last_applied=first.last_applied)
    third = await sysctl.reconcile(
        {OTHER: 2}, last_applied=second.last_applied, revert_on_release=True
    )
    assert third.applied == (RevertSysctl(LO, "7", "3", "7"),)
    assert value(LO) == "7"
    assert set(third.last_applied) == {OTHER}


async def test_what_somebody_else_has_set_since_is_never_reverted(foreigner: Namespaces) -> None:
    first = await sysctl.reconcile({LO: 1})
    foreigner.write(LO, "8")
    second = await sysctl.reconcile({}, last_applied=first.last_applied, revert_on_release=True)
    assert [str(op) for op in second.applied] == [
        f"release {LO} (left at 8, which somebody else set)"
    ]
    assert value(LO) == "8"


async def test_a_knob_is_handed_on_to_its_other_name_without_a_glitch(veth: str) -> None:
    forwarding = "net.ipv4.conf.va.forwarding"
    first = await sysctl.reconcile({FORWARD: 1})
    put(forwarding, "0")  # which any write to the knob would overwrite
    second = await sysctl.reconcile(
        {"net.ipv4.conf.all.forwarding": 1},
        last_applied=first.last_applied,
        revert_on_release=True,
    )
    assert second.converged
    assert (value(FORWARD), value(forwarding)) == ("1", "0")
    await sysctl.reconcile({}, last_applied=second.last_applied, revert_on_release=True)
    assert value(FORWARD) == "0"


async def test_only_what_is_desired_is_written_but_for_what_the_kernel_does_itself(
    veth: str,
) -> None:
    before = listing(*CONF)
    await sysctl.reconcile({FORWARD: 1, LO: 1})
    interfaces = ("all", "default", "lo", "va", "vb")
    assert changes(before, listing(*CONF)) == {
        "net/ipv4/conf/lo/arp_filter": "1",
        "net/ipv4/conf/all/accept_redirects": "0",
        **{f"net/ipv4/conf/{name}/forwarding": "1" for name in interfaces},
    }


async def test_a_record_outlives_the_process_that_wrote_it(tmp_path: Path) -> None:
    await sysctl.reconcile({LO: 5}, store=FileStore(tmp_path))
    put(LO, "0")
    await sysctl.reconcile({LO: 6}, store=FileStore(tmp_path))
    report = await sysctl.reconcile({}, store=FileStore(tmp_path), revert_on_release=True)
    assert report.applied == (RevertSysctl(LO, "0", "6", "0"),)


async def test_the_record_of_one_namespace_says_nothing_of_another(
    box: Namespaces, tmp_path: Path
) -> None:
    """The same name, another namespace: `box.pid` may be reused, and so may a name."""
    path = str(box.path("net"))
    first = await sysctl.reconcile({LO: 1}, scope=path, store=FileStore(tmp_path))
    assert set(first.last_applied) == {LO}
    box.kill()
    with pytest.raises(Exception, match="is not there"):
        await sysctl.reconcile({}, scope=path, store=FileStore(tmp_path))


async def test_the_interface_that_is_gone_takes_its_claims_along(veth: str) -> None:
    first = await sysctl.reconcile({"net.ipv4.conf.va.arp_filter": 1})
    delete_link("va")
    second = await sysctl.reconcile(
        {"net.ipv4.conf.va.arp_filter": 1}, last_applied=first.last_applied
    )
    assert second.last_applied == Ownership()
    assert [waiting.key for waiting in second.waiting] == ["net.ipv4.conf.va.arp_filter"]


async def test_an_interface_that_is_replaced_within_one_source_is_claimed_anew(veth: str) -> None:
    key = "net.ipv4.conf.va.arp_filter"
    source = sysctl.Source(revert_on_release=True)
    desired = source.check({key: 1})
    owned = Ownership()
    async with source:
        plan = source.diff(desired, await source.observe(desired, owned), owned)
        await source.apply(plan.ops)
        owned = owned.with_claims([plan.ops[0].claim])  # type: ignore[list-item]
        delete_link("va")
        add_veth("va", "vb")
        put(key, "9")
        plan = source.diff(desired, await source.observe(desired, owned), owned)
    assert plan.stale == {key}
    assert plan.ops == (SetSysctl(key, "1", "9", "9"),)


async def test_an_error_is_the_kernels_own_and_can_be_matched() -> None:
    report = await sysctl.reconcile({LO: "99999999999"})
    (failure,) = report.failed
    assert isinstance(failure.error, OpError)
    assert failure.op == SetSysctl(LO, "99999999999", "0", "0")
