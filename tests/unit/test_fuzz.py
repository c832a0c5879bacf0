"""The fuzz session finds what it is there to find."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from random import Random

import pytest

from linx_async._kernel.netlink import NetlinkDecodeError, pack_attribute
from tests.fuzz import __main__ as fuzz
from tests.fuzz.mutations import LARGEST, mutated
from tests.fuzz.targets import Target


@pytest.fixture(autouse=True)
def alarm() -> Iterator[None]:
    before = signal.signal(signal.SIGPROF, fuzz.too_long)
    yield
    signal.signal(signal.SIGPROF, before)


def reads(_data: bytes) -> None:
    pass


def refuses(data: bytes) -> None:
    raise NetlinkDecodeError("no", len(data))


def crashes(data: bytes) -> None:
    data[5]


def recurses(data: bytes) -> None:
    recurses(data)


def loops(_data: bytes) -> None:
    while True:
        pass


def allocates(data: bytes) -> None:
    bytearray(64 * 2**20 // len(data))


def test_what_reads_or_refuses_its_input_is_fine() -> None:
    assert fuzz.failure(refuses, b"abcd", traced=True) == ""
    assert fuzz.failure(reads, b"abcd", traced=True) == ""


@pytest.mark.parametrize(
    ("target", "told"),
    [
        (crashes, "IndexError"),
        (recurses, "RecursionError"),
        (loops, "Looped"),
        (allocates, "Unbounded"),
    ],
)
def test_what_crashes_or_loops_or_allocates_is_told(
    monkeypatch: pytest.MonkeyPatch, target: Target, told: str
) -> None:
    monkeypatch.setattr(fuzz, "PATIENCE", 0.5)
    assert told in fuzz.failure(target, b"abcd", traced=True)


def test_mutations_are_the_same_for_the_same_seed_and_never_too_big() -> None:
    seeds = [pack_attribute(number, bytes(number)) * number for number in range(1, 40)]
    random = Random(7)
    first = [mutated(random, seeds) for _ in range(500)]
    random = Random(7)
    assert first == [mutated(random, seeds) for _ in range(500)]
    assert max(map(len, first)) <= LARGEST
    assert len(set(first)) > 400
