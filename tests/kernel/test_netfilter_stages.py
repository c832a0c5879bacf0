"""What takes effect late is put there first, under another name where its own is taken."""

from __future__ import annotations

from contextlib import suppress

import pytest
from attrs import evolve

from linx_async import netfilter
from linx_async.netfilter import Table, compile
from tests.kernel.nft_place import Place, place
from tests.kernel.nft_tables import counts

__all__ = ["place"]

pytestmark = pytest.mark.anyio


async def table(*rules: str, more: str = "", priority: int = 0) -> Table:
    body = "\n".join(rules)
    chain = f"chain o {{\ntype filter hook output priority {priority}; policy accept;\n{body}\n}}"
    return await compile(f"table inet ours {{\n{more}\n{chain}\n}}")


def a_set(elements: str, flags: str = "interval") -> str:
    return f"set s {{ type inet_service; flags {flags}; elements = {{ {elements} }}; }}"


async def done(place: Place, wanted: Table) -> list[str]:
    """What a pass does, in words; the next has nothing to do."""
    report = await place.converges(wanted, recreate=True)
    assert await place.pulled(wanted) == wanted
    assert not (await place.converges(wanted, recreate=True)).applied
    return [str(op).partition(":")[0] for op in report.applied]


async def test_a_new_set_with_ranges_comes_before_the_rules_that_use_it(place: Place) -> None:
    await place.converges(await table("udp dport 9 drop"))
    words = await done(place, await table("udp dport @s drop", more=a_set("5-9")))
    assert words == ["add set s", "add 3 elements to set s", *words[2:]]
    assert words[2].startswith("replace rule o[0]")


async def test_one_transaction_does_where_nothing_could_get_past(place: Place) -> None:
    wanted = await table("udp dport @s drop", "udp dport { 7-8, 20 } drop", more=a_set("5-9"))
    async with place.entered() as ours:
        before = await ours.generation()
        await ours.converges(wanted)
        assert await ours.generation() == before + 1


async def test_a_plan_to_look_at_has_all_that_it_comes_to(place: Place) -> None:
    await place.converges(await table("udp dport 9 drop"), lifetime="shared")
    wanted = await table("udp dport @s drop", "udp dport 1-20 accept", more=a_set("5-9"))
    plan = await netfilter.dry_run(wanted, scope=place.scope, lifetime="shared")
    assert not plan.interim
    assert [type(op).__name__ for op in plan.ops] == [
        "AddSet",
        "AddElements",
        "ReplaceRule",
        "AddRule",
    ]


async def test_another_set_does_the_work_of_one_that_is_made_anew(place: Place) -> None:
    await place.converges(await table("udp dport @s counter drop", more=a_set("5-9")))
    place.sends(9, 3)
    before = counts(await place.pull(await table()), "o")
    wanted = await table("udp dport @s counter drop", more=a_set("7-9", "interval, timeout"))
    words = await done(place, wanted)
    assert words[0] == "add set s.next"
    assert words[-1] == "delete set s.next"
    assert "delete set s" in words
    assert counts(await place.pull(wanted), "o") == before


async def test_another_chain_does_the_work_of_one_that_changes_in_many_ways(place: Place) -> None:
    await place.converges(await table("udp dport 9 drop"))
    words = await done(place, await table("udp dport { 5-9, 20 } drop", "udp dport 1-20 accept"))
    assert words[0] == "add chain o.next"
    assert words[-1] == "delete chain o.next"


async def test_and_that_of_one_that_is_made_anew(place: Place) -> None:
    await place.converges(await table("udp dport { 5-9, 20 } drop"))
    words = await done(place, await table("udp dport { 5-9, 20 } drop", priority=5))
    assert words.index("add chain o.next") < words.index("delete chain o")


async def test_another_table_does_the_work_of_one_that_is_made_anew(place: Place) -> None:
    wanted = await table("udp dport { 5-9, 20 } drop")
    await place.converges(evolve(wanted, comment="old"))
    words = await done(place, evolve(wanted, comment="new"))
    assert words[0] == "add table inet ours.next"
    assert words.count("delete table inet ours.next") == 1
    assert "ours.next" not in await place.shown("tables")


async def test_names_that_are_taken_are_passed_by(place: Place) -> None:
    taken = "\nset s.next { type inet_service; elements = { 1 }; }"
    rules = "udp dport @s drop", "udp sport @s.next drop"
    await place.converges(await table(*rules, more=a_set("5-9") + taken))
    wanted = await table(*rules, more=a_set("7-9", "interval, timeout") + taken)
    assert (await done(place, wanted))[0] == "add set s.next2"


@pytest.mark.parametrize("rounds", range(1, 7))
async def test_what_was_left_behind_half_way_is_deleted_by_the_next_pass(
    place: Place, rounds: int
) -> None:
    """Each round is cut off in turn, and something else is desired from then on."""
    before = await table("udp dport @s drop", more=a_set("5-9"))
    after = await table(
        "udp dport @s drop",
        "udp dport { 5-9, 20 } drop",
        "udp dport 1-20 accept",
        more=a_set("7-9", "interval, timeout"),
    )
    last = evolve(before, comment="last")
    async with place.entered(recreate=True) as ours:
        await ours.converges(before)
        observe, left = ours.source.observe, rounds

        class Enough(Exception):
            """It ends here."""

        async def counting(*given: object) -> object:
            nonlocal left
            left -= 1
            if left < 0:
                raise Enough
            return await observe(*given)  # type: ignore[arg-type]

        with pytest.MonkeyPatch.context() as patch, suppress(Enough):
            patch.setattr(ours.source, "observe", counting)
            await ours.reconcile(after)
        await ours.converges(last)
        assert await place.pulled(last) == last
        assert ".next" not in await place.shown("ruleset")
