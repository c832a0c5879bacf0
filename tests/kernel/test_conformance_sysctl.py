"""The sysctl source, put through the laws that every Source keeps, on the real kernel."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import anyio.to_thread
import pytest

from linx_async import NetworkNamespace, sysctl
from linx_async.testing.conformance import Law, SourceCase
from linx_async.testing.namespaces import Namespaces
from tests.conformance import LONG, Case, keeps_short_laws
from tests.kernel.sysctls import listing

pytestmark = pytest.mark.anyio

LO = "net/ipv4/conf/lo"
IGNORE, ANNOUNCE, FILTER = (f"{LO}/{name}" for name in ("arp_ignore", "arp_announce", "rp_filter"))


def shown(desired: Mapping[str, object]) -> Mapping[str, object]:
    return {key: str(value) for key, value in desired.items()}


@pytest.fixture
def case(request: pytest.FixtureRequest, box: Namespaces) -> Iterator[Case]:
    reverts = request.param == "revert"
    scope = NetworkNamespace.at_path(box.path("net"))
    target = scope.open()

    async def look() -> Mapping[str, object]:
        return await anyio.to_thread.run_sync(target.call, lambda: listing(LO))

    async def meddle() -> None:
        await anyio.to_thread.run_sync(box.write, f"/proc/sys/{IGNORE}", "8")

    yield SourceCase(
        make=lambda: sysctl.Source(scope, revert_on_release=reverts),
        states=({IGNORE: 1, ANNOUNCE: 1}, {IGNORE: 2, FILTER: 2}),
        empty={},
        look=look,
        shows=shown,
        meddle=meddle,
        wrong=({"": 1}, {IGNORE: object()}, {"kernel.hostname": "elsewhere"}),
        restores=reverts,
    )
    target.close()


@pytest.mark.parametrize("case", ["revert", "keep"], indirect=True)
async def test_the_source_keeps_the_laws(case: Case) -> None:
    assert await keeps_short_laws(case) == {"conflicts"}


@pytest.mark.parametrize("case", ["revert"], indirect=True)
@pytest.mark.parametrize("law", LONG, ids=str)
async def test_the_source_keeps_the_law_wherever_it_is_cut_short(law: Law, case: Case) -> None:
    await law.check(case)
