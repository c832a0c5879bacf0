"""What a source knows of a table without a look is what a look finds."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from typing import Any

import anyio
import pytest
from attrs import evolve

from linx_async import Ownership, netfilter
from linx_async._kernel.exchange import RawDump
from linx_async._kernel.nfnetlink import NfnetlinkSocket
from linx_async.netfilter import Elements, ObservedTable, Set, Table
from linx_async.netfilter.codec import sets as set_codec
from linx_async.netfilter.codec.sets import SetHead
from linx_async.netfilter.desired.elements import END, NOTHING, PLAIN, Rest
from linx_async.netfilter.desired.sets import with_elements
from tests.kernel.nft_families import needs_inet
from tests.kernel.nft_place import Entered, Place, needs_nft, place
from tests.kernel.nft_tables import handles

__all__ = ["place"]

pytestmark = [pytest.mark.anyio, needs_nft, needs_inet]

GETRULE, GETSETELEM = 7, 13
TABLE = """
table inet fw {
    set few { type ipv4_addr; elements = { 10.0.0.1, 10.0.0.2 } }
    set nets { type ipv4_addr; flags interval; elements = { 10.1.0.0/16, 10.3.0.0/16 } }
    map ways { type ipv4_addr : verdict; elements = { 10.0.0.1 : drop, 10.0.0.2 : accept } }
    set brief { type ipv4_addr; flags timeout; elements = { 10.0.0.9 } }
    set seen { type ipv4_addr; size 100; flags dynamic; }
    chain input {
        type filter hook input priority 0; policy accept;
        tcp dport { 22, 80 } accept
        ip saddr @few drop
        ip saddr vmap @ways
        udp dport 9 add @seen { ip saddr }
        counter
    }
}
"""


class Dumps:
    """The kinds of dumps that are asked for."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.kinds: list[int] = []
        whole = NfnetlinkSocket.dump

        async def dump(sock: NfnetlinkSocket, kind: int, *args: Any, key: str) -> RawDump:
            self.kinds.append(kind)
            return await whole(sock, kind, *args, key=key)

        monkeypatch.setattr(NfnetlinkSocket, "dump", dump)

    def taken(self) -> list[int]:
        found, self.kinds = self.kinds, []
        return found


@pytest.fixture
def dumps(monkeypatch: pytest.MonkeyPatch) -> Dumps:
    return Dumps(monkeypatch)


@pytest.fixture
async def source(place: Place) -> AsyncIterator[Entered]:
    async with place.entered() as entered:
        yield entered


@pytest.fixture
def fw() -> Table:
    return parsed()


@cache
def parsed() -> Table:
    return netfilter.parse(TABLE)


def with_set(whole: Table, name: str, elements: Elements) -> Table:
    sets = [with_elements(each, elements) if each.name == name else each for each in whole.sets]
    return evolve(whole, sets=sets)


def set_of(whole: Table, name: str) -> Set:
    return next(each for each in whole.sets if each.name == name)


def address(number: int) -> bytes:
    return PLAIN + bytes((10, 0, number >> 8, number & 255))


async def known(source: Entered, whole: Table) -> ObservedTable:
    """What the source knows of it."""
    observed = await source.source.observe(whole, source.ledger.ownership)
    return observed.tables[whole.key]


async def test_one_more_element_is_added_without_a_dump(
    place: Place, source: Entered, fw: Table, dumps: Dumps
) -> None:
    whole = evolve(fw, sets=fw.sets[:3], chains=())
    await source.converges(whole)
    before = set_of(whole, "few").elements
    more = with_set(whole, "few", Elements.derived(before, {address(7): NOTHING}, {}))
    dumps.taken()
    report = await source.reconcile(more)
    assert [str(op) for op in report.applied] == ["add 1 element to set few"]
    again = await source.reconcile(more)
    assert (again.converged, again.applied) == (True, ())
    assert dumps.taken() == []
    assert "10.0.0.7" in await place.shown("set", "inet", "fw", "few")


