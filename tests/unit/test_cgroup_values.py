"""Cgroup limits: from Python to text, when two texts are one limit, and what undoes a write."""

from __future__ import annotations

import enum
from collections.abc import Mapping

import pytest

from linx_async import DesiredStateError
from linx_async.cgroup import Value
from linx_async.cgroup.codec import pieces, same, text_of, undo
from linx_async.cgroup.desired import Desired

DEVICE = "8:0 rbps=1048576 wbps=max riops=max wiops=120"
UNWRITTEN = "9223372036854771712"


class Size(enum.IntEnum):
    SMALL = 4096


@pytest.mark.parametrize(
    ("key", "value", "text"),
    [
        ("memory.max", 268435456, "268435456"),
        ("memory.max", 0, "0"),
        ("memory.max", Size.SMALL, "4096"),
        ("memory.max", "max", "max"),
        ("memory.max", None, "max"),
        ("memory.max", " 7 ", "7"),
        ("memory.max", "0x10", "0x10"),
        ("memory.oom.group", True, "1"),
        ("cgroup.freeze", False, "0"),
        ("cpu.weight.nice", -20, "-20"),
        ("cpuset.cpus", "", ""),
        ("cpuset.cpus", "0-3,8", "0-3,8"),
        ("cpuset.cpus", [0, 1, 3], "0 1 3"),
        ("cpuset.cpus", range(2), "0 1"),
        ("cpu.max", (50_000, 100_000), "50000 100000"),
        ("cpu.max", (None, 100_000), "max 100000"),
        ("cpu.max", ["max", 100_000], "max 100000"),
    ],
)
def test_a_value_is_written_as_text(key: str, value: Value, text: str) -> None:
    assert text_of(key, value) == text


@pytest.mark.parametrize(
    ("value", "count"),
    [
        ("1K", 1 << 10),
        ("256M", 256 << 20),
        ("256m", 256 << 20),
        (" 256M ", 256 << 20),
        ("256MB", 256 << 20),
        ("256MiB", 256 << 20),
        ("2G", 2 << 30),
        ("3T", 3 << 40),
        ("1P", 1 << 50),
        ("1.5G", 3 << 29),
        ("0.5K", 512),
        ("0.25k", 256),
        ("0M", 0),
    ],
)
def test_a_unit_stands_for_powers_of_1024_bytes(value: str, count: int) -> None:
    assert text_of("memory.max", value) == str(count)


def test_a_unit_counts_within_a_line_too() -> None:
    # blk-throttle reads `rbps=1M` as 1 byte a second.
    assert text_of("io.max", {"8:0": {"rbps": "1M"}}) == "8:0 rbps=1048576"
    assert text_of("io.max", {"8:0": "rbps=1M wbps=1.5K"}) == "8:0 rbps=1048576 wbps=1536"
    assert text_of("io.max", "8:0 rbps=1M") == "8:0 rbps=1048576"


def test_a_mapping_is_a_line_a_device_in_the_order_of_their_names() -> None:
    limits: Value = {"8:16": {"wiops": 120}, "8:0": {"rbps": "1M", "wbps": None}}
    assert text_of("io.max", limits) == "8:0 rbps=1048576 wbps=max\n8:16 wiops=120"
    assert text_of("io.weight", {"default": 100, "8:0": 200}) == "8:0 200\ndefault 100"


@pytest.mark.parametrize(
    "value",
    [
        1.5,
        -1,
        2**64,
        "18446744073709551616",
        "16384P",
        b"1",
        bytearray(b"1"),
        {1},
        (),
        [],
        {},
        (1.5, 100_000),
        (-1, 100_000),
        ((1, 2), 3),
        ({"a": 1},),
        "1\n2",
        "1\0",
        "\ud800",
        "",
        " ",
        "0.3K",
        {"8:0": {}},
        {"8:0": 1.5},
        {"8:0": {"rbps": -1}},
        {"8:0": {"rbps": {"x": 1}}},
        {"8:0": {"rbps": "1\n8:16 rbps=1"}},
        {"8:0": {"rbps": ""}},
        {"8:0": ""},
        {"8:0": [1, 2]},
        {"": 1},
        {"8:0 ": 1},
        {"8:0\n8:16": 1},
        {"8\ud800": 1},
        {8: 1},
        {"8:0": {"": 1}},
        {"8:0": {"rb ps": 1}},
        {"8:0": {"rbps=1": 1}},
        {"8:0": {1: 1}},
    ],
)
def test_a_wrong_value_is_refused_with_its_key(value: object) -> None:
    with pytest.raises(DesiredStateError, match=r"^memory\.max: "):
        text_of("memory.max", value)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (1.5, "1.5"),
        (-5, "-5"),
        ("0.3K", "'0.3K'"),
        ("a\nb", r"'a\nb'"),
        (2**64, "18446744073709551616"),
        ({"8:0": {"rbps": -3}}, "-3"),
        ({"bad name": 1}, "'bad name'"),
        ({"8:0": {"r=": 1}}, "'r='"),
    ],
)
def test_the_refusal_tells_the_value(value: object, told: str) -> None:
    with pytest.raises(DesiredStateError) as refusal:
        Desired({"io.max": value})  # type: ignore[dict-item]
    assert told in str(refusal.value)


