"""Whose a table is, who may write to it, and how long it stays."""

from __future__ import annotations

import errno
import math
import signal
from pathlib import Path
from typing import Any, Final

import pytest
from attrs import evolve

from linx_async import FileStore, Loop, Ownership, netfilter
from linx_async._kernel.exchange import Refusal
from linx_async._kernel.netlink import attribute_map
from linx_async._kernel.nfnetlink import Change, Commit, NfnetlinkSocket
from linx_async.netfilter import AddTable, AdoptTable, Chain, Lifetime, Rule, Source, Table
from tests.kernel import nft_owner
from tests.kernel.nft_families import ANY, lacking, needs_persist, persists
from tests.kernel.nft_place import Place, place, said
from tests.kernel.nft_tables import differences, handles
from tests.kernel.sysctls import running

__all__ = ["place"]

pytestmark = pytest.mark.anyio

OWNER, PERSIST = 2, 4
NEWTABLE: Final = 0
FLAGS: Final = 2

TEXT: Final = f"""
table {ANY} ours {{
    chain input {{
        type filter hook input priority 0; policy accept;
        tcp dport 22 counter comment "ssh"
        counter comment "all"
    }}
}}
"""
THEIRS: Final = f"table {ANY} ours {{\nchain theirs {{\ncounter\n}}\n}}"
REFUSED = "Operation not permitted"
COMMANDS: Final = (
    f"add rule {ANY} ours input drop",
    f"flush chain {ANY} ours input",
    f"add chain {ANY} ours other",
    f"add chain {ANY} ours input {{ policy drop; }}",
    f"add set {ANY} ours s {{ type mark; }}",
    f"add table {ANY} ours {{ flags dormant; }}",
    f"delete table {ANY} ours",
)


PERSISTENT = pytest.param("persist", marks=needs_persist)


@pytest.fixture(scope="module")
def table() -> Table:
    return netfilter.parse(TEXT)


def named(table: Table, name: str, family: str = ANY) -> Table:
    return evolve(table, name=name, family=family)


# Who may write


@pytest.mark.parametrize("lifetime", [PERSISTENT, "socket"])
async def test_while_we_own_a_table_others_may_read_it_and_not_write(
    place: Place, table: Table, lifetime: Lifetime
) -> None:
    async with place.entered(lifetime=lifetime) as ours:
        await ours.converges(table)
        before = place.raw(ANY, "ours")
        assert "tcp dport 22" in await place.shown("table", ANY, "ours")
        for command in COMMANDS:
            assert REFUSED in await place.nft(command), command
        await place.load("flush ruleset")
        assert place.raw(ANY, "ours") == before


async def test_a_shared_table_is_written_by_all_and_mended(place: Place, table: Table) -> None:
    async with place.entered() as ours:
        await ours.converges(table)
        for command in COMMANDS:
            await place.load(command)
            await ours.converges(table)
            assert not differences(await place.pulled(table), table), command


async def test_an_owner_who_is_gone_protects_nothing(place: Place, table: Table) -> None:
    async with place.entered(lifetime="persist") as ours:
        await ours.converges(table)
    await place.load(f"add rule {ANY} ours input drop")
    async with place.entered(lifetime="persist") as again:
        await again.converges(table)
    assert not differences(await place.pulled(table), table)


# How long it stays


@needs_persist
async def test_a_persistent_table_stays_and_is_adopted_as_it_is(place: Place, table: Table) -> None:
    async with place.entered(lifetime="persist") as ours:
        await ours.converges(table)
        first = await place.pull(table)
        assert (first.head.flags, first.head.owner) == (OWNER | PERSIST, ours.port)
    left = await place.pull(table)
    assert (left.head.flags, left.head.owner) == (PERSIST, 0)
    place.sends(22, 3)
    async with place.entered(lifetime="persist") as again:
        report = await again.reconcile(table)
        assert [type(op) for op in report.applied] == [AdoptTable]
        assert report.converged
        found = await place.pull(table)
        assert found.head.owner == again.port
        assert found.head.handle == first.head.handle
        assert handles(found, "input") == handles(first, "input")
        assert REFUSED in await place.nft(f"delete table {ANY} ours")


@needs_persist
async def test_what_changed_meanwhile_is_mended_as_it_is_adopted(
    place: Place, table: Table
) -> None:
    async with place.entered(lifetime="persist") as ours:
        await ours.converges(table)
        first = await place.pull(table)
    await place.load(f"insert rule {ANY} ours input drop")
    async with place.entered(lifetime="persist") as again:
        report = await again.converges(table)
    assert isinstance(report.applied[0], AdoptTable)
    assert len(report.applied) == 2
    assert handles(await place.pull(table), "input") == handles(first, "input")


