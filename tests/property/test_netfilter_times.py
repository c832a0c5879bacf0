"""A time that the kernel keeps in jiffies is the same time when it is told."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from linx_async.netfilter.desired import Rest
from linx_async.netfilter.diff.times import same_time, settled

HZ = st.sampled_from([100, 250, 300, 1000])
TIMES = st.integers(min_value=10, max_value=2**40)


def told(milliseconds: int, hz: int) -> int:
    """What the kernel says of a time: jiffies are cut off, on the way in and on the way out."""
    jiffy = 1_000_000_000 // hz
    return milliseconds * 1_000_000 // jiffy * jiffy // 1_000_000


@given(TIMES, HZ)
def test_a_time_is_known_again_by_what_is_told_of_it(time: int, hz: int) -> None:
    assert same_time(time, told(time, hz))


@given(TIMES)
def test_another_time_is_another(time: int) -> None:
    assert not same_time(time, time + 1)
    assert not same_time(time + 10, time)


def test_no_time_is_the_same_as_none_alone() -> None:
    assert same_time(None, None)
    assert not same_time(None, 10)
    assert not same_time(10, None)


def test_an_element_takes_the_time_that_is_told_of_it() -> None:
    desired = {b"a": Rest(timeout_ms=1003), b"b": Rest(timeout_ms=1003, comment="new")}
    observed = {b"a": Rest(timeout_ms=1000), b"b": Rest(timeout_ms=1000)}
    assert settled(desired, observed, None) == {b"a": observed[b"a"], b"b": desired[b"b"]}


def test_an_element_of_which_no_time_is_told_has_that_of_its_set() -> None:
    desired = {b"a": Rest(timeout_ms=1000)}
    assert settled(desired, {b"a": Rest()}, 1000) == {b"a": Rest()}
    assert settled(desired, {b"a": Rest()}, None) == desired
