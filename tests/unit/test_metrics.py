"""What is measured of loops: names, labels, and that Prometheus and OpenTelemetry agree on it."""

from __future__ import annotations

import itertools
import re
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from prometheus_client import CollectorRegistry, Metric, generate_latest
from prometheus_client import parser as plain_parser
from prometheus_client.openmetrics import exposition
from prometheus_client.openmetrics import parser as openmetrics_parser

from linx_async import (
    Conflict,
    Failure,
    Hint,
    OpError,
    Report,
    SourceError,
    Trigger,
    Waiting,
)
from linx_async.metrics import BOUNDS, Counts
from linx_async.metrics.instruments import HISTOGRAMS, LABELS, NUMBERS, Kind
from linx_async.metrics.otel import MeteredCounts
from linx_async.metrics.prometheus import Collector
from linx_async.testing import Put, Remove

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "reference" / "metrics.md"
INSTRUMENTS = (*NUMBERS, *HISTOGRAMS)
SERIES = 76
"""Of a loop in Prometheus."""
END = ("le", "+Inf")
RESERVED = re.compile(r"_(total|sum|count|bucket|created|info|gsum|gcount|milliseconds|ratio)$")


# They are not typed.
plain: Callable[[str], Iterable[Metric]] = plain_parser.text_string_to_metric_families
openmetrics: Callable[[str], Iterable[Metric]] = openmetrics_parser.text_string_to_metric_families
generate_openmetrics: Callable[[CollectorRegistry], bytes] = exposition.generate_latest


def registry_of(counts: Counts) -> CollectorRegistry:
    registry = CollectorRegistry()
    registry.register(Collector(counts))
    return registry


def samples(registry: CollectorRegistry) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    found = [sample for metric in registry.collect() for sample in metric.samples]
    told = {(each.name, frozenset(each.labels.items())): each.value for each in found}
    assert len(told) == len(found)
    return told


def busy(counts: Counts, name: str = "one") -> None:
    """A loop with a bit of everything; in a running event loop."""
    counts.began(name, Trigger.START)
    counts.passed(name, SourceError("no answer"))
    counts.crashed(name, ZeroDivisionError())
    counts.began(name, Trigger.START)
    counts.passed(name, Report(converged=True, trigger=Trigger.START, duration=0.002))
    counts.hinted(name, Hint("something"))
    counts.hinted(name, Hint("much", lost=True))
    counts.began(name, Trigger.HINT)
    counts.passed(
        name,
        Report(
            converged=False,
            applied=(Put("a", "1", was="2"), Put("b", "1")),
            failed=(
                Failure(Remove("c"), OpError("c", 1)),
                Failure(None, OpError("d", 1)),
            ),
            pending=(Put("e", "1"),),
            waiting=(Waiting("f", "later"),),
            conflicts=(Conflict("g", "theirs"), Conflict("h", "theirs")),
            flapping=("i", "j", "k"),
            trigger=Trigger.HINT,
            duration=7,
        ),
    )


# The list


def test_the_names_are_as_prometheus_wants_them() -> None:
    for each in INSTRUMENTS:
        name = each.prometheus
        assert re.fullmatch(r"linx_[a-z_]*[a-z]", name)
        assert name.endswith("_total") == (each.kind is Kind.COUNTER)
        assert name.removesuffix("_total").endswith("_seconds") == (each.unit == "s")
        assert not RESERVED.search(name.removesuffix("_total"))


def test_the_names_are_as_opentelemetry_wants_them() -> None:
    names = [each.name for each in INSTRUMENTS]
    for each in INSTRUMENTS:
        assert re.fullmatch(r"linx(\.[a-z]+(_[a-z]+)*)+", each.name)
        assert re.fullmatch(r"s|\{[a-z]+\}", each.unit)
        # A name is not also the namespace of another.
        assert not any(other.startswith(f"{each.name}.") for other in names)


