"""The diff of cgroup limits: what is set, released and reverted, as values alone."""

from __future__ import annotations

import errno
from collections.abc import Mapping

import pytest

from linx_async import Claim, DesiredStateError, OpError, Ownership, Plan, Verb, Waiting
from linx_async.cgroup import (
    Observed,
    ReleaseLimit,
    RevertLimit,
    SetLimit,
    Value,
    diff,
)
from linx_async.cgroup.ops import LimitOp

INODE = "77"
FREE = "8:0 rbps={} wbps=max riops=max wiops={}"


def planned(
    desired: Mapping[str, Value],
    values: Mapping[str, str],
    *claims: Claim,
    revert: bool = False,
) -> Plan[LimitOp]:
    observed = Observed(values, incarnation=INODE)
    owned = Ownership().with_claims(claims)
    return diff(desired, observed, owned, revert_on_release=revert)


def claim(key: str, value: str, original: str, settled: str | None = None) -> Claim:
    return Claim(key, value, original, settled or value, INODE)


def test_a_limit_that_differs_is_set_and_its_original_kept() -> None:
    (op,) = planned({"pids.max": 100}, {"pids.max": "max"})
    assert op == SetLimit("pids.max", "100", "max", "max", INODE)
    assert op.verb is Verb.UPDATE
    assert op.claim == Claim("pids.max", "100", "max", None, INODE)
    assert str(op) == "set pids.max = 100 (is max)"


def test_a_limit_that_is_there_needs_nothing() -> None:
    assert planned({"pids.max": 100}, {"pids.max": "100"}).ops == ()


@pytest.mark.parametrize(
    ("key", "value", "shown"),
    [
        ("memory.max", 1_000_001, "999424"),
        ("memory.max", "1.5G", "1610612736"),
        ("memory.max", None, "max"),
        ("cpu.max", 50_000, "50000 100000"),
        ("cpu.max", "max", "max 20000"),
        ("io.weight", 200, "default 200\n8:0 50"),
        ("io.max", {"8:0": {"rbps": 1}}, FREE.format(1, 120)),
        ("cpuset.cpus", [0, 1], "0-1"),
    ],
)
def test_what_the_kernel_made_of_a_limit_needs_nothing_even_without_a_claim(
    key: str, value: Value, shown: str
) -> None:
    assert planned({key: value}, {key: shown}).ops == ()


def test_limits_are_independent_and_each_is_set() -> None:
    plan = planned({"pids.max": 1, "cpu.weight": 2}, {"pids.max": "max", "cpu.weight": "100"})
    (batch,) = plan.batches
    assert {op.key for op in batch} == {"pids.max", "cpu.weight"}
    assert not any(op.requires for op in batch)


def test_the_original_is_that_of_the_first_write() -> None:
    (op,) = planned({"pids.max": 7}, {"pids.max": "5"}, claim("pids.max", "5", "max"))
    assert op.original == "max"


def test_a_limit_that_is_not_desired_any_more_is_left_as_it_is() -> None:
    plan = planned({}, {"pids.max": "5"}, claim("pids.max", "5", "max"))
    assert plan.ops == (ReleaseLimit("pids.max"),)
    assert not plan


def test_or_gets_its_original_back_where_that_is_asked_for() -> None:
    plan = planned({}, {"pids.max": "5"}, claim("pids.max", "5", "max"), revert=True)
    assert plan.ops == (RevertLimit("pids.max", "max", "5", "max", INODE),)


def test_what_somebody_else_has_set_since_is_not_reverted() -> None:
    plan = planned({}, {"pids.max": "6"}, claim("pids.max", "5", "max"), revert=True)
    (op,) = plan
    assert op == ReleaseLimit("pids.max", "left at 6, which somebody else set")


def test_a_rounded_limit_is_still_ours() -> None:
    ours = claim("memory.max", "1000001", "max", "999424")
    plan = planned({}, {"memory.max": "999424"}, ours, revert=True)
    assert plan.ops == (RevertLimit("memory.max", "max", "999424", "max", INODE),)


def test_only_the_devices_and_fields_that_we_wrote_are_reverted() -> None:
    ours = claim("io.max", "8:0 rbps=1", FREE.format(9, 120), FREE.format(1, 120))
    now = f"{FREE.format(1, 120)}\n8:16 rbps=5 wbps=max riops=max wiops=max"
    (op,) = planned({}, {"io.max": now}, ours, revert=True)
    assert op == RevertLimit("io.max", "8:0 rbps=9", now, FREE.format(9, 120), INODE)


def test_a_field_that_had_no_limit_gets_none_back() -> None:
    ours = claim("io.max", "8:0 rbps=1", "", FREE.format(1, "max"))
    (op,) = planned({}, {"io.max": FREE.format(1, "max")}, ours, revert=True)
    assert isinstance(op, RevertLimit)
    assert op.text == "8:0 rbps=max"


def test_the_weight_of_another_device_is_not_reverted() -> None:
    ours = claim("io.weight", "200", "default 100\n8:0 50", "default 200\n8:0 50")
    (op,) = planned({}, {"io.weight": "default 200\n8:0 60\n8:16 70"}, ours, revert=True)
    assert isinstance(op, RevertLimit)
    assert op.text == "default 100"


