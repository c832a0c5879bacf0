"""The table of what an apply has left to do."""

from __future__ import annotations

import errno
import re
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from linx_async import Conflict, Failure, OpError, Report, Waiting
from linx_async.cli.results import PartResult
from linx_async.cli.table import Row, rows_of, table_lines
from linx_async.config import Part
from linx_async.sysctl import SetSysctl

OP = SetSysctl("net.a", "1", "0", "0")
SYSCTL = Part("sysctl")


def lines(*rows: Row, width: int | None = None) -> list[str]:
    return [re.sub(r"\x1b\[\d*m", "", line) for line in table_lines(rows, width)]


def rows(report: Report[Any]) -> list[Row]:
    return list(rows_of(PartResult.of_report(SYSCTL, report)))


def test_each_thing_is_told_with_its_reason_and_what_failed_first() -> None:
    refused: Failure[Any] = Failure(OP, OpError("net.a", errno.EINVAL, "not that"))
    report: Report[Any] = Report(
        False,
        failed=(refused,),
        pending=(SetSysctl("net.b", "1", "0", "0"),),
        waiting=(Waiting("net.c", "not there"),),
        conflicts=(Conflict("net.d", "somebody else's"),),
    )
    assert lines(*rows(report)) == [
        "part    key    what       why",
        "sysctl  net.a  failed     EINVAL (Invalid argument): not that",
        "sysctl  net.b  not tried  it depends on what failed: set net.b = 1 (is 0)",
        "sysctl  net.d  conflict   somebody else's",
        "sysctl  net.c  waiting    not there",
    ]


def test_thousands_that_were_not_tried_do_not_bury_what_failed() -> None:
    pending = tuple(SetSysctl(f"net.k{n}", "1", "0", "0") for n in range(5000))
    found = rows(Report(False, failed=(Failure(OP, OpError("net.a", 1)),), pending=pending))
    assert [row.key for row in found] == [
        *("net.a", "net.k0", "net.k1", "net.k2", "and 4,997 more")
    ]


def test_where_nothing_is_left_there_is_no_table() -> None:
    assert lines() == []
    assert rows(Report(True, (OP,))) == []


def test_what_is_long_is_wrapped_to_the_width_of_a_terminal() -> None:
    key = "net.ipv4.conf.a-long-name0.arp_ignore"
    why = "the interface a-long-name0 is not there, or has no such key"
    assert lines(Row("sysctl", key, "waiting", why), width=80) == [
        "part    key                                    what     why",
        "sysctl  net.ipv4.conf.a-long-name0.arp_ignore  waiting  the interface a-long-",
        "                                                        name0 is not there, or",
        "                                                        has no such key",
    ]


def test_where_there_is_no_terminal_each_thing_is_one_line() -> None:
    row = Row("sysctl", "k" * 100, "failed", "because\n  " + "x" * 200)
    assert len(lines(row)) == 2
    assert lines(row)[1] == f"sysctl  {'k' * 100}  failed  because {'x' * 200}"


texts = st.text(max_size=80)


found_rows = st.lists(st.builds(Row, texts, texts, st.just("failed"), texts), max_size=5)


@given(found_rows, st.integers(0, 300))
def test_no_line_is_wider_than_the_terminal_and_nothing_is_left_out(
    found: list[Row], width: int
) -> None:
    told = lines(*found, width=width)
    assert all(len(line) <= max(width, 60) for line in told)
    wanted = sorted("".join("".join(row.cells).split()) for row in found)
    assert sum(map(len, ("".join(line.split()) for line in told[1:]))) == sum(map(len, wanted))