async def test_a_table_for_a_socket_goes_with_it(place: Place, table: Table) -> None:
    async with place.entered(lifetime="socket") as ours:
        await ours.converges(table)
        assert await place.pulled(table) == table
    assert await place.pulled(table) is None


@pytest.mark.parametrize(
    ("lifetime", "stays", "end"),
    [
        pytest.param("persist", True, signal.SIGKILL, marks=needs_persist),
        ("socket", False, signal.SIGKILL),
        ("socket", False, signal.SIGTERM),
    ],
)
def test_so_it_is_where_the_owner_is_killed(
    place: Place, lifetime: Lifetime, stays: bool, end: signal.Signals
) -> None:
    with nft_owner.started(place.box.pid, lifetime, TEXT) as owner:
        assert place.raw(ANY, "ours")
        assert REFUSED in place.nft_now(f"delete table {ANY} ours")
        owner.send_signal(end)
        owner.wait()
    assert bool(place.raw(ANY, "ours")) is stays
    assert bool(place.nft_now(f"delete table {ANY} ours")) is not stays


@needs_persist
async def test_a_loop_that_starts_again_has_the_same_table(place: Place, table: Table) -> None:
    source = Source(place.scope)
    found = []
    for _ in range(3):
        loop = Loop[Table, Any, Any](source, table, interval=math.inf)
        async with running(loop):
            found.append(await place.pull(table))
    assert len({each.head.handle for each in found}) == 1
    assert len({each.head.owner for each in found}) == 3
    assert len({tuple(handles(each, "input")) for each in found}) == 1


# Whose it is


@needs_persist
@pytest.mark.parametrize("lifetime", ["persist", "socket", "shared"])
async def test_a_second_owner_is_a_conflict_that_names_the_first(
    place: Place, table: Table, lifetime: Lifetime
) -> None:
    async with (
        place.entered(lifetime="persist") as first,
        place.entered(lifetime=lifetime, on_conflict="replace") as second,
    ):
        await first.converges(table)
        report = await second.reconcile(table)
        (conflict,) = report.conflicts
        assert conflict.key == f"table {ANY} ours"
        assert f"port id {first.port}" in conflict.reason
        assert (report.applied, report.converged) == ((), False)
        await first.converges(table)


@needs_persist
async def test_the_second_owner_takes_over_when_the_first_is_gone(
    place: Place, table: Table
) -> None:
    """The kernel tells nobody: it makes no generation."""
    async with place.entered(lifetime="persist") as second:
        async with place.entered(lifetime="persist") as first:
            await first.converges(table)
            for _ in range(2):
                assert (await second.reconcile(table)).conflicts
        report = await second.converges(table)
        assert [type(op) for op in report.applied] == [AdoptTable]


async def test_so_does_one_who_waits_for_a_table_of_a_socket(place: Place, table: Table) -> None:
    async with place.entered(lifetime="socket") as second:
        async with place.entered(lifetime="socket") as first:
            await first.converges(table)
            assert (await second.reconcile(table)).conflicts
        report = await second.converges(table)
        assert isinstance(report.applied[0], AddTable)


@pytest.mark.parametrize("lifetime", ["persist", "socket", "shared"])
async def test_a_table_of_somebody_else_is_left_alone(
    place: Place, table: Table, lifetime: Lifetime
) -> None:
    await place.load(THEIRS)
    before = place.raw(ANY, "ours")
    report = await place.reconcile(table, lifetime=lifetime)
    assert list(map(str, report.conflicts)) == [f"table {ANY} ours: somebody else made it"]
    assert (report.converged, report.applied, report.last_applied) == (False, (), Ownership())
    assert place.raw(ANY, "ours") == before


@pytest.mark.parametrize("lifetime", [PERSISTENT, "shared"])
async def test_it_is_replaced_as_one_transaction_where_that_is_wanted(
    place: Place, table: Table, lifetime: Lifetime
) -> None:
    await place.load(THEIRS)
    async with place.entered(lifetime=lifetime, on_conflict="replace") as ours:
        before = await ours.generation()
        report = await ours.reconcile(table)
        assert report.converged, said(report)
        assert await ours.generation() == before + 1
        assert str(report.applied[0]) == f"add table {ANY} ours anew (somebody else made it)"
        assert not differences(await place.pulled(table), table)


