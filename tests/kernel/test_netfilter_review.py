"""Changes that the kernel refuses, rounds or rewrites where they are sent as they look."""

from __future__ import annotations

from typing import Any

import pytest

from linx_async import netfilter
from linx_async.netfilter import Chain, RuleError, Set, Table
from linx_async.netfilter.desired.element import Element
from tests.kernel.nft_families import needs_inet
from tests.kernel.nft_place import Place, needs_nft, place, said

__all__ = ["place"]
pytestmark = [pytest.mark.anyio, needs_nft, needs_inet]


def table(*sets: Set, chains: tuple[Chain, ...] = ()) -> Table:
    return Table("inet", "t", chains, sets)


async def parsed(*lines: str) -> Table:
    return await netfilter.compile("\n".join(("table inet t {", *lines, "}")))


async def settles(place: Place, wanted: Table, *, recreate: bool = False) -> None:
    """One pass makes the table what it should be, and the next finds nothing."""
    report = await place.converges(wanted, recreate=recreate)
    again = await place.converges(wanted, recreate=recreate)
    assert not again.applied, f"{said(report)}\nand then\n{said(again)}"


async def test_a_chain_becomes_a_base_chain_while_a_map_that_names_it_goes(place: Place) -> None:
    await settles(
        place,
        await parsed(
            "map ways { type mark : verdict; elements = { 1 : jump aside }",
            "}",
            "chain aside { accept;",
            "}",
            "chain first { meta mark vmap @ways;",
            "}",
        ),
    )
    await settles(
        place,
        await parsed("chain aside { type filter hook input priority 0; accept;", "}"),
    )


async def test_a_limit_is_made_anew_while_a_map_that_names_it_goes(place: Place) -> None:
    await settles(
        place,
        await parsed(
            "limit slow { rate 1/second;",
            "}",
            'map limits { type mark : limit; elements = { 1 : "slow" }',
            "}",
            "chain first { limit name meta mark map @limits;",
            "}",
        ),
    )
    await settles(place, await parsed("limit slow { rate 2/second;", "}"), recreate=True)


async def test_a_range_of_a_big_set_is_cut_in_two(place: Place) -> None:
    value = Set("s", "ipv4_addr", ["10.0.0.0/8"], interval=True, auto_merge=True)
    cut = value.removing(["10.1.0.0/16"])
    async with place.entered() as entered:
        await entered.converges(table(value))
        await entered.converges(table(cut))
    assert (await place.pull(table(cut))).sets["s"].set.elements == cut.elements


@pytest.mark.parametrize("time", [7, 100_003])
async def test_a_time_that_the_kernel_rounds_is_the_same_time(place: Place, time: int) -> None:
    await settles(place, table(Set("s", "ipv4_addr", timeout_ms=time)))


async def test_an_element_keeps_its_time_where_the_kernel_rounds_it(place: Place) -> None:
    elements = [Element("10.0.0.1", timeout_ms=100_003), Element("10.0.0.2", timeout_ms=100_000)]
    await settles(place, table(Set("s", "ipv4_addr", elements, timeouts=True)))
    await settles(place, table(Set("other", "ipv4_addr", elements, timeout_ms=100_002)))


async def test_the_times_of_a_set_come_change_and_go_in_place(place: Place) -> None:
    changes: tuple[dict[str, Any], ...] = (
        {},
        {"timeout_ms": 60_000},
        {"timeout_ms": 60_000, "gc_interval_ms": 1000},
        {"timeout_ms": 60_000, "gc_interval_ms": 2000},
        {"gc_interval_ms": 3000},
        {},
    )
    for times in changes:
        wanted = table(Set("s", "ipv4_addr", timeouts=True, **times))
        await settles(place, wanted)
        assert await place.pulled(wanted) == wanted


async def test_an_element_that_shall_stay_longer_is_put_there_again(place: Place) -> None:
    for time in (100_000, 100_020):
        elements = [Element("10.0.0.1", timeout_ms=time)]
        await settles(place, table(Set("s", "ipv4_addr", elements, timeouts=True)))
    pulled = await place.pull(table())
    (rest,) = pulled.sets["s"].set.elements.values()
    assert rest.timeout_ms == 100_020


async def test_what_packets_put_into_a_set_that_is_not_declared_dynamic_stays(
    place: Place,
) -> None:
    place.box.run(["ip", "link", "set", "lo", "up"])
    wanted = table(
        Set("seen", "ipv4_addr"), chains=(Chain("o", ["add @seen { ip daddr }"], hook="output"),)
    )
    await place.converges(wanted)
    place.sends(9)
    await settles(place, wanted)
    assert len((await place.pull(wanted)).sets["seen"].set.elements) == 1


async def test_a_size_that_is_declared_no_more_is_reported_and_nothing_is_sent(
    place: Place,
) -> None:
    await place.converges(table(Set("s", "ipv4_addr", size=100)))
    report = await place.reconcile(table(Set("s", "ipv4_addr")))
    assert not report.applied
    assert ["it has the size 100" in str(each.error) for each in report.failed] == [True]


async def test_a_full_set_gets_more_room_and_more_elements(place: Place) -> None:
    await settles(place, table(Set("s", "ipv4_addr", ["10.0.0.1"], size=1)))
    await settles(place, table(Set("s", "ipv4_addr", ["10.0.0.1", "10.0.0.2"], size=2)))


async def test_a_constant_set_gets_an_element_and_room_for_it(place: Place) -> None:
    value = Set("s", "ipv4_addr", ["10.0.0.1"], constant=True)
    await settles(place, table(value))
    await settles(place, table(value.adding(["10.0.0.2"])))
    await settles(place, table(value.adding(["10.0.0.2"]).removing(["10.0.0.1"])))


@pytest.mark.parametrize(
    "rule",
    [
        "accept\nadd rule inet t other drop",
        "accept; insert rule inet t first drop",
        "accept; flush chain inet t first",
        "accept; add table inet another",
        "accept; delete table inet t",
    ],
)
async def test_a_rule_with_another_command_in_it_is_refused(place: Place, rule: str) -> None:
    chains = Chain("other", ["accept"]), Chain("first", [rule])
    with pytest.raises(RuleError, match="another command"):
        await place.reconcile(table(chains=chains))
    assert place.raw("inet", "t") == {}


async def test_a_rule_that_says_its_own_place_is_refused(place: Place) -> None:
    rules = ["meta mark 1 accept", "meta mark 2 drop", "index 0 meta mark 3 accept"]
    with pytest.raises(RuleError, match=r"chain first, rules\[2\]: begins with 'index'"):
        await place.reconcile(table(chains=(Chain("first", rules),)))