def test_no_two_are_of_one_name_and_a_registry_takes_them_once() -> None:
    counts = Counts()
    registry = registry_of(counts)
    with pytest.raises(ValueError, match="Duplicated timeseries"):
        registry.register(Collector(counts))


def test_the_docs_have_the_very_list() -> None:
    cells = [
        tuple(cell.strip() for cell in line.strip("|").split("|"))
        for line in PAGE.read_text(encoding="utf-8").splitlines()
        if line.startswith("| `")
    ]
    assert [row for row in cells if row[0].startswith("`linx_") and len(row) == 6] == [
        (
            f"`{each.prometheus}`",
            f"`{each.name}`",
            each.kind.value,
            each.unit,
            ", ".join(f"`{label}`" for label in each.labels),
            each.meaning,
        )
        for each in INSTRUMENTS
    ]
    told = {row[0].strip("`"): row[1] for row in cells if len(row) == 2}
    for label, values in LABELS.items():
        assert told[label] == ", ".join(f"`{value}`" for value in values)


def test_the_docs_have_the_number_of_series() -> None:
    assert f"A loop has at most {SERIES} time series in Prometheus" in PAGE.read_text()


def test_the_docs_have_the_buckets() -> None:
    (text,) = re.findall(
        r"end at ([^.]*(?:\.\d[^.]*)*) milliseconds and at (.*) seconds\.", PAGE.read_text()
    )
    numbers = [[float(each) for each in re.findall(r"[\d.]+", part)] for part in text]
    assert (*(each / 1000 for each in numbers[0]), *numbers[1]) == BOUNDS


# Prometheus


@pytest.mark.anyio
async def test_a_scrape_says_what_a_loop_has_done() -> None:
    counts = Counts()
    busy(counts)
    registry = registry_of(counts)
    told = {
        (
            name.removeprefix("linx_"),
            *sorted(value for label, value in labels if label != "loop"),
        ): value
        for (name, labels), value in samples(registry).items()
        if value and "bucket" not in name
    }
    at = told.pop(("last_converged_timestamp_seconds",))
    assert at == counts.of("one").last_converged
    assert told.pop(("heal_latency_seconds_sum",)) == counts.of("one").latencies.seconds
    assert told == {
        ("passes_total", "error", "start"): 1,
        ("passes_total", "converged", "start"): 1,
        ("passes_total", "hint", "not_converged"): 1,
        ("ops_total", "applied", "update"): 1,
        ("ops_total", "applied", "create"): 1,
        ("ops_total", "delete", "failed"): 1,
        ("ops_total", "failed", "none"): 1,
        ("ops_total", "create", "pending"): 1,
        ("drift_healed_total",): 2,
        ("hints_total",): 2,
        ("hints_lost_total",): 1,
        ("crashes_total",): 1,
        ("waiting",): 1,
        ("conflicts",): 2,
        ("failed",): 2,
        ("flapping",): 3,
        ("pass_duration_seconds_count",): 2,
        ("pass_duration_seconds_sum",): pytest.approx(7.002),
        ("heal_latency_seconds_count",): 1,
    }
    buckets = [
        registry.get_sample_value("linx_pass_duration_seconds_bucket", {"loop": "one", "le": end})
        for end in ("0.001", "0.0025", "5.0", "30.0", "+Inf")
    ]
    assert buckets == [0, 1, 1, 2, 2]


@pytest.mark.anyio
async def test_both_of_its_formats_say_the_same() -> None:
    counts = Counts()
    busy(counts)
    registry = registry_of(counts)

    def flat(metrics: Iterable[Metric]) -> set[Any]:
        return {
            (sample.name, *sorted(sample.labels.items()), sample.value)
            for metric in metrics
            for sample in metric.samples
        }

    first = flat(plain(generate_latest(registry).decode()))
    assert first == flat(openmetrics(generate_openmetrics(registry).decode()))
    assert len(first) == SERIES


