"""The nf_tables source, put through the laws that every Source keeps, on the real kernel."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import pytest

from linx_async import netfilter
from linx_async.netfilter import Lifetime, Table
from linx_async.testing.conformance import Law, SourceCase
from tests.conformance import LONG, Case, keeps_short_laws
from tests.kernel.nft_place import Place, place

__all__ = ["place"]

pytestmark = pytest.mark.anyio

THEIRS = """
table inet theirs {
    set ports { type inet_service; elements = { 22, 80 } }
    chain input { type filter hook input priority 10; tcp dport @ports counter accept; }
}
"""
ONE = netfilter.parse("""
table inet ours {
    set ports { type inet_service; elements = { 22, 80, 443 } }
    chain input { type filter hook input priority 0; tcp dport @ports accept; udp dport 9 drop; }
}
""")
TWO = netfilter.parse("""
table inet ours {
    set ports { type inet_service; elements = { 22, 8080 } }
    chain input { type filter hook input priority 0; udp dport 9 drop; tcp dport @ports accept; }
    chain output { type filter hook output priority 0; udp dport 10 drop; }
}
""")
RIVAL = "table inet ours { chain forward { type filter hook forward priority 0; }; }"
KEY = "table inet ours"


def shown(desired: Table | None) -> Mapping[str, object]:
    if desired is None:
        return {}
    rules = sum(len(each.rules) for each in desired.chains)
    return {KEY: desired, f"{KEY}, counted": (len(desired.chains), rules)}


@pytest.fixture
def case(request: pytest.FixtureRequest, place: Place) -> Case:
    lifetime: Lifetime = request.param
    place.load_now(THEIRS)

    async def look() -> Mapping[str, object]:
        seen: dict[str, object] = {"table inet theirs": place.raw()}
        ours = await netfilter.pull("inet", "ours", scope=place.scope)
        if ours is not None:
            raw = place.raw("inet", "ours")
            seen |= {KEY: ours.table, f"{KEY}, counted": (len(raw["chains"]), len(raw["rules"]))}
        return seen

    async def meddle() -> None:
        await place.load("flush chain inet ours input")

    @asynccontextmanager
    async def rival() -> AsyncIterator[None]:
        await place.load(RIVAL)
        yield
        await place.load("delete table inet ours")

    return SourceCase(
        make=lambda: netfilter.Source(place.scope, lifetime=lifetime, adopt=False),
        states=(ONE, TWO),
        empty=None,
        look=look,
        shows=shown,
        meddle=meddle,
        rival=rival,
        wrong=("table inet ours {}", {KEY: {}}),
    )


@pytest.mark.parametrize("case", ["shared", "persist"], indirect=True)
async def test_the_source_keeps_the_laws(case: Case) -> None:
    assert await keeps_short_laws(case) == set()


@pytest.mark.parametrize("case", ["persist"], indirect=True)
@pytest.mark.parametrize("law", LONG, ids=str)
async def test_the_source_keeps_the_law_wherever_it_is_cut_short(law: Law, case: Case) -> None:
    await law.check(case)
