"""`same` and `undo` of cgroup limits, against a model of what the kernel makes of a write."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from attrs import Factory, define, field
from hypothesis import example, given
from hypothesis import strategies as st

from linx_async._kernel.cgroupfs import PAGE_SIZE
from linx_async.cgroup import Value
from linx_async.cgroup.codec import left_out, pieces, same, text_of, undo

LONG_MAX = 2**63 - 1
U64_MAX = 2**64 - 1
INT_MAX = 2**31 - 1
UINT_MAX = 2**32 - 1
MOST_PAGES = LONG_MAX // PAGE_SIZE  # PAGE_COUNTER_MAX
HUGE = 2 << 20

T = TypeVar("T")


class File(ABC):
    """An interface file: takes writes, and shows what became of them."""

    @abstractmethod
    def write(self, text: str) -> None: ...

    @abstractmethod
    def read(self) -> str: ...

    def write_all(self, text: str) -> None:
        for piece in pieces(text):
            self.write(piece.strip())


def memparse(text: str) -> int:
    return int(text, 0)


@define
class Pages(File):
    """memory.max and its like: mm/memcontrol.c, memory_max_write and seq_puts_memcg_tunable."""

    pages: int = MOST_PAGES

    def write(self, text: str) -> None:
        self.pages = MOST_PAGES if text == "max" else min(memparse(text) // PAGE_SIZE, MOST_PAGES)

    def read(self) -> str:
        return "max" if self.pages == MOST_PAGES else str(self.pages * PAGE_SIZE)


@define
class HugePages(File):
    """hugetlb.2MB.max: mm/hugetlb_cgroup.c, hugetlb_cgroup_write and its read_u64_max."""

    pages: int = MOST_PAGES

    def write(self, text: str) -> None:
        pages = MOST_PAGES if text == "max" else min(memparse(text) // PAGE_SIZE, MOST_PAGES)
        self.pages = pages // (HUGE // PAGE_SIZE) * (HUGE // PAGE_SIZE)

    def read(self) -> str:
        largest = MOST_PAGES // (HUGE // PAGE_SIZE) * (HUGE // PAGE_SIZE)
        return "max" if self.pages == largest else str(self.pages * PAGE_SIZE)


@define
class Depth(File):
    """cgroup.max.depth and .descendants: kernel/cgroup/cgroup.c, cgroup_max_depth_write."""

    depth: int = INT_MAX

    def write(self, text: str) -> None:
        self.depth = INT_MAX if text == "max" else int(text)

    def read(self) -> str:
        return "max" if self.depth == INT_MAX else str(self.depth)


@define
class Bandwidth(File):
    """cpu.max: kernel/sched/core.c, cpu_period_quota_parse; a period not said stays."""

    quota: str = "max"
    period: str = "100000"

    def write(self, text: str) -> None:
        self.quota, *period = text.split()
        self.period = (period or [self.period])[0]

    def read(self) -> str:
        return f"{self.quota} {self.period}"


@define
class Weights(File):
    """io.weight: block/blk-iocost.c, ioc_weight_write and ioc_weight_show."""

    default: str = "100"
    devices: dict[str, str] = Factory(dict)

    def write(self, text: str) -> None:
        match text.split():
            case [weight] | ["default", weight]:
                self.default = weight
            case [device, "default"]:
                self.devices.pop(device, None)
            case [device, weight]:
                self.devices[device] = weight

    def read(self) -> str:
        lines = [f"{device} {weight}" for device, weight in self.devices.items()]
        return "\n".join([f"default {self.default}", *lines])


IO_FIELDS = ("rbps", "wbps", "riops", "wiops")


@define
class Throttle(File):
    """io.max: block/blk-throttle.c, tg_set_limit and tg_prfill_limit."""

    devices: dict[str, dict[str, int]] = Factory(dict)

    def write(self, text: str) -> None:
        device, *items = text.split()
        limits = self.devices.setdefault(device, dict.fromkeys(IO_FIELDS, U64_MAX))
        for item in items:
            name, _, value = item.partition("=")
            limit = U64_MAX if value == "max" else int(value)
            limits[name] = limit
            if name.endswith("iops") and limit >= UINT_MAX:
                limits[name] = U64_MAX

    def read(self) -> str:
        return "\n".join(
            " ".join([device, *(f"{n}={'max' if v == U64_MAX else v}" for n, v in limits.items())])
            for device, limits in self.devices.items()
            if any(limit != U64_MAX for limit in limits.values())
        )


@define
class Cpus(File):
    """cpuset.cpus: lib/bitmap.c, bitmap_parselist, and the %*pbl that shows it."""

    cpus: set[int] = field(factory=set)

    def write(self, text: str) -> None:
        self.cpus = set()
        for part in text.replace(",", " ").split():
            low, _, high = part.partition("-")
            self.cpus.update(range(int(low), int(high or low) + 1))

    def read(self) -> str:
        spans: list[list[int]] = []
        for cpu in sorted(self.cpus):
            if spans and spans[-1][1] == cpu - 1:
                spans[-1][1] = cpu
            else:
                spans.append([cpu, cpu])
        return ",".join(str(a) if a == b else f"{a}-{b}" for a, b in spans)


edges = st.sampled_from([0, 1, PAGE_SIZE, HUGE, INT_MAX, LONG_MAX, U64_MAX, MOST_PAGES * PAGE_SIZE])
near_edges = st.builds(lambda edge, step: edge + step, edges, st.integers(-5000, 5000))
sizes: st.SearchStrategy[Any] = (
    st.none()
    | st.integers(0, U64_MAX)
    | near_edges.filter(lambda size: 0 <= size <= U64_MAX)
    | st.integers(0, 4 * HUGE)
    | st.sampled_from(["1.5G", "3M", "0x1001", "1T", "max"])
)
depths = st.none() | st.integers(0, 5) | st.integers(INT_MAX - 2, INT_MAX)
quotas = st.none() | st.integers(1000, 1005)
bandwidths = quotas | st.tuples(quotas, st.integers(1000, 1003))
devices = st.sampled_from(["8:0", "8:16", "259:1"])
weights = st.integers(1, 4)
weightings = weights | st.dictionaries(devices, weights | st.just("default"), min_size=1).flatmap(
    lambda lines: st.just(lines) | weights.map(lambda weight: {**lines, "default": weight})
)
limits = (
    st.none()
    | st.integers(1, 3)
    | st.sampled_from([UINT_MAX - 1, UINT_MAX, UINT_MAX + 1, U64_MAX, U64_MAX - 1, "1K"])
)
throttles = st.dictionaries(
    devices, st.dictionaries(st.sampled_from(IO_FIELDS), limits, min_size=1), min_size=1
)
cpu_lists = st.sets(st.integers(0, 9)).flatmap(
    lambda cpus: st.sampled_from(
        [",".join(map(str, sorted(cpus))), " ".join(map(str, cpus)), sorted(cpus) or ""]
    )
) | st.sampled_from(["0-3,5", "0-1 4", "5,0-3"])

FILES: Mapping[str, tuple[Callable[[], File], st.SearchStrategy[Any]]] = {
    "memory.max": (Pages, sizes),
    "memory.low": (Pages, sizes),
    "hugetlb.2MB.max": (HugePages, sizes),
    "cgroup.max.depth": (Depth, depths),
    "cgroup.max.descendants": (Depth, depths),
    "cpu.max": (Bandwidth, bandwidths),
    "io.weight": (Weights, weightings),
    "io.max": (Throttle, throttles),
    "cpuset.cpus": (Cpus, cpu_lists),
}


@st.composite
def writes(draw: st.DrawFn, count: int) -> tuple[str, list[Value]]:
    """A file, and values to write to it one after the other."""
    key = draw(st.sampled_from(sorted(FILES)))
    return key, [draw(FILES[key][1]) for _ in range(count)]


def made(key: str, *values: Value) -> File:
    """The file after those writes."""
    file = FILES[key][0]()
    for value in values:
        file.write_all(text_of(key, value))
    return file


@given(writes(2))
@example(("memory.max", [None, 1_000_001]))
@example(("hugetlb.2MB.max", [None, LONG_MAX // HUGE * HUGE]))
def test_what_the_kernel_makes_of_a_text_is_the_same(case: tuple[str, list[Value]]) -> None:
    key, (before, value) = case
    assert same(key, text_of(key, value), made(key, before, value).read())


@given(writes(2))
@example(("io.max", [{"8:0": {"rbps": 1}}, {"8:0": {"riops": UINT_MAX}}]))
@example(("io.weight", [200, {"8:0": "default"}]))
def test_what_is_the_same_would_not_be_changed_by_a_write(case: tuple[str, list[Value]]) -> None:
    key, (before, value) = case
    file = made(key, before)
    shown = file.read()
    file.write_all(text_of(key, value))
    assert same(key, text_of(key, value), shown) == (file.read() == shown)


@given(writes(1))
def test_what_was_never_written_is_told_from_what_would_change_it(
    case: tuple[str, list[Value]],
) -> None:
    key, (value,) = case
    fresh, written = made(key), made(key, value)
    # Of huge pages, "no limit" is shown in two ways.
    if key.startswith("hugetlb.") and written.read() == "max":
        return
    assert same(key, text_of(key, value), fresh.read()) == (written.read() == fresh.read())


@given(writes(1))
def test_a_value_is_the_same_as_itself(case: tuple[str, list[Value]]) -> None:
    key, (value,) = case
    text = text_of(key, value)
    assert same(key, text, text)
    shown = made(key, value).read()
    assert same(key, shown, shown)


@given(writes(2))
def test_undoing_a_write_brings_back_what_was_there(case: tuple[str, list[Value]]) -> None:
    key, (before, value) = case
    original = made(key, before).read()
    file = made(key, before, value)
    file.write_all(undo(key, text_of(key, value), original))
    assert file.read() == original or same(key, original, file.read())
    # A line that was not there before may have moved to the end: no more than that.
    assert sorted(file.read().splitlines()) == sorted(original.splitlines())


@given(throttles, throttles, throttles)
def test_undoing_a_write_leaves_what_others_have_written_beside_it(
    before: dict[str, Any], ours: dict[str, Any], foreign: dict[str, Any]
) -> None:
    beside = {
        device: {name: limit for name, limit in said.items() if name not in ours.get(device, {})}
        for device, said in foreign.items()
    }
    beside = {device: said for device, said in beside.items() if said}
    writes = [before, ours, beside] if beside else [before, ours]
    file = made("io.max", *writes)
    file.write_all(undo("io.max", text_of("io.max", ours), made("io.max", before).read()))
    expected = made("io.max", *(write for write in writes if write is not ours))
    assert sorted(file.read().splitlines()) == sorted(expected.read().splitlines())


@given(throttles, throttles, throttles)
def test_what_a_new_text_leaves_out_and_the_text_are_all_that_we_wrote(
    before: dict[str, Any], ours: dict[str, Any], new: dict[str, Any]
) -> None:
    left = left_out(
        "io.max", text_of("io.max", ours), text_of("io.max", new), made("io.max", ours).read()
    )
    file = made("io.max", before, ours, new)
    if left:
        file.write_all(undo("io.max", left, made("io.max", before).read()))
    expected = made("io.max", before, new)
    assert sorted(file.read().splitlines()) == sorted(expected.read().splitlines())