def test_a_loop_that_was_not_heard_of_has_no_series_and_one_that_was_has_them_all() -> None:
    counts = Counts()
    assert samples(registry_of(counts)) == {}
    counts.crashed("one", ZeroDivisionError())
    told = samples(registry_of(counts))
    assert len(told) == SERIES - 1  # it has not converged yet
    assert sum(told.values()) == 1


@pytest.mark.anyio
async def test_a_loop_that_has_crashed_is_not_converged_until_a_pass_says_so() -> None:
    counts = Counts()
    registry = registry_of(counts)
    told = []
    counts.passed("one", Report(converged=True))
    told.append(registry.get_sample_value("linx_converged", {"loop": "one"}))
    counts.crashed("one", ZeroDivisionError())
    told.append(registry.get_sample_value("linx_converged", {"loop": "one"}))
    counts.passed("one", Report(converged=True))
    told.append(registry.get_sample_value("linx_converged", {"loop": "one"}))
    assert told == [1, 0, 1]


def test_a_loop_that_is_forgotten_is_gone_from_the_next_scrape() -> None:
    counts = Counts()
    counts.crashed("one", ZeroDivisionError())
    registry = registry_of(counts)
    counts.forget("one")
    assert samples(registry) == {}


loop_names = st.text(st.characters() | st.characters(categories=["Cs"]))


@given(st.sets(loop_names, min_size=1, max_size=3))
def test_a_loop_may_have_any_name(names: set[str]) -> None:
    counts = Counts()
    for name in names:
        counts.crashed(name, ZeroDivisionError())
    registry = registry_of(counts)
    families = openmetrics(generate_openmetrics(registry).decode())
    (crashes,) = [each for each in families if each.name == "linx_crashes"]
    there = {sample.labels["loop"] for sample in crashes.samples}
    readable = {name for name in names if name.isascii()}
    assert readable <= there
    generate_latest(registry).decode()


@pytest.mark.anyio
async def test_labels_are_bounded_whatever_loops_and_keys_there_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("linx_async.metrics.counts.MOST_LOOPS", 30)
    counts = MeteredCounts(MeterProvider([reader := InMemoryMetricReader()]).get_meter("linx"))
    for number in range(40):
        busy(counts, f"loop {number}")
    told = samples(registry_of(counts))
    assert len(told) == 31 * SERIES
    seen: dict[str, set[str]] = {}
    for _, labels in [*told, *points(reader)]:
        for label, value in labels:
            seen.setdefault(label, set()).add(value)
    loops, ends = seen.pop("loop"), seen.pop("le")
    assert (len(loops), len(ends)) == (31, len(BOUNDS) + 1)
    assert "(others)" in loops
    assert seen == {label: set(values) for label, values in LABELS.items()}