def test_all_that_is_desired_is_checked_as_it_is_written_down() -> None:
    desired = Desired({"memory.max": "256M", "pids.max": None, "cpu.max": (1000, 2000)})
    assert desired.settings == {
        "memory.max": "268435456",
        "pids.max": "max",
        "cpu.max": "1000 2000",
    }
    assert Desired.of(desired) is desired


@pytest.mark.parametrize("desired", [None, [("memory.max", 1)], "memory.max", 1])
def test_what_is_no_mapping_is_refused(desired: object) -> None:
    with pytest.raises(DesiredStateError, match="expected a mapping from key to value, got"):
        Desired(desired)  # type: ignore[arg-type]


def test_two_names_of_one_knob_are_refused() -> None:
    with pytest.raises(DesiredStateError, match=r"cpu\.weight and cpu\.weight\.nice are the same"):
        Desired({"cpu.weight": 100, "cpu.weight.nice": 0})


def test_each_line_is_a_write_and_an_empty_one_would_do_nothing() -> None:
    assert pieces("1") == ["1"]
    assert pieces("8:0 rbps=1\n8:16 wbps=2") == ["8:0 rbps=1", "8:16 wbps=2"]
    assert pieces("") == ["\n"]


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("memory.max", "1000001", "999424"),
        ("memory.max", "1", "0"),
        ("memory.max", "0x10000", "65536"),
        ("memory.high", "9223372036854775807", "max"),
        ("memory.swap.max", "4097", "4096"),
        ("hugetlb.2MB.max", "3145728", "2097152"),
        ("hugetlb.2MB.max", "1", "0"),
        ("hugetlb.2MB.rsvd.max", "3145728", "2097152"),
        ("hugetlb.2MB.max", "max", UNWRITTEN),
        ("hugetlb.2MB.max", UNWRITTEN, "max"),
        ("hugetlb.2MB.max", "9223372036852678656", "max"),
        ("cgroup.max.depth", "2147483647", "max"),
        ("cgroup.max.depth", "0x10", "16"),
        ("pids.max", "010", "8"),
        ("cpu.max", "50000", "50000 100000"),
        ("cpu.max", "max", "max 20000"),
        ("cpu.max", "50000 100000", "50000 100000"),
        ("cpu.uclamp.min", "20", "20.00"),
        ("cpu.uclamp.min", "20.5", "20.50"),
        ("cpu.uclamp.max", "100", "max"),
        ("io.cost.qos", "8:0 rpct=95", "8:0 enable=1 ctrl=user rpct=95.00 rlat=2500"),
        ("io.weight", "200", "default 200"),
        ("io.weight", "200", "default 200\n8:0 300"),
        ("io.weight", "default 200", "default 200\n8:0 300"),
        ("io.weight", "8:0 300", "default 200\n8:0 300"),
        ("io.weight", "8:0 default", "default 200"),
        ("io.max", "8:0 rbps=1048576", DEVICE),
        ("io.max", "8:0 rbps=1048576 wiops=120", f"8:16 rbps=1 wbps=1 riops=1 wiops=1\n{DEVICE}"),
        ("io.max", "8:0 rbps=max", ""),
        ("io.max", "8:0 rbps=18446744073709551615", ""),
        ("io.max", "8:0 riops=4294967295", ""),
        ("io.latency", "8:0 target=0", ""),
        ("io.latency", "8:0 target=75", "8:0 target=75"),
        ("cpuset.cpus", "0,1", "0-1"),
        ("cpuset.cpus", "0 1 3", "0-1,3"),
        ("cpuset.cpus", "0-1 3", "0-1,3"),
        ("cpuset.cpus", "", ""),
    ],
)
def test_what_the_kernel_makes_of_a_text_is_the_same(key: str, text: str, value: str) -> None:
    assert same(key, text, value)


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("memory.max", "1000001", "1003520"),
        ("memory.max", "1000001", "1000001"[:-1]),
        ("memory.max", "max", "0"),
        ("memory.max", "0", "max"),
        ("memory.max", "max", UNWRITTEN),
        ("memory.oom.group", "4097", "4096"),
        ("hugetlb.2MB.max", "2097152", "3145728"),
        ("hugetlb.2MB.max", "4194304", "max"),
        ("cgroup.max.depth", "2147483646", "max"),
        ("cgroup.max.depth", "2147483648", "max"),
        ("pids.max", "10", "8"),
        ("cpu.max", "50000", "60000 100000"),
        ("cpu.max", "50000 100000", "50000 200000"),
        ("cpu.max", "max 100000", "max 20000"),
        ("cpu.uclamp.min", "20", "20.50"),
        ("io.weight", "200", "default 100\n8:0 200"),
        ("io.weight", "8:0 200", "default 200"),
        ("io.weight", "8:0 default", "default 200\n8:0 200"),
        ("io.max", "8:0 rbps=1", DEVICE),
        ("io.max", "8:16 rbps=1", DEVICE),
        ("io.max", "8:0 rbps=max", DEVICE),
        ("io.max", "max", DEVICE),
        ("io.max", "max", ""),
        ("io.max", "8:0 rbps=4294967295", ""),
        ("misc.max", "res_a max", "res_b max"),
        ("cpuset.cpus", "0 1", "0,2"),
        ("cpuset.cpus", "0", ""),
        ("cpuset.cpus", "", "0"),
        ("cpuset.cpus.partition", "root", "root invalid (Cpu list in cpuset.cpus not exclusive)"),
    ],
)
def test_another_value_is_not_the_same(key: str, text: str, value: str) -> None:
    assert not same(key, text, value)


