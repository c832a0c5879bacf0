"""Objects that come and go under one name: setting a new one is no fight."""

from __future__ import annotations

import math
from collections.abc import Mapping

import anyio
import pytest

from linx_async import Loop, Ownership, Plan, Waiting
from linx_async.testing import Change, FakeKernel, FakeSource, Put
from tests.loop.running import running

pytestmark = pytest.mark.anyio


class Slots(FakeSource):
    """Sets slots that are there, and waits for those that are not."""

    def diff(
        self, desired: Mapping[str, str], observed: Mapping[str, str], owned: Ownership
    ) -> Plan[Change]:
        absent = desired.keys() - observed.keys()
        wrong = [key for key in desired if observed.get(key, desired[key]) != desired[key]]
        puts = tuple(Put(key, desired[key], observed[key], observed[key]) for key in wrong)
        return Plan(
            batches=(puts,) if puts else (),
            waiting=tuple(Waiting(key, "it is not there") for key in sorted(absent)),
            stale=frozenset(owned.keys() & absent),
        )


async def test_a_slot_that_comes_and_goes_is_set_as_quickly_each_time() -> None:
    kernel = FakeKernel()
    loop = Loop(Slots(kernel), {"a": "1"}, interval=math.inf)
    async with running(loop):
        for _ in range(20):
            kernel.drift("a", "0")
            await anyio.sleep(0.15)
            assert kernel.objects == {"a": "1"}
            kernel.drift("a", None)
            await anyio.sleep(0.15)
        assert loop.last_report is not None
        assert loop.last_report.flapping == ()
        assert loop.last_report.waiting


async def test_a_report_tells_what_it_dropped() -> None:
    kernel = FakeKernel({"a": "0"})
    loop = Loop(Slots(kernel), {"a": "1"}, interval=math.inf)
    async with running(loop):
        kernel.drift("a", None)
        report = await loop.reconcile()
        assert report.stale == {"a"}
        assert not (await loop.reconcile()).stale
