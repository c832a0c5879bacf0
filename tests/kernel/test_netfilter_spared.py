"""Elements that are left alone since their time will end, and what they name."""

from __future__ import annotations

import pytest

from linx_async import netfilter
from tests.kernel.nft_families import ANY
from tests.kernel.nft_place import Place, needs_nft, place

__all__ = ["place"]

pytestmark = [pytest.mark.anyio, needs_nft]


TIMED = """
table {family} ours {{
    {declared}
    map ways {{ type mark : {data}; flags timeout; }}
    chain main {{ }}
}}
"""


@pytest.mark.parametrize(
    ("declared", "data", "value"),
    [
        pytest.param("chain aside { }", "verdict", "jump aside", id="chain"),
        pytest.param("counter hits { }", "counter", '"hits"', id="object"),
    ],
)
async def test_what_an_element_names_that_has_a_time_to_go_goes_with_it(
    place: Place, declared: str, data: str, value: str
) -> None:
    """Such an element is left alone else; the kernel deletes no chain or object that it names."""
    fields = {"family": ANY, "data": data}
    before = await netfilter.compile(TIMED.format(declared=declared, **fields))
    after = await netfilter.compile(TIMED.format(declared="", **fields))
    async with place.entered() as ours:
        await ours.converges(before)
        theirs = f"{{ 1 timeout 1h : {value} }}"
        await place.load(f"add element {ANY} ours ways {theirs}")
        assert (await ours.converges(before)).applied == ()
        await ours.converges(after)
        assert not (await place.pull(after)).sets["ways"].set.elements


async def test_one_that_names_what_stays_is_left_alone(place: Place) -> None:
    fields = {"family": ANY, "data": "verdict"}
    kept, gone = "chain kept { }\n", "chain gone { }\n"
    before = await netfilter.compile(TIMED.format(declared=kept + gone, **fields))
    after = await netfilter.compile(TIMED.format(declared=kept, **fields))
    theirs = "{ 1 timeout 1h : jump kept, 2 timeout 1h : jump gone, 3 timeout 1h : drop }"
    async with place.entered() as ours:
        await ours.converges(before)
        await place.load(f"add element {ANY} ours ways {theirs}")
        report = await ours.converges(after)
        assert "delete 1 element of map ways" in map(str, report.applied)
        assert len((await place.pull(after)).sets["ways"].set.elements) == 2