async def test_elements_that_were_pushed_are_not_dumped_after_it(
    place: Place, source: Entered, fw: Table, dumps: Dumps
) -> None:
    whole = evolve(fw, sets=fw.sets[:3], chains=())
    report = await source.reconcile(whole)
    assert report.converged
    dumps.taken()
    assert (await source.reconcile(whole)).applied == ()
    assert GETRULE in (taken := dumps.taken())
    assert GETSETELEM not in taken
    assert await known(source, whole) == await place.pull(whole)


async def test_another_rule_leaves_the_elements_known(
    place: Place, source: Entered, fw: Table, dumps: Dumps
) -> None:
    whole = fw
    await source.converges(whole)
    (chain,) = whole.chains
    other = evolve(whole, chains=[evolve(chain, rules=chain.rules[::-1])])
    dumps.taken()
    await source.converges(other)
    assert dumps.taken().count(GETSETELEM) < len(whole.sets)
    assert await known(source, other) == await place.pull(other)


async def test_the_elements_of_a_rules_own_sets_are_not_dumped_again(
    place: Place, source: Entered, fw: Table, dumps: Dumps
) -> None:
    (chain,) = fw.chains
    whole = evolve(fw, sets=(), chains=[evolve(chain, rules=chain.rules[:1])])
    await source.converges(whole)
    await place.load("table inet other { }")
    dumps.taken()
    assert (await source.reconcile(whole)).applied == ()
    assert GETRULE in (taken := dumps.taken())
    assert GETSETELEM not in taken


async def test_a_rules_own_set_that_somebody_replaces_is_seen(
    place: Place, source: Entered, fw: Table
) -> None:
    whole = fw
    await source.converges(whole)
    handle = handles(await place.pull(whole), "input")[0]
    await place.load(f"replace rule inet fw input handle {handle} tcp dport {{ 22, 443 }} accept")
    assert await known(source, whole) == await place.pull(whole)
    report = await source.converges(whole)
    assert [op.key for op in report.applied] == ["rule input[0]"]


class Torn:
    """The first dump of the elements of a set lacks some, as where it gets more room meanwhile."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.keys: list[str] = []
        whole = NfnetlinkSocket.dump

        async def dump(sock: NfnetlinkSocket, kind: int, *args: Any, key: str) -> RawDump:
            found = await whole(sock, kind, *args, key=key)
            if key.endswith("elements of few"):
                if not self.keys:
                    found.datagrams.clear()
                self.keys.append(key)
            return found

        monkeypatch.setattr(NfnetlinkSocket, "dump", dump)


@pytest.fixture
def torn(monkeypatch: pytest.MonkeyPatch) -> Torn:
    return Torn(monkeypatch)


@pytest.fixture
def no_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """A kernel that does not tell how many elements a set has (before Linux 6.16)."""
    whole = set_codec.decode

    def decode(payload: bytes) -> tuple[str, SetHead]:
        table, head = whole(payload)
        return table, evolve(head, count=None)

    monkeypatch.setattr(set_codec, "decode", decode)


async def test_a_dump_that_lacks_elements_is_asked_for_again(
    place: Place, fw: Table, torn: Torn
) -> None:
    await place.load(TABLE)
    told = await place.pull(fw)
    if told.sets["few"].head.count is None:
        pytest.skip("this kernel does not tell how many elements a set has (Linux 6.16)")
    assert len(torn.keys) == 2
    assert len(told.sets["few"].set.elements) == 2


async def test_a_dump_that_lacks_what_is_desired_is_compared_with_another(
    place: Place, source: Entered, fw: Table, torn: Torn, no_count: None
) -> None:
    await place.load(TABLE)
    assert len((await known(source, fw)).sets["few"].set.elements) == 2
    assert len(torn.keys) == 3


async def test_what_is_known_without_a_dump_is_compared_with_none(
    place: Place, source: Entered, fw: Table, no_count: None
) -> None:
    await source.converges(fw)
    (chain,) = fw.chains
    fewer = evolve(fw, chains=[evolve(chain, rules=chain.rules[1:])])
    assert (await source.reconcile(fewer)).converged
    before = set_of(fw, "few").elements
    more = with_set(fewer, "few", Elements.derived(before, {address(7): NOTHING}, {}))
    report = await source.converges(more)
    assert [str(op) for op in report.applied] == ["add 1 element to set few"]


async def test_a_table_that_was_made_anew_has_nothing_of_the_old_one(
    place: Place, source: Entered, fw: Table
) -> None:
    """Its handles and the names of its rules' own sets are the same as before."""
    whole = fw
    await source.converges(whole)
    await place.load(
        "delete table inet fw\n"
        + TABLE.replace("{ 22, 80 }", "{ 22, 443 }").replace("10.3", "10.4")
    )
    found = await known(source, whole)
    assert found == await place.pull(whole)
    assert found.table != whole


