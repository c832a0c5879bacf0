"""What the kernel changes of a set that is there, which is not the same of all kernels."""

from __future__ import annotations

from typing import Any

import pytest

from linx_async.netfilter import Set, Table
from tests.kernel.nft_families import ANY
from tests.kernel.nft_place import Place, place, said
from tests.kernel.nft_tables import differences

__all__ = ["place"]

pytestmark = pytest.mark.anyio

CHANGES = {
    "a longer timeout": ({"timeout_ms": 3_600_000}, {"timeout_ms": 7_200_000}),
    "a timeout": ({"timeouts": True}, {"timeouts": True, "timeout_ms": 7_200_000}),
    "no timeout": ({"timeout_ms": 7_200_000}, {"timeouts": True}),
    "a gc interval": ({"timeouts": True}, {"timeouts": True, "gc_interval_ms": 2000}),
    "another gc interval": (
        {"timeouts": True, "gc_interval_ms": 1000},
        {"timeouts": True, "gc_interval_ms": 2000},
    ),
    "no gc interval": ({"timeouts": True, "gc_interval_ms": 1000}, {"timeouts": True}),
    "more room": ({"size": 100}, {"size": 200}),
    "less room": ({"size": 200}, {"size": 100}),
    "a size": ({}, {"size": 100}),
}


@pytest.mark.parametrize(("before", "after"), CHANGES.values(), ids=CHANGES)
async def test_a_set_is_changed_in_place_or_that_it_is_not_is_told(
    place: Place, before: dict[str, Any], after: dict[str, Any]
) -> None:
    one, two = (Table(ANY, "ours", sets=[Set("s", "mark", **each)]) for each in (before, after))
    async with place.entered() as ours:
        await ours.converges(one)
        report = await ours.reconcile(two)
        again = await ours.reconcile(two)
        assert (again.converged, again.applied) == (report.converged, ())
        if report.converged:
            assert not differences(await place.pulled(two), two)
        else:
            assert "only if it is made anew" in said(again)


@pytest.mark.parametrize("after", [7_200_000, None])
async def test_elements_get_the_sets_new_time_in_the_same_pass(
    place: Place, after: int | None
) -> None:
    one, two = (
        Table(ANY, "ours", sets=[Set("s", "mark", [1], timeouts=True, timeout_ms=each)])
        for each in (3_600_000, after)
    )
    async with place.entered() as ours:
        await ours.converges(one)
        await ours.converges(two)
        assert not differences(await place.pulled(two), two)
