"""Statistics files, by their formats (Documentation/admin-guide/cgroup-v2.rst)."""

from __future__ import annotations

import pytest

from linx_async.cgroup.statistics import Statistic, is_statistic, parsed

PRESSURE = """\
some avg10=0.00 avg60=1.50 avg300=0.00 total=123
full avg10=0.00 avg60=0.00 avg300=0.00 total=7
"""


@pytest.mark.parametrize(
    "name",
    [
        "memory.current",
        "memory.stat",
        "memory.peak",
        "memory.swap.events",
        "memory.events.local",
        "memory.pressure",
        "cpu.stat",
        "cpu.stat.local",
        "cgroup.events",
        "cgroup.stat",
        "io.stat",
        "pids.current",
    ],
)
def test_a_file_that_tells_what_happens_is_a_statistic(name: str) -> None:
    assert is_statistic(name)


@pytest.mark.parametrize(
    "name",
    ["memory.max", "cgroup.procs", "cgroup.type", "cgroup.freeze", "pids.max", "cgroup.pressure"],
)
def test_a_setting_is_none(name: str) -> None:
    assert not is_statistic(name)


@pytest.mark.parametrize(
    ("text", "statistic"),
    [
        ("4096", 4096),
        ("max", "max"),
        ("populated 1\nfrozen 0", {"populated": 1, "frozen": 0}),
        ("usage_usec 5\n", {"usage_usec": 5}),
        (
            PRESSURE,
            {
                "some": {"avg10": 0.0, "avg60": 1.5, "avg300": 0.0, "total": 123},
                "full": {"avg10": 0.0, "avg60": 0.0, "avg300": 0.0, "total": 7},
            },
        ),
        (
            "8:0 rbytes=90 wbytes=1\n253:0 rbytes=2 wbytes=3",
            {"8:0": {"rbytes": 90, "wbytes": 1}, "253:0": {"rbytes": 2, "wbytes": 3}},
        ),
        ("8:0 rbytes=90", {"8:0": {"rbytes": 90}}),
        ("8:16 \n8:0 rbytes=90", {"8:16": {}, "8:0": {"rbytes": 90}}),
        ("", {}),
    ],
)
def test_a_statistic_is_parsed_by_its_format(text: str, statistic: Statistic) -> None:
    assert parsed(text) == statistic