async def test_an_element_whose_time_is_over_is_missed_though_nothing_is_announced(
    place: Place, source: Entered, fw: Table
) -> None:
    whole = evolve(fw, sets=[set_of(fw, "brief")], chains=())
    going = with_set(whole, "brief", Elements({address(9): Rest(timeout_ms=40)}))
    await source.reconcile(going)
    with anyio.fail_after(10):
        while len((await known(source, going)).sets["brief"].set.elements):
            await anyio.lowlevel.checkpoint()
    report = await source.reconcile(going)
    assert [str(op) for op in report.applied] == ["add 1 element to set brief"]


@asynccontextmanager
async def somebody_elses(place: Place, whole: Table) -> AsyncIterator[None]:
    """A table that is owned by another's socket."""
    async with netfilter.Source(place.scope, lifetime="socket") as other:
        plan = other.diff(whole, await other.observe(whole, Ownership()), Ownership())
        await other.apply(plan.batches[0])
        yield


async def test_a_foreign_table_is_gone_with_its_owner_though_nothing_is_announced(
    place: Place, source: Entered, fw: Table
) -> None:
    whole = evolve(fw, sets=(), chains=())
    async with somebody_elses(place, whole):
        assert (await source.reconcile(whole)).conflicts
        assert (await source.reconcile(whole)).conflicts
    await source.converges(whole)


async def test_whatever_we_do_what_is_known_is_what_a_look_finds(
    place: Place, source: Entered, fw: Table
) -> None:
    rng = random.Random(76)
    whole = fw
    (chain,) = whole.chains
    for _ in range(60):
        for each in rng.sample(whole.sets, 2):
            whole = with_set(whole, each.name, changed(each, rng))
        if rng.random() < 0.3:
            rules = rng.sample(chain.rules, rng.randint(1, len(chain.rules)))
            whole = evolve(whole, chains=[evolve(chain, rules=rules)])
        report = await source.reconcile(whole)
        assert report.converged
        assert await known(source, whole) == await place.pull(whole)
        if rng.random() < 0.2:
            await place.load("table inet other { }\ndelete table inet other")


def changed(each: Set, rng: random.Random) -> Elements:
    """The elements of a set, with some more and some less; derived from them, or made anew."""
    if each.name == "nets":
        first = bytes((10, rng.randrange(200), 0, 0))
        last = bytes((10, first[1] + 1, 0, 0))
        ranges = {PLAIN + first: NOTHING, END + last: NOTHING}
        return Elements({END + bytes(4): NOTHING, **ranges})
    if each.name in {"brief", "seen"}:
        return each.elements
    rest = next(iter(each.elements.values()), NOTHING)
    added = {address(rng.randrange(500)): rest for _ in range(rng.randrange(4))}
    gone = rng.sample(list(each.elements), min(len(each.elements) - 1, rng.randrange(3)))
    made = Elements.derived(each.elements, added, dict.fromkeys(gone))
    return made if rng.random() < 0.7 else Elements(dict(made))