async def test_where_the_replacement_is_refused_theirs_stays(place: Place, ring: Table) -> None:
    await place.load(THEIRS)
    before = place.raw(ANY, "ours")
    report = await place.reconcile(ring, on_conflict="replace")
    assert report.failed
    assert place.raw(ANY, "ours") == before


@pytest.fixture(scope="module")
def ring() -> Table:
    """A table that no kernel takes: two of its chains jump to each other."""
    text = f"""
    table {ANY} ours {{
        chain one {{ }}
        chain two {{ jump one; }}
        chain input {{ type filter hook input priority 0; jump one; }}
    }}
    """
    found = netfilter.parse(text)
    (jump,) = found.chains[1].rules
    assert isinstance(jump, Rule)
    back = evolve(jump, body=jump.body.replace(b"one\0", b"two\0"))
    return evolve(found, chains=[Chain("one", [back]), *found.chains[1:]])


# One lifetime after another


@pytest.mark.parametrize("before", ["persist", "socket", "shared"])
@pytest.mark.parametrize("after", [PERSISTENT, "socket", "shared"])
async def test_a_table_is_given_another_lifetime(
    place: Place, table: Table, before: Lifetime, after: Lifetime
) -> None:
    async with place.entered(lifetime=before) as ours:
        await ours.converges(table)
    async with place.entered(lifetime=after) as again:
        await again.converges(table)
        found = await place.pull(table)
        assert not differences(found.table, table)
        assert bool(found.head.owner) is (after != "shared")
    assert bool(place.raw(ANY, "ours")) is (after != "socket")


# One table after another


@pytest.mark.parametrize("family", [ANY, "ip"])
@pytest.mark.parametrize("lifetime", ["persist", "shared"])
async def test_another_table_comes_in_the_place_of_the_former_at_once(
    place: Place, table: Table, lifetime: Lifetime, family: str
) -> None:
    if missing := lacking(family):
        pytest.skip(missing)
    other = named(table, "others", family)
    async with place.entered(lifetime=lifetime) as ours:
        await ours.converges(table)
        before = await ours.generation()
        report = await ours.reconcile(other)
        assert report.converged, said(report)
        assert await ours.generation() == before + 1
        assert set(report.last_applied) == {other.key}
        assert await place.pulled(table) is None
        assert await place.pulled(other) == other


@pytest.mark.parametrize("lifetime", ["persist", "shared"])
async def test_two_tables_take_turns(place: Place, table: Table, lifetime: Lifetime) -> None:
    both = table, named(table, "others")
    async with place.entered(lifetime=lifetime) as ours:
        for turn in range(4):
            await ours.converges(both[turn % 2])
            assert not differences(await place.pulled(both[turn % 2]), both[turn % 2])
            assert await place.pulled(both[1 - turn % 2]) is None


async def test_where_the_other_is_a_conflict_the_former_stays(place: Place, table: Table) -> None:
    """It would be open otherwise."""
    await place.load(f"add table {ANY} others")
    async with place.entered() as ours:
        await ours.converges(table)
        report = await ours.reconcile(named(table, "others"))
        assert [each.key for each in report.conflicts] == [f"table {ANY} others"]
        assert await place.pulled(table) == table
        await place.load(f"delete table {ANY} others")
        await ours.converges(named(table, "others"))
    assert await place.pulled(table) is None


async def test_where_the_other_is_refused_the_former_stays(
    place: Place, table: Table, ring: Table
) -> None:
    async with place.entered() as ours:
        await ours.converges(table)
        report = await ours.reconcile(named(ring, "others"))
        assert report.failed
        assert await place.pulled(table) == table
        await ours.converges(named(table, "others"))
    assert await place.pulled(table) is None


async def test_a_record_in_a_store_knows_the_former_after_a_restart(
    place: Place, table: Table, tmp_path: Path
) -> None:
    store = FileStore(tmp_path)
    other = named(table, "others")
    for each in (table, other):
        report = await place.reconcile(each, store=store, lifetime="persist")
        assert report.converged
    assert await place.pulled(table) is None
    assert await place.pulled(other) == other


async def test_without_a_record_what_is_ours_is_known_by_its_mark(
    place: Place, table: Table
) -> None:
    await place.converges(table)
    await place.load(f"flush chain {ANY} ours input")
    report = await place.converges(table)
    assert len(report.applied) == 2
    assert (await place.converges(table)).applied == ()