@pytest.mark.parametrize(
    ("key", "ours", "original", "text"),
    [
        ("memory.max", "4096", "max", "max"),
        ("memory.max", None, "8192", "8192"),
        ("cpu.max", "50000", "max 100000", "max 100000"),
        ("cpuset.cpus", "0-1", "", ""),
    ],
)
def test_a_value_of_one_line_is_undone_as_a_whole(
    key: str, ours: str | None, original: str, text: str
) -> None:
    assert undo(key, ours, original) == text


@pytest.mark.parametrize(
    ("key", "ours", "original", "text"),
    [
        ("io.max", "8:0 rbps=1", "", "8:0 rbps=max"),
        ("io.max", "8:0 rbps=1", DEVICE, "8:0 rbps=1048576"),
        ("io.max", "8:0 rbps=1 wiops=1", f"8:16 rbps=7\n{DEVICE}", "8:0 rbps=1048576 wiops=120"),
        ("io.max", "8:0 rbps=1\n8:16 rbps=1", DEVICE, "8:0 rbps=1048576\n8:16 rbps=max"),
        ("io.weight", "8:0 300", "default 100", "8:0 default"),
        ("io.weight", "8:0 300", "default 100\n8:0 50", "8:0 50"),
        ("io.weight", "8:0 300\ndefault 70", "default 100", "8:0 default\ndefault 100"),
        ("io.weight", "200", "default 100\n8:0 50", "default 100"),
    ],
)
def test_of_a_file_with_lines_what_we_wrote_is_undone_and_no_more(
    key: str, ours: str, original: str, text: str
) -> None:
    assert undo(key, ours, original) == text


def test_what_undoes_a_write_is_what_was_there() -> None:
    limits: Mapping[str, str] = {"8:0": "rbps=1", "8:16": "wiops=9"}
    text = undo("io.max", text_of("io.max", limits), DEVICE)
    assert same("io.max", text, DEVICE)


def test_an_integer_too_long_to_print_is_refused_with_its_key() -> None:
    with pytest.raises(DesiredStateError, match=r"memory\.max"):
        text_of("memory.max", 10**5000)