@contextmanager
def quick_switches() -> Iterator[None]:
    """Other threads get their turn as often as can be."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        yield
    finally:
        sys.setswitchinterval(before)


def while_another_thread(does: Callable[[], None], work: Callable[[int], None]) -> None:
    """Work on and on, with a number that grows, until another thread has done something."""
    with quick_switches(), ThreadPoolExecutor(1) as pool:
        done = pool.submit(does)
        numbers = itertools.count()
        while not done.done():
            work(next(numbers))
        done.result()


def test_loops_are_listed_in_another_thread_while_others_come_and_go() -> None:
    counts = Counts()
    for number in range(500):
        counts.crashed(f"there {number}", ZeroDivisionError())

    def listed() -> None:
        for _ in range(2000):
            assert 500 <= len(counts.listed()) <= 510

    def come_and_go(number: int) -> None:
        counts.crashed(f"passing {number}", ZeroDivisionError())
        counts.forget(f"passing {number - 5}")

    while_another_thread(listed, come_and_go)


@pytest.mark.anyio
async def test_a_scrape_in_another_thread_is_whole_while_loops_work() -> None:
    provider = MeterProvider([reader := InMemoryMetricReader()])
    counts = MeteredCounts(provider.get_meter("linx"))
    registry = registry_of(counts)

    def scrape() -> None:
        for _ in range(15):
            told = samples(registry)
            for (name, labels), value in told.items():
                if END in labels:
                    assert told[name.replace("_bucket", "_count"), labels - {END}] == value
            points(reader)

    def work(number: int) -> None:
        busy(counts, f"loop {number % 13}")
        counts.forget(f"loop {number % 7}")

    while_another_thread(scrape, work)


# OpenTelemetry


def points(reader: InMemoryMetricReader) -> dict[tuple[str, frozenset[Any]], Any]:
    """The last of each."""
    data = reader.get_metrics_data()
    found = [
        ((metric.name, frozenset((point.attributes or {}).items())), point)
        for resource in (data.resource_metrics if data else ())
        for scope in resource.scope_metrics
        for metric in scope.metrics
        for point in metric.data.data_points
    ]
    assert len(dict(found)) == len(found)
    return dict(found)


@pytest.mark.anyio
async def test_opentelemetry_gets_the_same_numbers() -> None:
    provider = MeterProvider([reader := InMemoryMetricReader()])
    counts = MeteredCounts(provider.get_meter("linx"))
    busy(counts)
    busy(counts, "two")
    counts.crashed("idle", ZeroDivisionError())
    told, there = samples(registry_of(counts)), points(reader)
    for number in NUMBERS:
        ours = {
            labels: value for (name, labels), value in told.items() if name == number.prometheus
        }
        theirs = {
            labels: each.value for (name, labels), each in there.items() if name == number.name
        }
        assert ours == theirs
    for histogram in HISTOGRAMS:
        for loop in ("one", "two"):
            point = there[histogram.name, frozenset({("loop", loop)})]
            spread = histogram.read(counts.of(loop))
            assert (*point.explicit_bounds,) == BOUNDS
            assert (*point.bucket_counts,) == (*spread.buckets,)
            assert point.sum == pytest.approx(spread.seconds)
    provider.shutdown()


def test_its_instruments_have_the_kinds_the_units_and_the_meanings_of_the_list() -> None:
    made: dict[str, tuple[Any, ...]] = {}

    class Meter:
        def __getattr__(self, kind: str) -> Callable[..., None]:
            def make(name: str, *rest: Any, **options: Any) -> None:
                made[name] = (kind, *rest[-2:])

            return make

    MeteredCounts(Meter())  # type: ignore[arg-type]
    kinds = {
        Kind.COUNTER: "create_observable_counter",
        Kind.GAUGE: "create_observable_gauge",
        Kind.HISTOGRAM: "create_histogram",
    }
    assert made == {each.name: (kinds[each.kind], each.unit, each.meaning) for each in INSTRUMENTS}


@pytest.mark.anyio
async def test_a_histogram_remembers_a_bounded_number_of_loops_that_come_and_go() -> None:
    provider = MeterProvider([reader := InMemoryMetricReader()])
    counts = MeteredCounts(provider.get_meter("linx"))
    for number in range(1010):
        busy(counts, f"loop {number}")
        counts.forget(f"loop {number}")
    there = points(reader)
    assert {name for name, _ in there} == {each.name for each in HISTOGRAMS}
    assert len(there) == len(HISTOGRAMS) * 1001
    assert there["linx.pass.duration", frozenset({("loop", "(others)")})].count == 20
    provider.shutdown()


# What is not there


@pytest.mark.parametrize(
    ("package", "module", "message"),
    [
        (
            "prometheus_client",
            "prometheus",
            "prometheus-client is not installed: pip install 'linx-async[prometheus]'",
        ),
        (
            "opentelemetry",
            "otel",
            "opentelemetry-api is not installed: pip install 'linx-async[otel]'",
        ),
    ],
)
def test_an_extra_that_is_not_installed_is_named(package: str, module: str, message: str) -> None:
    code = f"import sys; sys.modules[{package!r}] = None; import linx_async.metrics.{module}"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.stderr.splitlines()[-1] == f"ImportError: {message}"