async def test_a_table_that_somebody_made_again_is_theirs(place: Place, table: Table) -> None:
    """Even if our record has one of that name."""
    async with place.entered() as ours:
        await ours.converges(table)
        await place.load(f"delete table {ANY} ours\nadd table {ANY} ours")
        assert (await ours.reconcile(table)).conflicts
        await place.load(f"delete table {ANY} ours")
        await ours.converges(table)


# Kernels before Linux 6.9

QUESTION = (OWNER | PERSIST, 0)
"""The flags of the two tables that tell whether the kernel knows it, and never come to be."""


@pytest.fixture
def old_kernel(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Refuses NFT_TABLE_F_PERSIST as nf_tables_newtable() does, where the real one does not.

    Gives the flags of the tables that were to be made.
    """
    original = NfnetlinkSocket.commit
    asked: list[int] = []

    async def commit(
        self: NfnetlinkSocket, changes: list[Change], *, generation: int | None, **more: Any
    ) -> Commit:
        refusals: list[Refusal | None] = []
        for each in changes:
            refusals.append(None)
            if each.kind == NEWTABLE:
                asked.append(int.from_bytes(attribute_map(each.attributes)[FLAGS]))
                if asked[-1] & PERSIST and persists():
                    refusals[-1] = Refusal(errno.EOPNOTSUPP)
        if any(refusals):
            return Commit(tuple(refusals), untold=False, generation=None)
        return await original(self, changes, generation=generation, **more)

    monkeypatch.setattr(NfnetlinkSocket, "commit", commit)
    return asked


async def test_where_the_kernel_keeps_no_table_for_its_owner_it_has_none_and_that_is_told(
    place: Place, table: Table, old_kernel: list[int]
) -> None:
    async with place.entered(lifetime="persist") as ours:
        report = await ours.converges(table)
        assert str(report.applied[0]) == (
            f"add table {ANY} ours, without an owner: this kernel has no NFT_TABLE_F_PERSIST, "
            "which came with Linux 6.9"
        )
        assert (await place.pull(table)).head.owner == 0
        await place.load(f"flush chain {ANY} ours input")
        await ours.converges(table)
    assert await place.pulled(table) == table
    assert old_kernel == [OWNER | PERSIST, *QUESTION, 0]


async def test_there_it_is_left_as_it_is_after_a_restart(
    place: Place, table: Table, old_kernel: list[int]
) -> None:
    first = await place.converges(table, lifetime="persist")
    before = place.raw(ANY, "ours")
    again = await place.converges(table, lifetime="persist", last_applied=first.last_applied)
    assert again.applied == ()
    assert place.raw(ANY, "ours") == before


async def test_there_a_dry_run_finds_nothing_to_do_after_a_restart(
    place: Place, table: Table, old_kernel: list[int]
) -> None:
    await place.converges(table, lifetime="persist")
    del old_kernel[:]
    generation = await generation_of(place)
    plan = await netfilter.dry_run(table, scope=place.scope)
    assert list(plan) == []
    assert old_kernel == [*QUESTION]
    assert await generation_of(place) == generation


async def generation_of(place: Place) -> int:
    async with place.entered() as somebody:
        return await somebody.generation()


async def test_there_it_asks_once(place: Place, table: Table, old_kernel: list[int]) -> None:
    await place.converges(table)
    async with place.entered(lifetime="persist") as ours:
        for _ in range(3):
            await ours.converges(table)
            await place.load(f"flush chain {ANY} ours input")
    assert old_kernel == [0, *QUESTION]


async def test_a_family_that_the_kernel_lacks_is_not_taken_for_that(
    place: Place, table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def commit(self: NfnetlinkSocket, changes: list[Change], **more: Any) -> Commit:
        refusals = [Refusal(errno.EOPNOTSUPP) for _ in changes]
        return Commit(tuple(refusals), untold=False, generation=None)

    monkeypatch.setattr(NfnetlinkSocket, "commit", commit)
    report = await place.reconcile(table, lifetime="persist")
    assert not report.converged
    assert "this kernel has no such family" in str(report.failed[0])


async def test_there_a_table_for_a_socket_is_owned_all_the_same(
    place: Place, table: Table, old_kernel: list[int]
) -> None:
    async with place.entered(lifetime="socket") as ours:
        await ours.converges(table)
        assert (await place.pull(table)).head.owner == ours.port
    assert await place.pulled(table) is None