def test_a_device_that_leaves_a_mapping_gets_its_original_back() -> None:
    was = "8:0 rbps=1 wbps=max riops=max wiops=max\n8:16 rbps=1 wbps=max riops=max wiops=max"
    ours = claim("io.max", "8:0 rbps=1\n8:16 rbps=1", "", was)
    (op,) = planned({"io.max": {"8:16": {"rbps": 1}}}, {"io.max": was}, ours, revert=True)
    assert isinstance(op, SetLimit)
    assert op.text == "8:16 rbps=1\n8:0 rbps=max"
    assert op.original == ""


def test_a_field_that_leaves_a_mapping_gets_its_original_back() -> None:
    was, original = FREE.format(1, 5), FREE.format(9, 120)
    ours = claim("io.max", "8:0 rbps=1 wiops=5", original, was)
    (op,) = planned({"io.max": {"8:0": {"rbps": 2}}}, {"io.max": was}, ours, revert=True)
    assert isinstance(op, SetLimit)
    assert op.text == "8:0 rbps=2\n8:0 wiops=120"


def test_a_device_that_has_left_a_mapping_stays_out_of_it() -> None:
    ours = claim("io.max", "8:16 rbps=1\n8:0 rbps=max", "", FREE.replace("8:0", "8:16"))
    only = "8:16 rbps=1 wbps=max riops=max wiops=max"
    wanted: Mapping[str, Value] = {"io.max": {"8:16": {"rbps": 1}}}
    assert planned(wanted, {"io.max": only}, ours, revert=True).ops == ()
    foreign = f"8:0 rbps=3 wbps=max riops=max wiops=max\n{only}"
    assert planned(wanted, {"io.max": foreign}, ours, revert=True).ops == ()


def test_a_device_that_leaves_a_mapping_is_left_as_it_is_where_nothing_is_reverted() -> None:
    was = "8:0 rbps=1 wbps=max riops=max wiops=max\n8:16 rbps=1 wbps=max riops=max wiops=max"
    ours = claim("io.max", "8:0 rbps=1\n8:16 rbps=1", "", was)
    assert planned({"io.max": {"8:16": {"rbps": 1}}}, {"io.max": was}, ours).ops == ()


def test_a_knob_that_is_desired_by_its_other_name_is_not_put_back_between() -> None:
    ours = claim("cpu.weight", "200", "100")
    values = {"cpu.weight": "200", "cpu.weight.nice": "-3"}
    first, second = planned({"cpu.weight.nice": -5}, values, ours, revert=True)
    assert first == SetLimit(
        "cpu.weight.nice", "-5", "-3", None, INODE, "but it was ours as cpu.weight"
    )
    assert second == ReleaseLimit("cpu.weight", "cpu.weight.nice is the same knob")


def test_what_was_never_written_in_huge_pages_gets_no_limit_back() -> None:
    unwritten = "9223372036854771712"
    ours = claim("hugetlb.2MB.max", "2097152", unwritten)
    (op,) = planned({}, {"hugetlb.2MB.max": "2097152"}, ours, revert=True)
    assert isinstance(op, RevertLimit)
    assert op.text == unwritten
    assert planned({}, {"hugetlb.2MB.max": "max"}, ours, revert=True).ops == (
        ReleaseLimit("hugetlb.2MB.max", "it has its original value"),
    )


def test_a_cgroup_that_is_not_there_is_waited_for_and_its_claims_are_dropped() -> None:
    observed = Observed(absent={"pids.max": "the cgroup web is not there"})
    owned = Ownership().with_claims([claim("pids.max", "5", "max")])
    plan = diff({"pids.max": 5}, observed, owned, revert_on_release=True)
    assert plan.ops == ()
    assert plan.waiting == (Waiting("pids.max", "the cgroup web is not there"),)
    assert plan.stale == {"pids.max"}


def test_of_a_new_cgroup_of_the_same_name_nothing_is_ours() -> None:
    old = Claim("pids.max", "5", "9", "5", "76")
    plan = planned({"pids.max": 5}, {"pids.max": "max"}, old)
    assert plan.stale == {"pids.max"}
    assert plan.ops == (SetLimit("pids.max", "5", "max", "max", INODE),)


def test_of_a_new_cgroup_of_the_same_name_nothing_is_reverted() -> None:
    old = Claim("pids.max", "5", "9", "5", "76")
    plan = planned({}, {"pids.max": "5"}, old, revert=True)
    assert plan.ops == ()
    assert plan.stale == {"pids.max"}


def test_a_limit_that_cannot_be_read_fails_and_the_claim_on_it_stays() -> None:
    error = OpError("pids.max", errno.ENOENT, "not delegated")
    observed = Observed(refused={"pids.max": error}, incarnation=INODE)
    owned = Ownership().with_claims([claim("pids.max", "5", "max")])
    plan = diff({"pids.max": 5}, observed, owned)
    assert [str(failed) for failed in plan.failed] == [str(error)]
    assert plan.stale == frozenset()


def test_a_limit_that_cannot_be_read_any_more_is_released() -> None:
    observed = Observed(refused={"pids.max": OpError("pids.max", errno.ENOENT)}, incarnation=INODE)
    owned = Ownership().with_claims([claim("pids.max", "5", "max")])
    plan = diff({}, observed, owned, revert_on_release=True)
    assert plan.ops == (ReleaseLimit("pids.max", "it cannot be read any more"),)


def test_a_desired_state_that_is_wrong_is_refused() -> None:
    with pytest.raises(DesiredStateError, match=r"'cgroup\.procs'"):
        diff({"cgroup.procs": 1}, Observed())
