"""Somebody else commits all the time: they are never written over, and we get our turn."""

from __future__ import annotations

import math
import os
import re
import signal
import struct
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from linx_async import DumpInterrupted, Loop, netfilter
from linx_async._core.errors import StalePlan
from linx_async.netfilter import Source, Table
from tests.kernel import nft_writer
from tests.kernel.nft_between import BeforeCommits, before_commits
from tests.kernel.nft_families import needs_inet
from tests.kernel.nft_place import Entered, Place, place, said
from tests.kernel.nft_tables import differences, handles
from tests.kernel.sysctls import running

__all__ = ["before_commits", "place"]

pytestmark = [pytest.mark.anyio, needs_inet]

MOST_TRIES = 6
"""Looks of one pass at a rule set that changes before it can act."""

TEXT = """
table inet ours {{
    set ports {{ type inet_service; elements = {{ {port} }}; }}
    chain mine {{ }}
    chain input {{
        type filter hook input priority 5; policy accept;
        counter comment "first"
        tcp dport @ports counter comment "ports"
        {rules}
        counter comment "last"
    }}
}}
"""
THEIRS = "add table inet theirs\nadd chain inet theirs mine"


def version(number: int) -> Table:
    rules = "\n".join(f"tcp dport {number * 8 + more} accept" for more in range(number % 4))
    return netfilter.parse(TEXT.format(port=number, rules=rules))


@pytest.fixture(scope="module")
def versions() -> list[Table]:
    """Tables of which each is another one than that before."""
    return [version(number) for number in range(1, 9)]


@pytest.mark.parametrize("count", [1, MOST_TRIES - 1])
async def test_who_writes_between_our_look_and_our_transaction_is_seen_first(
    place: Place,
    versions: list[Table],
    before_commits: BeforeCommits,
    count: int,
) -> None:
    await place.load(THEIRS)
    async with place.entered() as ours:
        await ours.converges(versions[0])
        kept = handles(await place.pull(versions[0]), "input")

        def write() -> None:
            place.load_now("add rule inet ours input tcp dport 9 drop")
            place.load_now("insert rule inet theirs mine counter")

        left = before_commits([write] * count)
        await ours.converges(versions[1])
        assert left == []
    assert not differences(await place.pulled(versions[1]), versions[1])
    found = await place.pull(Table("inet", "theirs"))
    assert len(found.chains["mine"].rules) == count
    assert handles(await place.pull(versions[1]), "input")[:1] == kept[:1]


async def test_where_that_never_ends_it_is_told_and_nothing_is_done(
    place: Place, versions: list[Table], before_commits: BeforeCommits
) -> None:
    async with place.entered() as ours:
        await ours.converges(versions[0])
        left = before_commits(
            [lambda: place.load_now("add rule inet ours mine counter")] * (MOST_TRIES + 1)
        )
        with pytest.raises(StalePlan, match="table inet ours: somebody else changed the rule set"):
            await ours.reconcile(versions[1])
        assert len(left) == 1
        found = await place.pull(versions[0])
        assert len(found.chains["mine"].rules) == MOST_TRIES
        assert found.table.sets == versions[0].sets
        left.clear()
        await ours.converges(versions[1])


# A program that does nothing else


@contextmanager
def writing(place: Place, table: str, *, pause: int, most: int = 100) -> Iterator[None]:
    """Somebody who goes on writing to the chain `mine` of a table, and has begun."""
    words = [table, "mine", str(pause), str(most)]
    pid = place.box.start([sys.executable, str(Path(nft_writer.__file__)), *words])
    try:
        while not numbers(place, table):
            pass
        yield
        os.kill(pid, 0)
    finally:
        os.kill(pid, signal.SIGKILL)
        place.box.call("os.waitpid", pid, 0)


def numbers(place: Place, table: str) -> list[int]:
    """Which of their rules are there."""
    payloads = place.raw("inet", table).get("rules", ())
    return [struct.unpack("=I", each[-4:])[0] for each in payloads if b"mine" in each]


async def until_it_converges(ours: Entered, table: Table) -> None:
    """As a loop does: a pass that finds no gap is made once more."""
    for _ in range(100):
        try:
            report = await ours.reconcile(table)
        except (DumpInterrupted, StalePlan):
            continue
        assert report.converged, said(report)
        return
    raise AssertionError("they starve us")


A_PAUSE = 50_000


@pytest.mark.parametrize(
    ("lifetime", "pause"), [("shared", A_PAUSE), ("persist", A_PAUSE), ("persist", 0)]
)
async def test_a_table_of_theirs_stays_as_they_write_it_and_ours_gets_its_turn(
    place: Place, versions: list[Table], lifetime: str, pause: int
) -> None:
    await place.load(THEIRS)
    async with place.entered(lifetime=lifetime) as ours:
        await ours.converges(versions[0])
        with writing(place, "theirs", pause=pause):
            for table in versions:
                await until_it_converges(ours, table)
        assert is_run(numbers(place, "theirs"))
    assert not differences(await place.pulled(versions[-1]), versions[-1])


async def test_where_they_leave_no_gap_a_shared_table_may_have_to_wait_and_that_is_told(
    place: Place, versions: list[Table]
) -> None:
    await place.load(THEIRS)
    told: list[str] = []
    async with place.entered() as ours:
        await ours.converges(versions[0])
        with writing(place, "theirs", pause=0):
            for table in versions:
                try:
                    assert (await ours.reconcile(table)).converged
                except (DumpInterrupted, StalePlan) as error:
                    told.append(str(error))
        assert is_run(numbers(place, "theirs"))
        await ours.converges(versions[0])
    assert all(re.search("others change|somebody else changed", each) for each in told), told


async def test_what_they_write_into_ours_goes_however_much_it_is(
    place: Place, versions: list[Table]
) -> None:
    async with place.entered() as ours:
        await ours.converges(versions[0])
        with writing(place, "ours", pause=A_PAUSE):
            for table in versions:
                await until_it_converges(ours, table)
        await ours.converges(versions[-1])
    assert not differences(await place.pulled(versions[-1]), versions[-1])


async def test_a_loop_gets_every_wish_done_meanwhile(place: Place, versions: list[Table]) -> None:
    await place.load(THEIRS)
    source = Source(place.scope)
    loop = Loop[Table, Any, Any](source, versions[0], interval=math.inf, debounce=0)
    async with running(loop):
        with writing(place, "theirs", pause=1000):
            for table in versions:
                await loop.wait_converged(loop.put_desired(table))
    assert not differences(await place.pulled(versions[-1]), versions[-1])
    assert is_run(numbers(place, "theirs"))


def is_run(found: Sequence[int]) -> bool:
    """Whether no number is missing."""
    return all(later == earlier + 1 for earlier, later in pairwise(found))
