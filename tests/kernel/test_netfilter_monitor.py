"""`netfilter.monitor` on the real kernel: what somebody does with `nft` is told, whole and once."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator

import anyio
import pytest
from attrs import evolve

from linx_async import NetworkNamespace, ScopeGone, netfilter
from linx_async.netfilter import (
    Announcement,
    Elements,
    Lost,
    ObservedRule,
    Snapshot,
    Table,
    Transaction,
)
from tests.kernel.nft_families import needs_inet
from tests.kernel.nft_place import Place, needs_nft, place

__all__ = ["place"]

pytestmark = [pytest.mark.anyio, needs_nft, needs_inet]

Told = AsyncIterator[Transaction | Snapshot | Lost]

PATIENCE = 30
TABLE = """
table inet fw {
    comment "a firewall"
    counter hits { }
    set nets { type ipv4_addr; flags interval; elements = { 10.0.0.0/8, 192.168.0.0/16 } }
    chain input {
        type filter hook input priority 0; policy accept;
        tcp dport { 22, 80 } counter accept comment "services"
        tcp dport vmap { 1 : drop, 2 : accept }
        udp dport 53 jump { counter; accept; }
        ip saddr @nets drop
    }
}
"""


@pytest.fixture
def fw(place: Place) -> Table:
    return netfilter.parse(TABLE)


async def one(told: Told) -> Transaction:
    with anyio.fail_after(PATIENCE):
        found = await anext(told)
    assert isinstance(found, Transaction), found
    return found


async def first(told: Told) -> Snapshot:
    with anyio.fail_after(PATIENCE):
        found = await anext(told)
    assert isinstance(found, Snapshot), found
    return found


def rules(changes: tuple[Announcement, ...], chain: str) -> list[netfilter.Rule]:
    values = (each.value for each in changes if each.kind == "rule" and each.name == chain)
    return [value.rule for value in values if isinstance(value, ObservedRule)]


async def test_what_somebody_does_is_told_in_one_piece_with_who_did_it(place: Place) -> None:
    async with netfilter.monitor(scope=place.scope) as told:
        await place.load("table inet fw { counter hits { }; chain aside { counter accept; }; }")
        await place.load("add set inet fw few { type ipv4_addr; elements = { 10.0.0.1 } }")
        made, more = await one(told), await one(told)
    assert {each.kind for each in made.changes} == {"table", "chain", "object", "rule"}
    (rule,) = (each for each in made.changes if each.kind == "rule")
    assert str(rule) == f"[rule] inet fw aside # handle {rule.handle}"
    assert (made.program, more.program) == ("nft", "nft")
    assert made.pid > 0
    assert more.generation == made.generation + 1
    assert [each.kind for each in more.changes] == ["set", "elements"]
    assert str(more) == f"[generation {more.generation}] nft (pid {more.pid}): 2 changes"


async def test_rules_are_told_as_they_are_pulled(place: Place, fw: Table) -> None:
    """Those too that have sets and chains for themselves."""
    async with netfilter.monitor(scope=place.scope) as told:
        await place.converges(fw)
        found = await one(told)
    assert rules(found.changes, "input") == list(fw.chains[0].rules)
    pulled = await place.pull(fw)
    by_kind = {each.kind: each.value for each in found.changes}
    assert by_kind["table"] == pulled.head
    assert by_kind["object"] == pulled.objects["counter hits"]
    handles = [each.handle for each in found.changes if each.name == "input" and each.value]
    assert handles[-4:] == [each.handle for each in pulled.chains["input"].rules]
    behind = [each.behind for each in found.changes if each.kind == "rule" and each.name == "input"]
    assert behind == [None, *handles[-4:-2], None]


async def test_elements_that_come_in_many_messages_are_told_as_one(place: Place) -> None:
    numbers = ", ".join(f"10.0.{each >> 8}.{each & 255}" for each in range(3000))
    async with netfilter.monitor(scope=place.scope) as told:
        await place.load(
            f"table inet fw {{\nset many {{ type ipv4_addr; elements = {{ {numbers} }} }}\n}}"
        )
        await place.load("delete element inet fw many { 10.0.0.1, 10.0.0.2 }")
        made, gone = await one(told), await one(told)
    *_, elements = made.changes
    assert isinstance(elements.value, Elements)
    assert len(elements.value) == 3000
    assert str(elements) == "[elements] inet fw many: 3,000 elements"
    assert [str(each) for each in gone.changes] == ["[elements] Deleted inet fw many: 2 elements"]


async def test_what_goes_is_told_by_its_handle(place: Place, fw: Table) -> None:
    await place.converges(fw)
    pulled = await place.pull(fw)
    async with netfilter.monitor(scope=place.scope) as told:
        await place.load("delete table inet fw")
        gone = await one(told)
    assert {each.verb for each in gone.changes} == {"del"}
    deleted = [each.handle for each in gone.changes if each.kind == "rule" and each.name == "input"]
    assert deleted == [each.handle for each in pulled.chains["input"].rules]
    assert gone.changes[-1].kind == "table"
    assert gone.changes[-1].handle == pulled.head.handle


async def test_a_snapshot_comes_first_and_then_what_came_after_it(place: Place, fw: Table) -> None:
    await place.converges(fw)
    async with netfilter.monitor(scope=place.scope, snapshot=True) as told:
        snapshot = await first(told)
        await place.load("table ip other { }")
        after = await one(told)
    assert [table.table for table in snapshot.tables] == [fw]
    assert str(snapshot) == f"[generation {snapshot.generation}] table inet fw"
    assert after.generation == snapshot.generation + 1
    assert [str(each).split(" #")[0] for each in after.changes] == ["[table] ip other"]


async def test_a_rule_whose_set_a_snapshot_told_of_is_told_with_it(place: Place, fw: Table) -> None:
    await place.converges(fw)
    async with netfilter.monitor(scope=place.scope, snapshot=True) as told:
        snapshot = await first(told)
        rule = snapshot.tables[0].chains["input"].rules[0]
        await place.load(
            f"replace rule inet fw input handle {rule.handle} tcp dport {{ 9, 10 }} drop"
        )
        (made,) = rules((await one(told)).changes, "input")
    assert [len(each.elements) for each in made.sets] == [2]


async def test_between_a_snapshot_and_what_follows_nothing_is_missing_and_nothing_twice(
    place: Place,
) -> None:
    """Others write all the time, before, while and after it is looked."""
    await place.load("table inet fw { set every { type mark; }; }")
    done = 60
    written = anyio.Event()

    async def write() -> None:
        for number in range(done):
            await place.load(f"add element inet fw every {{ {number} }}")
            written.set()
        await place.load("table inet last { }")

    seen: list[bytes] = []
    async with anyio.create_task_group() as tg:
        tg.start_soon(write)
        await written.wait()
        async with netfilter.monitor(scope=place.scope, snapshot=True) as told:
            snapshot = await first(told)
            seen += snapshot.tables[0].sets["every"].set.elements
            generation = snapshot.generation
            while True:
                found = await one(told)
                assert found.generation == generation + 1
                generation = found.generation
                if found.changes[0].table == "last":
                    break
                (elements,) = found.changes
                assert isinstance(elements.value, Elements)
                seen += elements.value
    assert len(seen) == len(set(seen)) == done


@pytest.mark.parametrize("snapshot", [False, True])
async def test_who_reads_too_slowly_is_told_so_and_goes_on(
    place: Place, monkeypatch: pytest.MonkeyPatch, snapshot: bool
) -> None:
    monkeypatch.setattr(sys.modules[netfilter.monitor.__module__], "_RECEIVE_BUFFER", 1)
    async with netfilter.monitor(scope=place.scope, snapshot=snapshot) as told:
        if snapshot:
            await first(told)
        for number in range(30):
            await place.load(f"table inet t{number} {{ chain a {{ counter; counter; }}; }}")
        found = await until_lost(told)
        if snapshot:
            assert len((await first(told)).tables) == 30
        await place.load("table inet last { }")
        after = await one(told)
    assert "dropped" in found.reason
    assert after.generation == found.generation + 1
    assert after.changes[0].table == "last"


async def until_lost(told: Told) -> Lost:
    with anyio.fail_after(PATIENCE):
        async for each in told:
            if isinstance(each, Lost):
                return each
    raise AssertionError("the announcements ended")


async def test_what_we_do_is_told_like_what_others_do(place: Place, fw: Table) -> None:
    async with netfilter.monitor(scope=place.scope) as told:
        report = await place.converges(evolve(fw, chains=(), sets=()))
        found = await one(told)
    assert [each.kind for each in found.changes] == ["table", "object"]
    assert len(report.applied) == len(found.changes)
    assert found.program != "nft"


async def test_a_namespace_that_is_not_there_is_an_error() -> None:
    with pytest.raises(ScopeGone):
        async with netfilter.monitor(scope=NetworkNamespace.at_path("/no/such/namespace")):
            pass
