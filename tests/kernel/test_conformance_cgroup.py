"""The cgroup source, put through the laws that every Source keeps, on the real kernel."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fnmatch import fnmatch
from pathlib import Path

import anyio.to_thread
import pytest

from linx_async import cgroup
from linx_async.testing.conformance import Law, SourceCase
from linx_async.testing.namespaces import cgroup2_writable, scratch_cgroup
from tests.cgroups import NO_PLACE, read, write
from tests.conformance import LONG, Case, keeps_short_laws

pytestmark = pytest.mark.anyio

DEPTH, DESCENDANTS, FREEZE = "cgroup.max.depth", "cgroup.max.descendants", "cgroup.freeze"
ROUNDED = "hugetlb.2MB.max"
LIMITS = ("cgroup.max.*", FREEZE, "cgroup.type", "cgroup.subtree_control", "hugetlb.*.max")


def limits(path: Path) -> Mapping[str, object]:
    """What can be set; the rest counts what goes on."""
    return {
        # A new cgroup has the largest number of whole huge pages, and says max once it is written.
        file.name: read(file).replace("9223372036854771712", "max")
        for file in path.iterdir()
        if any(fnmatch(file.name, pattern) for pattern in LIMITS)
    }


def shown(desired: Mapping[str, object]) -> Mapping[str, object]:
    """What the kernel makes of it: a number of whole huge pages."""
    return {
        key: str(int(value) // (2 << 20) * (2 << 20)) if key == ROUNDED else str(int(value))
        for key, value in desired.items()
        if isinstance(value, int)
    }


@pytest.fixture
def case(request: pytest.FixtureRequest) -> Iterator[Case]:
    reverts = request.param == "revert"
    if cgroup2_writable() is None:
        pytest.skip(NO_PLACE)
    with scratch_cgroup(enable=["hugetlb"]) as path:
        rounded = (path / ROUNDED).exists()

        async def look() -> Mapping[str, object]:
            return await anyio.to_thread.run_sync(limits, path)

        async def meddle() -> None:
            await anyio.to_thread.run_sync(write, path / DEPTH, "9")

        yield SourceCase(
            make=lambda: cgroup.Source(str(path), revert_on_release=reverts),
            states=(
                {DEPTH: 5, DESCENDANTS: 7, **({ROUNDED: 3 << 20} if rounded else {})},
                {DEPTH: 6, FREEZE: True, **({ROUNDED: 4 << 20} if rounded else {})},
            ),
            empty={},
            look=look,
            shows=shown,
            meddle=meddle,
            wrong=({"cgroup/max": 1}, {DEPTH: object()}),
            restores=reverts,
        )


@pytest.mark.parametrize("case", ["revert", "keep"], indirect=True)
async def test_the_source_keeps_the_laws(case: Case) -> None:
    assert await keeps_short_laws(case) == {"conflicts"}


@pytest.mark.parametrize("case", ["revert"], indirect=True)
@pytest.mark.parametrize("law", LONG, ids=str)
async def test_the_source_keeps_the_law_wherever_it_is_cut_short(law: Law, case: Case) -> None:
    await law.check(case)
