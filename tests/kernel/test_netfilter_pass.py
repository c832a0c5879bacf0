"""Passes over a real table, one thing at a time: what changes, and what stays as it is."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Final

import anyio
import anyio.to_thread
import pytest
from anyio.lowlevel import checkpoint
from attrs import evolve

from linx_async import Ownership, Report, SourceError, netfilter
from linx_async._core.reconcile import run_pass
from linx_async._kernel.nfnetlink import Commit, NfnetlinkSocket
from linx_async.netfilter import (
    AddChain,
    AddElements,
    AddRule,
    AddSet,
    AddTable,
    Chain,
    DeleteElements,
    DeleteRule,
    DeleteSet,
    Elements,
    Lifetime,
    MoveRule,
    NetfilterOp,
    ReplaceRule,
    Rule,
    Set,
    Table,
    UpdateChain,
    UpdateObject,
    UpdateSet,
)
from linx_async.netfilter.codec.expressions import renamed
from linx_async.netfilter.desired.elements import NOTHING, PLAIN
from linx_async.netfilter.desired.sets import with_elements
from linx_async.netfilter.diff.stand_ins import referenced_sets
from linx_async.testing.namespaces import Namespaces
from tests.kernel.nft_place import Place, needs_links, place, said
from tests.kernel.nft_tables import FOREIGN, counts, differences, handles, like
from tests.kernel.sysctls import named_namespace

__all__ = ["place"]

pytestmark = pytest.mark.anyio

HOOK: Final = "type filter hook input priority 0;"
FOUR: Final = (
    'udp dport 9 counter comment "nine"',
    "udp dport 10 counter",
    'udp dport 9 counter comment "nine again"',
    "udp dport 1-99 counter",
)
"""Rules of which each but the second counts what is sent to port 9."""


def table(*rules: str, before: str = "", hook: str = HOOK, head: str = "") -> Table:
    body = "\n".join(rules)
    return netfilter.parse(
        f"table inet ours {{ {head}\n{before}\nchain main {{ {hook}\n{body}\n}}\n}}"
    )


def kinds(report: Report[NetfilterOp]) -> list[type]:
    return [type(op) for op in report.applied]


def packets(found: Any, chain: str = "main") -> list[int | None]:
    """What the first counter of each rule has counted, or None."""
    return [states[0].packets if states else None for states in counts(found, chain)]


async def parsed(*rules: str, **options: str) -> Table:
    return await anyio.to_thread.run_sync(lambda: table(*rules, **options))


# Rules


async def test_a_rule_in_the_middle_leaves_its_neighbours_their_handles_and_counters(
    place: Place,
) -> None:
    before, after = await parsed(*FOUR), await parsed(*FOUR[:2], "tcp dport 1 drop", *FOUR[2:])
    async with place.entered() as ours:
        await ours.converges(before)
        place.sends(9, 5)
        old = await place.pull(before)
        report = await ours.converges(after)
        new = await place.pull(after)
    assert kinds(report) == [AddRule]
    assert handles(new, "main")[:2] + handles(new, "main")[3:] == handles(old, "main")
    assert packets(old) == [5, 0, 5, 5]
    assert packets(new) == [5, 0, None, 5, 5]


@pytest.mark.parametrize(
    "again", ['udp dport { 9, 11 } counter comment "nine"', 'counter drop comment "nine"']
)
async def test_a_rule_that_changes_goes_on_counting_under_its_comment(
    place: Place, again: str
) -> None:
    before, after = await parsed(*FOUR), await parsed(again, *FOUR[1:])
    async with place.entered() as ours:
        await ours.converges(before)
        place.sends(9, 5)
        old = await place.pull(before)
        report = await ours.converges(after)
        new = await place.pull(after)
    assert kinds(report) == [ReplaceRule]
    assert handles(new, "main") == handles(old, "main")
    assert packets(new) == packets(old) == [5, 0, 5, 5]


async def test_what_was_done_to_rules_is_told_in_nfts_own_words(place: Place) -> None:
    before, after = await parsed(*FOUR), await parsed("udp  dport { 11,9 } accept", *FOUR[1:])
    async with place.entered() as ours:
        first = await ours.converges(before)
        again = await ours.converges(after)
    assert "add rule main[1]: udp dport 10 counter" in map(str, first.applied)
    assert any("rule main[0]: udp dport { 9, 11 } accept" in str(op) for op in again.applied)


async def test_a_rule_without_a_comment_that_changes_counts_anew(place: Place) -> None:
    before, after = await parsed(*FOUR), await parsed(*FOUR[:3], "meta length > 1 counter")
    async with place.entered() as ours:
        await ours.converges(before)
        place.sends(9, 5)
        await ours.converges(after)
        assert packets(await place.pull(after)) == [5, 0, 5, 0]


@pytest.mark.parametrize(
    ("order", "moves"),
    [((3, 0, 1, 2), 1), ((1, 2, 3, 0), 1), ((0, 2, 1, 3), 1), ((3, 2, 1, 0), 3)],
)
async def test_rules_are_put_in_order_and_go_on_counting(
    place: Place, order: Sequence[int], moves: int
) -> None:
    before, after = await parsed(*FOUR), await parsed(*(FOUR[each] for each in order))
    async with place.entered() as ours:
        await ours.converges(before)
        place.sends(9, 5)
        report = await ours.converges(after)
        assert not differences(await place.pulled(after), after)
        counted = packets(await place.pull(after))
    assert len(report.applied) == moves
    assert set(kinds(report)) <= {MoveRule, ReplaceRule}
    assert counted == [(5, 0, 5, 5)[each] for each in order]


async def test_of_equal_rules_as_many_are_there_as_are_wanted(place: Place) -> None:
    async with place.entered() as ours:
        for count in (3, 1, 4, 0, 2):
            wanted = await parsed(*["counter"] * count, "drop")
            report = await ours.converges(wanted)
            assert len((await place.pull(wanted)).chains["main"].rules) == count + 1
            assert set(kinds(report)) <= {AddTable, AddChain, AddRule, DeleteRule, ReplaceRule}


# Chains


async def test_a_chain_that_is_missing_is_added_and_what_is_not_wanted_goes(place: Place) -> None:
    one = await parsed("jump one", before="chain one { counter; }")
    two = await parsed("jump two", before="chain two { counter; drop; }")
    async with place.entered() as ours:
        await ours.converges(one)
        report = await ours.converges(two)
        assert {"add chain two", "delete chain one"} <= set(map(str, report.applied))
        await place.load("flush chain inet ours main\nflush chain inet ours two")
        await place.load("delete chain inet ours two")
        await ours.converges(two)
        assert not differences(await place.pulled(two), two)


async def test_a_policy_is_changed_in_place(place: Place) -> None:
    before = await parsed(*FOUR)
    after = await parsed(*FOUR, hook=f"{HOOK} policy drop;")
    async with place.entered() as ours:
        await ours.converges(before)
        place.sends(9, 2)
        old = await place.pull(before)
        assert UpdateChain in kinds(await ours.converges(after))
        new = await place.pull(after)
    assert not differences(new.table, after)
    assert (handles(new, "main"), packets(new)) == (handles(old, "main"), packets(old))


async def test_a_chain_with_another_priority_is_made_anew_and_goes_on_counting(
    place: Place,
) -> None:
    before = await parsed(*FOUR)
    after = await parsed(*FOUR, hook="type filter hook input priority -7;")
    async with place.entered() as ours:
        await ours.converges(before)
        place.sends(9, 2)
        report = await ours.converges(after)
        assert AddChain in kinds(report)
        assert packets(await place.pull(after)) == [2, 0, 2, 2]


async def test_a_table_is_put_to_sleep_and_woken(place: Place) -> None:
    awake, dormant = await parsed(*FOUR), await parsed(*FOUR, head="flags dormant;")
    for lifetime in ("shared", "persist"):
        async with place.entered(lifetime=lifetime) as ours:
            for wanted, counted in ((awake, 1), (dormant, 0), (awake, 1)):
                await ours.converges(wanted)
                place.sends(9)
                found = await place.pull(wanted)
                assert found.table.dormant is (wanted is dormant)
                assert packets(found)[3] == counted


# Sets

INTERVAL: Final = "flags interval;"
MOST: Final = 300
"""Awaits of a pass at most."""
NUMBERS: Final = "set s {{ type mark; {more} elements = {{ {elements} }}; }}"


def numbers(elements: str, more: str = "") -> str:
    return NUMBERS.format(elements=elements, more=more)


async def test_elements_come_and_go_alone(place: Place) -> None:
    before = await parsed("meta mark @s counter", before=numbers("1, 2, 3"))
    after = await parsed("meta mark @s counter", before=numbers("2, 3, 4, 5"))
    async with place.entered() as ours:
        await ours.converges(before)
        report = await ours.converges(after)
    assert [str(op) for op in report.applied] == [
        "delete 1 element of set s",
        "add 2 elements to set s",
    ]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("1-5", "1-6"),
        ("1-5", "2-5"),
        ("1-5, 7-9", "1-9"),
        ("1-9", "1-4, 6-9"),
        ("1-9, 20", "20, 30-40"),
        ("20", "1-9, 20, 22-29"),
        ("1-5, 6-9", "1-5, 6-7, 8-9"),
        ("0-5", "0-4294967295"),
        ("0-4294967295", "7"),
    ],
)
async def test_ranges_come_and_go_whole(place: Place, before: str, after: str) -> None:
    more = "flags interval;"
    one = await parsed("meta mark @s counter", before=numbers(before, more))
    two = await parsed("meta mark @s counter", before=numbers(after, more))
    async with place.entered() as ours:
        for wanted in (one, two, one):
            report = await ours.converges(wanted)
            assert set(kinds(report)) <= {AddTable, AddChain, AddSet, AddRule} | {
                AddElements,
                DeleteElements,
            }
            assert not differences(await place.pulled(wanted), wanted)


async def test_a_value_of_a_map_is_changed(place: Place) -> None:
    ways = "map ways {{ type mark : verdict; elements = {{ {} }}; }}"
    before = await parsed("meta mark vmap @ways", before=ways.format("1 : accept, 2 : drop"))
    after = await parsed("meta mark vmap @ways", before=ways.format("1 : drop, 2 : drop"))
    async with place.entered() as ours:
        await ours.converges(before)
        report = await ours.converges(after)
        assert kinds(report) == [DeleteElements, AddElements]
        assert not differences(await place.pulled(after), after)


async def test_a_set_of_another_type_is_made_anew_with_its_rules(place: Place) -> None:
    before = await parsed("udp dport 9 counter", "meta mark @s counter", before=numbers("1"))
    more = "set s { type inet_service; elements = { 9 }; }"
    after = await parsed("udp dport 9 counter", "udp dport @s counter", before=more)
    async with place.entered() as ours:
        await ours.converges(before)
        place.sends(9, 3)
        report = await ours.converges(after)
        assert {DeleteSet, AddSet} <= set(kinds(report))
        assert not differences(await place.pulled(after), after)
        assert packets(await place.pull(after)) == [3, 0]


async def test_a_timeout_and_a_size_are_changed_in_place(place: Place) -> None:
    def timed(hours: int, size: int, seconds: int) -> str:
        timeouts = f"timeout {hours}h; gc-interval {seconds}s"
        return f"set s {{ type mark; flags timeout; {timeouts}; size {size}; }}"

    before = await parsed("meta mark @s counter", before=timed(1, 100, 10))
    after = await parsed("meta mark @s counter", before=timed(2, 200, 20))
    async with place.entered() as ours:
        await ours.converges(before)
        assert kinds(await ours.converges(after)) == [UpdateSet]
        assert not differences(await place.pulled(after), after)


SEEN: Final = "set s { type inet_service; flags dynamic, timeout; timeout 1h; size 100; }"


async def test_what_packets_put_into_a_set_is_left_alone(place: Place) -> None:
    wanted = await parsed("udp dport 1-99 add @s { udp dport }", before=SEEN)
    async with place.entered() as ours:
        await ours.converges(wanted)
        for port in (9, 10, 11):
            place.sends(port)
        assert kinds(await ours.converges(wanted)) == []
        found = await place.pull(wanted)
        assert len(found.sets["s"].set.elements) == 3
        assert not differences(like(found.table, wanted), wanted)


async def test_where_the_set_is_managed_it_goes(place: Place) -> None:
    wanted = await parsed("udp dport 1-99 add @s { udp dport }", before=SEEN)
    (seen,) = wanted.sets
    wanted = evolve(wanted, sets=[evolve(seen, managed=True)])
    async with place.entered() as ours:
        await ours.converges(wanted)
        for port in (9, 10, 11):
            place.sends(port)
        assert [str(op) for op in (await ours.converges(wanted)).applied] == [
            "delete 3 elements of set s"
        ]
        assert not (await place.pull(wanted)).sets["s"].set.elements


async def test_what_packets_put_into_a_meter_is_no_change_of_its_rule(place: Place) -> None:
    wanted = await parsed('udp dport 1-99 meter m { udp dport counter } counter comment "m"')
    async with place.entered() as ours:
        await ours.converges(wanted)
        before = handles(await place.pull(wanted), "main")
        for port in (9, 10, 11):
            place.sends(port)
        await place.load("add rule inet ours main drop")
        assert kinds(await ours.converges(wanted)) == [DeleteRule]
        assert handles(await place.pull(wanted), "main") == before


# Objects


async def test_a_quota_is_changed_in_place_and_goes_on(place: Place) -> None:
    def quota(most: str) -> str:
        return f"quota most {{ over {most}; }}"

    before = await parsed('udp dport 9 quota name "most"', before=quota("10 mbytes"))
    after = await parsed('udp dport 9 quota name "most"', before=quota("20 mbytes"))
    async with place.entered() as ours:
        await ours.converges(before)
        place.sends(9, 3)
        used = await used_of(place)
        assert used > 0
        assert kinds(await ours.converges(after)) == [UpdateObject]
        assert not differences(await place.pulled(after), after)
        assert await used_of(place) == used


async def used_of(place: Place) -> int:
    text = await place.shown("quotas", "table", "inet", "ours")
    return int(text.partition("used ")[2].split()[0])


PASSED_OVER: Final = {
    "a table's comment": ('comment "one";', 'comment "two";', "table inet ours", "head"),
    "a set's comment": (
        'set s { type mark; comment "one"; }',
        'set s { type mark; comment "two"; }',
        "set s",
        "before",
    ),
    "a limit's values": (
        "limit l { rate 5/second; }",
        "limit l { rate 6/second; }",
        "limit l",
        "before",
    ),
    "a chain's comment": (
        'chain c { comment "one"; }',
        'chain c { comment "two"; }',
        "chain c",
        "before",
    ),
}


@pytest.mark.parametrize(("before", "after", "key", "where"), PASSED_OVER.values(), ids=PASSED_OVER)
async def test_what_the_kernel_passes_over_is_told_and_made_anew_where_that_is_wanted(
    place: Place, before: str, after: str, key: str, where: str
) -> None:
    one, two = await parsed(*FOUR, **{where: before}), await parsed(*FOUR, **{where: after})
    async with place.entered() as ours:
        await ours.converges(one)
        reports = [await ours.reconcile(two) for _ in range(2)]
    for report in reports:
        assert [failure.key for failure in report.failed] == [key]
        assert "only if it is made anew" in str(report.failed[0])
        assert (report.applied, report.converged) == ((), False)
    owned = reports[-1].last_applied
    async with place.entered(recreate=True, last_applied=owned) as ours:
        await ours.converges(two)
    assert not differences(await place.pulled(two), two)


# Refusals


def body_of(text: str, chain: int = 0) -> Rule:
    (rule,) = netfilter.parse(text).chains[chain].rules
    assert isinstance(rule, Rule)
    return rule


def ring() -> Table:
    jump = body_of("table inet ours { chain two { }; chain one { jump two; }; }", 1)
    back = evolve(jump, body=jump.body.replace(b"two\0", b"one\0"))
    # Where no packet comes by, the kernel takes it (nft_table_validate()).
    main = Chain("main", [jump], hook="input")
    return Table("inet", "ours", [Chain("one", [jump]), Chain("two", [back]), main])


def no_set() -> Table:
    text = "table inet ours { set s { type mark; }; chain main { meta mark @s accept; }; }"
    return Table("inet", "ours", [Chain("main", [body_of(text)])])


def no_place() -> Table:
    text = "table inet ours { chain main { masquerade; }; }"
    return Table("inet", "ours", [Chain("main", [body_of(text)], hook="input")])


def too_many() -> Table:
    elements = Elements({PLAIN + bytes([0, 0, 0, each]): NOTHING for each in range(3)})
    full = with_elements(Set("s", "mark", size=2), elements)
    return Table("inet", "ours", [Chain("main")], [full])


def no_chain() -> Table:
    ways = Set("ways", "mark", {1: "jump nowhere"}, data="verdict")
    return Table("inet", "ours", [Chain("main")], [ways])


def no_object() -> Table:
    return Table("inet", "ours", [Chain("main")], [Set("m", "mark", {1: "o"}, objects="counter")])


REFUSALS: Final = {
    "a ring": (ring, "jumps go deeper than the kernel follows, or in a ring"),
    "no set": (no_set, "it names a set, chain or object that is not there"),
    "no chain": (no_chain, "an element names a chain or object that is not there"),
    "no object": (no_object, "an element names a chain or object that is not there"),
    "no place": (no_place, "in a chain of that family, type or hook"),
    "too many": (too_many, "the set is full"),
}


@pytest.mark.parametrize(("make", "words"), REFUSALS.values(), ids=REFUSALS)
async def test_a_refusal_names_its_op_and_nothing_is_done(
    place: Place, make: Any, words: str
) -> None:
    wanted = await anyio.to_thread.run_sync(make)
    good = await parsed(*FOUR)
    async with place.entered() as ours:
        await ours.converges(good)
        before = place.raw("inet", "ours")
        report = await ours.reconcile(wanted)
        assert not report.converged
        assert report.applied == ()
        assert any(words in str(failure) for failure in report.failed), said(report)
        assert report.pending
        assert place.raw("inet", "ours") == before
        again = await ours.reconcile(wanted)
        assert [str(each) for each in again.failed] == [str(each) for each in report.failed]
        await ours.converges(good)


async def test_a_table_that_could_not_be_made_is_not_in_the_record(place: Place) -> None:
    report = await place.reconcile(await anyio.to_thread.run_sync(ring))
    assert report.failed
    assert report.last_applied == Ownership()
    assert place.raw("inet", "ours") == {}


async def test_what_the_kernel_lacks_is_a_failed_op_that_says_so(place: Place) -> None:
    wanted = Table("inet", "ours", flowtables=[netfilter.Flowtable("f", ["lo"])])
    report = await place.reconcile(wanted)
    if report.converged:
        pytest.skip("this kernel has flowtables, and all else that is asked for here")
    assert [failure.key for failure in report.failed] == ["flowtable f"]
    assert "add flowtable f (lo)" in str(report.failed[0])


# Size


def big(rules: int, elements: int, step: int = 1) -> Table:
    rule = body_of("table inet ours { chain main { meta mark 7 counter; }; }")
    many = [
        evolve(rule, body=rule.body.replace(b"\7\0\0\0", number.to_bytes(4, "little")))
        for number in range(1000, 1000 + rules)
    ]
    listed = Elements(
        {PLAIN + (each * step).to_bytes(4, "little"): NOTHING for each in range(elements)}
    )
    return Table("inet", "ours", [Chain("main", many)], [Set("s", "mark", listed)])


async def test_ten_thousand_rules_and_a_hundred_thousand_elements_come_and_change(
    place: Place,
) -> None:
    one, two = await anyio.to_thread.run_sync(
        lambda: (big(10_000, 100_000), big(9_999, 100_000, 2))
    )
    async with place.entered(lifetime="persist") as ours:
        await ours.converges(one)
        report = await ours.converges(two)
        assert {type(op) for op in report.applied} == {AddElements, DeleteElements, DeleteRule}
        assert await place.pulled(two) == two


# Where


async def test_a_table_of_the_record_is_deleted_where_none_is_desired(place: Place) -> None:
    wanted, scope = await parsed(*FOUR), place.box.pid
    report = await netfilter.reconcile(wanted, scope=scope)
    plan = await netfilter.dry_run(None, scope=scope, last_applied=report.last_applied)
    assert [str(op) for op in plan] == ["delete table inet ours"]
    report = await netfilter.reconcile(None, scope=scope, last_applied=report.last_applied)
    assert report.converged
    assert await netfilter.pull("inet", "ours", scope=scope) is None


async def test_a_namespace_by_pid_by_path_and_by_name(place: Place, box: Namespaces) -> None:
    wanted = await parsed(*FOUR)
    path = place.box.path("net")
    with named_namespace("ours", path):
        for scope in (place.box.pid, str(path), "ours"):
            report = await netfilter.reconcile(wanted, scope=scope, lifetime="shared")
            assert report.converged
            assert await place.pulled(wanted) == wanted
            assert await netfilter.pull("inet", "ours", scope=scope) is not None
            assert await netfilter.pull("inet", "ours", scope=box.pid) is None
            await place.load("flush ruleset")


async def test_tables_of_others_are_as_they_were(place: Place) -> None:
    await place.load(FOREIGN.format(family="inet"))
    before = place.raw()
    wanted = await parsed(*FOUR)
    await place.converges(wanted)
    await place.converges(evolve(wanted, chains=[]))
    assert place.raw() == before


# Interfaces


@pytest.fixture
def on_device() -> Table:
    return netfilter.parse(
        """
        table netdev ours {
            chain main {
                type filter hook ingress device later priority 0;
                counter
            }
        }
        """,
        links={"later": 77},
    )


@needs_links
async def test_a_chain_on_an_interface_waits_for_it_and_comes_back_with_it(
    place: Place, on_device: Table
) -> None:
    async with place.entered() as ours:
        for _ in range(2):
            report = await ours.reconcile(on_device)
            assert (report.converged, report.failed) == (False, ()), said(report)
            assert "later" in str(report.waiting[0])
            await place.ip("link", "add", "later", "type", "veth", "peer", "name", "beside")
            await ours.converges(on_device)
            assert await place.pulled(on_device) == on_device
            await place.ip("link", "delete", "later")


# Answers that do not come


@pytest.mark.parametrize("lifetime", ["persist", "socket", "shared"])
async def test_where_nobody_knows_what_came_of_a_pass_the_next_one_looks(
    place: Place, lifetime: Lifetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    tables = await parsed(*FOUR), await parsed("drop", *reversed(FOUR), "counter")
    original = NfnetlinkSocket.commit

    async def carried_out(*arguments: Any, **options: Any) -> Commit:
        await original(*arguments, **options)
        raise SourceError("the kernel dropped its answer")

    async def late(*arguments: Any, **options: Any) -> Commit:
        await original(*arguments, **options)
        await anyio.sleep_forever()
        raise AssertionError

    async with place.entered(lifetime=lifetime) as ours:
        await ours.converges(tables[0])
        for turn, commit in enumerate((carried_out, late, carried_out, late), 1):
            wanted = tables[turn % 2]
            monkeypatch.setattr(NfnetlinkSocket, "commit", commit)
            if commit is late:
                report = await run_pass(ours.source, wanted, ours.ledger, limit=0.1)
                assert all(failure.unknown for failure in report.failed)
            else:
                with pytest.raises(SourceError, match="dropped its answer"):
                    await ours.reconcile(wanted)
            monkeypatch.setattr(NfnetlinkSocket, "commit", original)
            await ours.converges(wanted)
            assert not differences(await place.pulled(wanted), wanted)


# Cancelled in between


class Cutter:
    """Counts the awaits of a pass, and cuts it short at one of them."""

    def __init__(self, at: int, scope: anyio.CancelScope | asyncio.Task[Any]) -> None:
        self.at = at
        self.steps = 0
        self._scope = scope

    async def step(self) -> None:
        self.steps += 1
        if self.steps == self.at:
            self._scope.cancel()
        await checkpoint()


@pytest.fixture
def cutters(monkeypatch: pytest.MonkeyPatch) -> list[Cutter]:
    """Who is told of all that a pass sends, before and after; the last one counts."""
    told: list[Cutter] = []

    def around(name: str) -> None:
        original = getattr(NfnetlinkSocket, name)

        async def call(*arguments: Any, **options: Any) -> Any:
            if told:
                await told[-1].step()
            answer = await original(*arguments, **options)
            if told:
                await told[-1].step()
            return answer

        monkeypatch.setattr(NfnetlinkSocket, name, call)

    for name in ("dump", "get", "commit"):
        around(name)
    return told


def what_packets_meet(table: Table | None) -> tuple[list[bytes], list[Set]]:
    """The rules of the one chain with a hook and the sets they use, by whichever names."""
    assert table is not None
    (chain,) = (each for each in table.chains if each.is_base)
    rules = [each for each in chain.rules if isinstance(each, Rule)]
    names = {name: name.removesuffix(".next") for name in sorted(referenced_sets(rules))}
    sets = [evolve(each, name=names[each.name]) for each in table.sets if each.name in names]
    return [renamed(each.body, names) for each in rules], sets


async def test_a_pass_that_is_cancelled_at_any_await_leaves_the_old_or_the_new(
    place: Place, cutters: list[Cutter]
) -> None:
    tables = (
        await parsed(*FOUR, "meta mark @s counter", before=numbers("1, 2")),
        await parsed(
            "drop", *reversed(FOUR), "meta mark @s counter", before=numbers("2-3", INTERVAL)
        ),
    )
    ways = [what_packets_meet(each) for each in tables]
    async with place.entered() as ours:
        await ours.converges(tables[0])
        found: list[int] = []
        for at in range(1, MOST):
            wanted = tables[at % 2]
            with anyio.CancelScope() as scope:
                cutters.append(Cutter(at, scope))
                await ours.reconcile(wanted)
            late = cutters[-1].steps < at
            cutters.clear()
            there = await place.pulled(wanted)
            met = what_packets_meet(there)
            assert met in ways
            assert wanted.key in ours.ledger.ownership
            found.append(ways.index(met))
            await ours.converges(wanted)
            if late:
                break
        assert {0, 1} == set(found)


async def cancel_after(ticks: int, scope: anyio.CancelScope) -> None:
    for _ in range(ticks):
        await checkpoint()
    scope.cancel()


async def test_so_it_does_between_steps_of_the_event_loop(place: Place) -> None:
    tables = await parsed(*FOUR), await parsed("drop", *reversed(FOUR))
    async with place.entered() as ours:
        await ours.converges(tables[0])
        ticks = 0
        for turn in range(1, MOST):
            ended = False
            wanted = tables[turn % 2]
            async with anyio.create_task_group() as tg:
                tg.start_soon(cancel_after, ticks, tg.cancel_scope)
                await ours.reconcile(wanted)
                ended = True
                tg.cancel_scope.cancel()
            assert await place.pulled(wanted) in tables
            await ours.converges(wanted)
            if ended:
                return
            ticks += 1 + ticks // 10
    pytest.fail("the pass never ends")


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_so_it_does_where_its_task_is_cancelled(
    anyio_backend: str, place: Place, cutters: list[Cutter]
) -> None:
    """asyncio's own Task.cancel, which a shield does not keep out."""
    tables = await parsed(*FOUR), await parsed("drop", *reversed(FOUR))
    async with place.entered() as ours:
        await ours.converges(tables[0])
        for at in range(1, MOST):
            wanted = tables[at % 2]
            task = asyncio.create_task(ours.reconcile(wanted))
            cutters.append(Cutter(at, task))
            await asyncio.wait([task])
            late = cutters[-1].steps < at
            cutters.clear()
            assert await place.pulled(wanted) in tables
            await ours.converges(wanted)
            if late:
                return
    pytest.fail("the pass never ends")
