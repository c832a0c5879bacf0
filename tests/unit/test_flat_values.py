"""When two texts are one value, whoever wrote them."""

from __future__ import annotations

import pytest

from linx_async._flat.values import (
    close_enough,
    number,
    numbers,
    same_numbers,
    same_ranges,
    stripped,
)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0", 0),
        ("-1", -1),
        ("+7", 7),
        ("0x10", 16),
        ("0XfF", 255),
        ("-0x1", -1),
        ("010", 8),
        ("00", 0),
        ("18446744073709551615", 2**64 - 1),
    ],
)
def test_a_number_is_read_as_the_kernel_reads_it(text: str, value: int) -> None:
    assert number(text) == value


@pytest.mark.parametrize(
    "text", ["", "-", "+-1", "0x", "08", "1.0", "1_0", " 1", "1\n", "\u0663", "ff", "9" * 65]
)
def test_what_is_no_number_is_none(text: str) -> None:
    assert number(text) is None


def test_numbers_are_between_white_space() -> None:
    assert numbers("1\t0x2  3\n") == [1, 2, 3]
    assert numbers("1 x") is None
    assert numbers("  ") is None


def test_the_same_numbers_are_as_many() -> None:
    assert same_numbers("1 2", "1\t2")
    assert not same_numbers("1 2", "1 2 3")
    assert not same_numbers("", "")


@pytest.mark.parametrize(
    ("one", "other"), [("0,1", "0-1"), ("3,1-2", "1-3"), ("1-5,2-3", "1-5"), ("7", "7-7")]
)
def test_ranges_of_the_same_integers(one: str, other: str) -> None:
    assert same_ranges(one, other)
    assert same_ranges(other, one)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("0,2", "0-2"),
        ("1-2", "1-2,x"),
        ("010", "10"),
        ("1,", "1"),
        ("1-2", "9" * 5000),
        ("", "0-1"),
    ],
)
def test_what_is_not_the_same_ranges(one: str, other: str) -> None:
    assert not same_ranges(one, other)
    assert not same_ranges(other, one)


def test_a_large_number_may_be_rounded_by_a_hundredth() -> None:
    assert close_enough("1000001", "999424")
    assert not close_enough("1000001", "900000")
    assert not close_enough("7", "6")
    assert not close_enough("1000001", "max")
    assert close_enough("-2000", "-1999")


def test_only_the_last_newline_is_no_part_of_a_value() -> None:
    assert stripped(b"a b\n\n") == "a b\n"
    assert stripped(b"") == ""
    assert stripped(b"\xff\n") == "\udcff"
