"""Sysctl values: from Python to text and back, and when two texts are one value."""

from __future__ import annotations

import enum

import pytest

from linx_async import DesiredStateError
from linx_async.sysctl.codec import decoded, same, text_of

KEY = "net.ipv4.conf.eth0.rp_filter"


class Mode(enum.IntEnum):
    LOOSE = 2


class Filter(int, enum.Enum):
    STRICT = 1


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1, "1"),
        (-1, "-1"),
        (True, "1"),
        (False, "0"),
        (Mode.LOOSE, "2"),
        (Filter.STRICT, "1"),
        ("cubic", "cubic"),
        ("", ""),
        ((4096, 131072), "4096 131072"),
        ([1], "1"),
        (range(3), "0 1 2"),
        ("\udcff", "\udcff"),
    ],
)
def test_a_value_is_written_as_text(value: object, text: str) -> None:
    assert text_of(KEY, value) == text  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "value",
    [
        None,
        1.0,
        [],
        (),
        [1, "2"],
        [True],
        [1.0],
        b"1",
        bytearray(b"1"),
        {1},
        {"a": 1},
        "1\n2",
        "1\n",
        "a\0b",
        "\ud800",
        "x" * 4096,
        2**64,
        -(2**64),
        [0, 2**64],
    ],
)
def test_a_wrong_value_is_refused_with_its_key(value: object) -> None:
    with pytest.raises(DesiredStateError, match=KEY):
        text_of(KEY, value)  # type: ignore[arg-type]


def test_an_integer_too_long_to_print_is_refused_with_its_key() -> None:
    for value in (10**5000, [-(10**5000)]):
        with pytest.raises(DesiredStateError, match=KEY):
            text_of(KEY, value)


def test_a_refused_value_is_named() -> None:
    for value in (None, 1.5, [True], b"1", "a\nb"):
        with pytest.raises(DesiredStateError) as refused:
            text_of(KEY, value)  # type: ignore[arg-type]
        assert repr(value) in str(refused.value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("4096 131072", "4096\t131072"),
        (" 7 ", "7"),
        ("0x10", "16"),
        ("010", "8"),
        ("+1", "1"),
        ("0-1,3", "0,1,3"),
        ("3,1-2", "1-3"),
        ("1\t2 3", "1 2\t3"),
    ],
)
def test_two_texts_of_one_value(text: str, value: str) -> None:
    assert same(KEY, text, value)


@pytest.mark.parametrize(
    ("text", "value"),
    [("1", "2"), ("1 2", "1"), ("1 2", "12"), ("1", ""), ("", "0"), ("10", "010"), ("a", "A")],
)
def test_two_values(text: str, value: str) -> None:
    assert not same(KEY, text, value)


def test_keys_and_secrets_are_the_same_with_all_their_zeros() -> None:
    key = "net.ipv4.tcp_fastopen_key"
    assert same(key, "1-0-A-4", "00000001-00000000-0000000a-00000004")
    assert same(key, "1-2-3-4,5-6-7-8", "1-2-3-4,00000005-6-7-8")
    assert not same(key, "1-2-3-4", "1-2-3-40")
    secret = "net.ipv6.conf.eth0.stable_secret"
    assert same(secret, "2001:db8::1", "2001:0db8:0000:0000:0000:0000:0000:0001")
    assert not same(secret, "2001:db8::1", "2001:db8::2")
    assert not same(secret, "x", "y")


def test_of_text_each_character_counts() -> None:
    assert not same("kernel.hostname", "8", "010")
    assert not same("kernel.core_pattern", "core  1", "core 1")
    assert same("kernel.hostname", "010", "010")


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("1", 1),
        ("-1", -1),
        ("4096\t131072\t6291456", (4096, 131072, 6291456)),
        ("cubic", "cubic"),
        ("reno cubic", "reno cubic"),
        ("", ""),
        ("--5", "--5"),
        ("-", "-"),
        ("1-3", "1-3"),
        ("\u0663", "\u0663"),
        ("1_0", "1_0"),
        ("0f", "0f"),
        ("ff", "ff"),
        ("9" * 5000, "9" * 5000),
    ],
)
def test_a_value_is_told_as_what_it_looks_like(value: str, told: object) -> None:
    assert decoded(KEY, value) == told


def test_a_host_name_is_text_whatever_it_looks_like() -> None:
    assert decoded("kernel.hostname", "007") == "007"
