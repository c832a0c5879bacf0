"""Limits of the memory, cpu, pids, io and cpuset controllers, on any kernel that has them."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from linx_async import Report, Verb
from linx_async.cgroup import Value, reconcile
from linx_async.cgroup.ops import LimitOp
from tests.cgroups import cgroup_with, kept, listening, make, read, require, write, written

pytestmark = pytest.mark.anyio

LIMITS: list[tuple[str, Value, str, str]] = [
    # key, what is desired, what the kernel makes of it, what somebody else writes
    ("memory.max", 1_000_001, "999424", "max"),
    ("memory.max", "16M", "16777216", "8388608"),
    ("memory.max", 0, "0", "max"),
    ("memory.max", None, "max", "4096"),
    ("memory.max", 2**63 - 1, "max", "4096"),
    ("memory.high", "1.5M", "1572864", "max"),
    ("memory.low", 5000, "4096", "0"),
    ("memory.min", "8K", "8192", "4096"),
    ("memory.swap.max", "1M", "1048576", "max"),
    ("memory.oom.group", True, "1", "0"),
    ("pids.max", 100, "100", "max"),
    ("pids.max", "0x10", "16", "5"),
    ("pids.max", "max", "max", "5"),
    ("cpu.weight", 200, "200", "100"),
    ("cpu.weight.nice", -5, "-5", "0"),
    ("cpu.max", 50_000, "50000 100000", "max"),
    ("cpu.max", (50_000, 100_000), "50000 100000", "60000 100000"),
    ("cpu.max", (20_000, 50_000), "20000 50000", "20000 100000"),
    ("cpu.max", None, "max 100000", "50000"),
    ("cpu.max", ("max", 50_000), "max 50000", "max 100000"),
    ("cpu.idle", True, "1", "0"),
    ("cpu.uclamp.min", 20, "20.00", "0"),
    ("cpu.uclamp.max", "50.5", "50.50", "max"),
    ("io.weight", 200, "default 200", "100"),
    ("io.weight", {"default": 200}, "default 200", "100"),
    ("cpuset.cpus", [0], "0", ""),
    ("cpuset.cpus", "0", "0", ""),
    ("cpuset.mems", 0, "0", ""),
]

each_limit = pytest.mark.parametrize(
    ("key", "value", "shown", "foreign"),
    LIMITS,
    ids=[f"{key}={value}" for key, value, *_ in LIMITS],
)


def disk() -> str | None:
    """The major:minor of a block device, for io.max."""
    named = os.environ.get("LINX_OTHER_KERNEL_DISK")
    if named:
        number = os.stat(named).st_rdev
        return f"{os.major(number)}:{os.minor(number)}"
    numbers = sorted(Path("/sys/block").glob("*/dev"))
    return read(numbers[0]) if numbers else None


@pytest.fixture
def device() -> str:
    found = disk()
    if found is None:
        pytest.skip("there is no block device")
    return found


@pytest.fixture
def throttled() -> Iterator[Path]:
    """A cgroup with io.max."""
    with cgroup_with("io.max") as cgroup:
        yield cgroup


def lines(cgroup: Path, key: str = "io.max") -> set[str]:
    return set(read(cgroup / key).splitlines())


def foreign_write(file: Path, text: str) -> None:
    # An empty write would do nothing.
    write(file, text or "\n")


async def one_pass(
    cgroup: Path,
    desired: Mapping[str, Value],
    *before: Report[LimitOp],
    revert_on_release: bool = False,
) -> Report[LimitOp]:
    last_applied = before[-1].last_applied if before else None
    return await reconcile(
        str(cgroup), desired, last_applied=last_applied, revert_on_release=revert_on_release
    )


async def is_quiet(cgroup: Path, desired: Mapping[str, Value], *before: Report[LimitOp]) -> bool:
    """Whether one more pass finds nothing to do, and writes nothing."""
    async with listening(cgroup) as watches:
        report = await one_pass(cgroup, desired, *before)
        return report.converged and report.applied == () and written(watches) == []


@each_limit
async def test_a_limit_converges_once_and_stays_quiet_even_without_a_claim(
    key: str, value: Value, shown: str, foreign: str
) -> None:
    with cgroup_with(key) as cgroup:
        foreign_write(cgroup / key, foreign)
        report = await one_pass(cgroup, {key: value})
        assert report.converged
        assert [op.key for op in report.applied] == [key]
        assert read(cgroup / key) == report.last_applied[key].settled == shown
        assert await is_quiet(cgroup, {key: value}, report)
        assert await is_quiet(cgroup, {key: value})


@each_limit
async def test_a_limit_that_is_let_go_gets_its_original_back(
    key: str, value: Value, shown: str, foreign: str
) -> None:
    with cgroup_with(key) as cgroup:
        foreign_write(cgroup / key, foreign)
        original = read(cgroup / key)
        report = await one_pass(cgroup, {key: value})
        assert read(cgroup / key) == shown
        report = await one_pass(cgroup, {}, report, revert_on_release=True)
        assert [op.verb for op in report.applied] == [Verb.REVERT]
        assert report.converged
        assert not report.last_applied
        assert read(cgroup / key) == original


@each_limit
async def test_a_limit_that_somebody_else_writes_is_healed(
    key: str, value: Value, shown: str, foreign: str
) -> None:
    with cgroup_with(key) as cgroup:
        async with kept(cgroup, {key: value}) as loop:
            foreign_write(cgroup / key, foreign)
            await loop.until_reads(cgroup / key, shown)
            await loop.once_more()
            async with listening(cgroup) as watches:
                report = await loop.once_more()
                assert report.converged
                assert report.applied == ()
                assert written(watches) == []


async def test_many_limits_at_once_are_one_pass() -> None:
    desired: Mapping[str, Value] = {
        "memory.max": 256 * 1024**2,
        "memory.high": "128M",
        "pids.max": 100,
        "cpu.max": (50_000, 100_000),
        "cpu.weight": 50,
    }
    with cgroup_with(*desired) as cgroup:
        report = await one_pass(cgroup, desired)
        assert report.converged
        assert {op.key for op in report.applied} == set(desired)
        assert await is_quiet(cgroup, desired, report)


async def test_no_cpu_limit_keeps_the_period_that_was_there() -> None:
    with cgroup_with("cpu.max") as cgroup:
        write(cgroup / "cpu.max", "20000 50000")
        report = await one_pass(cgroup, {"cpu.max": "max"})
        assert report.converged
        assert read(cgroup / "cpu.max") == "max 50000"
        assert await is_quiet(cgroup, {"cpu.max": "max"}, report)
        assert await is_quiet(cgroup, {"cpu.max": None})


async def test_a_cpu_limit_without_a_period_keeps_the_one_that_was_there() -> None:
    with cgroup_with("cpu.max") as cgroup:
        write(cgroup / "cpu.max", "max 50000")
        report = await one_pass(cgroup, {"cpu.max": 20_000})
        assert read(cgroup / "cpu.max") == "20000 50000"
        assert await is_quiet(cgroup, {"cpu.max": 20_000}, report)
        report = await one_pass(cgroup, {}, report, revert_on_release=True)
        assert read(cgroup / "cpu.max") == "max 50000"


async def test_a_value_out_of_range_fails_and_the_others_are_set() -> None:
    with cgroup_with("cpu.weight", "pids.max") as cgroup:
        report = await one_pass(cgroup, {"cpu.weight": 10_001, "pids.max": 7})
        (failure,) = report.failed
        assert failure.error.errno == errno.ERANGE
        assert "'10001'" in str(failure)
        assert read(cgroup / "pids.max") == "7"


async def test_a_limit_of_a_device_is_completed_by_the_kernel_and_stays_quiet(
    throttled: Path, device: str
) -> None:
    desired: Mapping[str, Value] = {"io.max": {device: {"rbps": "1M"}}}
    report = await one_pass(throttled, desired)
    assert report.converged
    assert lines(throttled) == {f"{device} rbps=1048576 wbps=max riops=max wiops=max"}
    assert await is_quiet(throttled, desired, report)
    assert await is_quiet(throttled, desired)


@pytest.mark.parametrize(
    "limits", [{"rbps": None}, {"riops": 2**32 - 1}, {"wiops": 2**32}, {"wbps": 2**64 - 1}]
)
async def test_no_limit_of_a_device_is_no_line_and_stays_quiet(
    throttled: Path, device: str, limits: Mapping[str, Value]
) -> None:
    (field,) = limits
    write(throttled / "io.max", f"{device} {field}=5")
    desired: Mapping[str, Value] = {"io.max": {device: limits}}  # type: ignore[dict-item]
    report = await one_pass(throttled, desired)
    assert report.converged
    assert read(throttled / "io.max") == ""
    assert await is_quiet(throttled, desired, report)
    assert await is_quiet(throttled, desired)


async def test_what_somebody_else_limits_of_a_device_is_left_alone(
    throttled: Path, device: str
) -> None:
    write(throttled / "io.max", f"{device} rbps=500 wiops=120")
    report = await one_pass(throttled, {"io.max": {device: {"rbps": 1000}}})
    assert lines(throttled) == {f"{device} rbps=1000 wbps=max riops=max wiops=120"}
    write(throttled / "io.max", f"{device} wiops=130")
    assert await is_quiet(throttled, {"io.max": {device: {"rbps": 1000}}}, report)
    report = await one_pass(throttled, {}, report, revert_on_release=True)
    assert report.converged
    assert lines(throttled) == {f"{device} rbps=500 wbps=max riops=max wiops=130"}


async def test_a_field_that_leaves_the_mapping_gets_its_original_back(
    throttled: Path, device: str
) -> None:
    write(throttled / "io.max", f"{device} wiops=120")
    report = await one_pass(throttled, {"io.max": {device: {"rbps": 1000, "wiops": 7}}})
    smaller: Mapping[str, Value] = {"io.max": {device: {"rbps": 1000}}}
    report = await one_pass(throttled, smaller, report, revert_on_release=True)
    assert report.converged
    assert lines(throttled) == {f"{device} rbps=1000 wbps=max riops=max wiops=120"}
    assert await is_quiet(throttled, smaller, report)
    report = await one_pass(throttled, {}, report, revert_on_release=True)
    assert lines(throttled) == {f"{device} rbps=max wbps=max riops=max wiops=120"}


async def test_a_device_that_is_not_there_fails_and_what_was_written_beside_it_is_ours(
    throttled: Path, device: str
) -> None:
    missing = "999:7"
    desired: Mapping[str, Value] = {"io.max": {device: {"rbps": 1000}, missing: {"rbps": 1000}}}
    report = await one_pass(throttled, desired)
    (failure,) = report.failed
    assert failure.error.errno == errno.ENODEV
    assert "the device is not there" in str(failure)
    assert lines(throttled) == {f"{device} rbps=1000 wbps=max riops=max wiops=max"}
    assert set(report.last_applied) == {"io.max"}
    for _ in range(2):  # of the first, the device that is not there fails once more
        report = await one_pass(throttled, {}, report, revert_on_release=True)
    assert report.converged
    assert not report.last_applied
    assert read(throttled / "io.max") == ""


async def test_the_limit_of_a_device_is_healed(throttled: Path, device: str) -> None:
    desired: Mapping[str, Value] = {"io.max": {device: {"rbps": 1000, "wbps": None}}}
    async with kept(throttled, desired) as loop:
        write(throttled / "io.max", f"{device} rbps=max wbps=5")
        shown = f"{device} rbps=1000 wbps=max riops=max wiops=max"
        await loop.until_reads(throttled / "io.max", shown)


async def test_the_weight_of_a_device_is_set_beside_the_default_and_given_back(
    device: str,
) -> None:
    with cgroup_with("io.weight") as cgroup:
        desired: Mapping[str, Value] = {"io.weight": {"default": 150, device: 300}}
        report = await one_pass(cgroup, desired)
        if report.failed:
            pytest.skip(f"this kernel gives the device no weight: {report.failed[0]}")
        assert lines(cgroup, "io.weight") == {"default 150", f"{device} 300"}
        assert await is_quiet(cgroup, desired, report)
        report = await one_pass(cgroup, {}, report, revert_on_release=True)
        assert lines(cgroup, "io.weight") == {"default 100"}
        assert await is_quiet(cgroup, {"io.weight": {device: "default"}})


@pytest.mark.parametrize(
    ("key", "value", "shown"),
    [
        ("memory.max", "16M", "16777216"),
        ("pids.max", 100, "100"),
        ("cpu.max", 50_000, "50000 100000"),
        ("cpu.weight", 200, "200"),
    ],
)
async def test_limits_that_fell_back_with_their_controller_are_healed(
    key: str, value: Value, shown: str
) -> None:
    with cgroup_with(key) as parent:
        switch, controller = parent / "cgroup.subtree_control", key.split(".")[0]
        web = parent / "web"
        make(web)
        write(switch, f"+{controller}")
        require(web, key)
        async with kept(web, {key: value}) as loop:
            for _ in range(2):
                write(switch, f"-{controller}")
                write(switch, f"+{controller}")
                await loop.until_reads(web / key, shown)


async def test_the_limits_of_a_device_that_fell_back_with_io_are_healed(
    throttled: Path, device: str
) -> None:
    switch, web = throttled / "cgroup.subtree_control", throttled / "web"
    make(web)
    write(switch, "+io")
    async with kept(web, {"io.max": {device: {"wiops": 50}}}) as loop:
        write(switch, "-io")
        write(switch, "+io")
        shown = f"{device} rbps=max wbps=max riops=max wiops=50"
        await loop.until_reads(web / "io.max", shown)
