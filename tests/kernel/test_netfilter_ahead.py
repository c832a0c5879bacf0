"""A rule that brings ranges of its own comes before what it replaces goes: they need a moment."""

from __future__ import annotations

import pytest

from linx_async.netfilter import Table, compile
from tests.kernel.nft_place import Place, place
from tests.kernel.nft_tables import counts

__all__ = ["place"]

pytestmark = pytest.mark.anyio


async def table(*rules: str, sets: str = "") -> Table:
    body = "\n".join(rules)
    chain = f"chain o {{\ntype filter hook output priority 0; policy accept;\n{body}\n}}"
    return await compile(f"table inet ours {{\n{sets}\n{chain}\n}}")


async def ops(place: Place, wanted: Table) -> list[str]:
    report = await place.converges(wanted)
    assert await place.pulled(wanted) == wanted
    return [type(op).__name__ for op in report.applied]


async def test_what_a_rule_with_ranges_replaces_goes_after_it(place: Place) -> None:
    await place.converges(await table("udp dport { 7-9, 20 } drop", "counter"))
    done = await ops(place, await table("udp dport { 7-10, 20 } drop", "counter"))
    assert done == ["AddRule", "DeleteRule"]


async def test_it_comes_where_it_belongs(place: Place) -> None:
    first, last = "udp dport 7 accept", "counter"
    await place.converges(await table(first, "udp dport { 7-9, 20 } drop", last))
    await ops(place, await table("udp dport { 1-2, 4 } drop", last, "udp dport { 7-9, 20 } drop"))
    await ops(place, await table(last, "udp dport { 7-10, 20 } drop", first))
    await ops(place, await table(first))


async def test_what_it_replaces_may_use_what_goes_too(place: Place) -> None:
    used = "set old { type inet_service; elements = { 7, 8 }; }"
    await place.converges(await table("udp dport @old drop", sets=used))
    done = await ops(place, await table("udp dport { 7-8, 20 } drop"))
    assert done == ["AddRule", "DeleteRule", "DeleteSet"]


async def test_it_goes_on_counting(place: Place) -> None:
    one = await table('udp dport { 9-19, 30 } counter comment "same"')
    two = await table('udp dport { 9-20, 30 } counter comment "same"')
    await place.converges(one)
    place.sends(9, 3)
    before = counts(await place.pull(one), "o")
    await place.converges(two)
    assert counts(await place.pull(two), "o") == before


async def test_other_rules_are_replaced_in_place(place: Place) -> None:
    await place.converges(await table("udp dport { 7, 9 } drop"))
    assert await ops(place, await table("udp dport { 7, 10 } drop")) == ["ReplaceRule"]
