"""What the record of a link says, and what it makes of text that is none."""

from __future__ import annotations

import pytest

from linx_async.rtnl.records import LinkRecord


def test_a_record_is_its_index_where_nothing_was_rounded() -> None:
    record = LinkRecord(7)
    assert str(record) == "7"
    assert LinkRecord.of("7") == record


def test_what_was_rounded_survives_a_trip_through_text() -> None:
    record = LinkRecord(7, {"ageing_time": (30000, 29999), "mode": ("a b", None), "on": (True, 1)})
    assert LinkRecord.of(str(record)) == record
    assert str(record).startswith('7 {"ageing_time": [30000, 29999]')


def test_only_what_came_out_otherwise_is_noted() -> None:
    declared = {"forward_delay": 200, "ageing_time": 30000, "odd": 1}
    record = LinkRecord.made(7, declared, {"forward_delay": 200, "ageing_time": 29999, "more": 5})
    assert record == LinkRecord(7, {"ageing_time": (30000, 29999), "odd": (1, None)})


def test_nothing_settled_is_no_record() -> None:
    assert LinkRecord.of(None) is None


@pytest.mark.parametrize(
    "text",
    [
        *("", "x", "7 x", "7 7", "7 []", "7 null", '7 {"a": 1}', '7 {"a": [1]}', '7 {"a": {}}'),
        *("7 {", "seven {}", "7.5", "9" * 5000, "7 " + "[" * 100_000),
    ],
)
def test_damaged_text_is_no_record(text: str) -> None:
    assert LinkRecord.of(text) is None
