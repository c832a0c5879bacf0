"""Conflicts that only show when an op is tried, in a loop."""

from __future__ import annotations

import errno
import math

import anyio
import pytest

from linx_async import Loop, Outcome, Ownership, Trigger
from linx_async.testing import Change, FakeKernel, FakeSource
from linx_async.testing.changes import Objects
from tests.loop.running import HOUR, running

pytestmark = pytest.mark.anyio


class Shortsighted(FakeSource):
    """Sees what is its own alone, and learns of others' when it tries to make the same."""

    hidden: frozenset[str] = frozenset({"a"})

    async def observe(self, desired: Objects, owned: Ownership) -> dict[str, str]:
        found = await super().observe(desired, owned)
        return {key: value for key, value in found.items() if key not in self.hidden - set(owned)}

    def _do(self, op: Change) -> Outcome:
        outcome = super()._do(op)
        if outcome.error is not None and outcome.error.errno == errno.EEXIST:
            return Outcome(conflict="somebody else has it")
        return outcome


async def test_a_conflict_is_told_and_does_not_make_the_loop_spin() -> None:
    kernel = FakeKernel({"a": "another's"})
    source = Shortsighted(kernel, batch=1)
    loop = Loop(source, {"a": "1", "b": "1", "c<a": "1"}, interval=math.inf)
    async with running(loop):
        await anyio.sleep(HOUR)
        assert source.passes <= 2
        report = loop.last_report
        assert report is not None
        assert not report.converged
        assert [conflict.key for conflict in report.conflicts] == ["a"]
        assert [op.key for op in report.pending] == ["c<a"]
        assert kernel.objects == {"a": "another's", "b": "1"}
        assert set(report.last_applied) == {"b"}


async def test_once_the_other_has_gone_a_hint_makes_it_ours() -> None:
    kernel = FakeKernel({"a": "another's"})
    loop = Loop(Shortsighted(kernel, batch=1), {"a": "1", "c<a": "1"}, interval=math.inf)
    async with running(loop):
        await anyio.sleep(HOUR)
        kernel.drift("a", None)
        report = await loop.wait_converged()
        assert report.trigger is Trigger.HINT
        assert kernel.objects == {"a": "1", "c<a": "1"}
        assert set(report.last_applied) == {"a", "c<a"}


async def test_a_conflict_is_looked_at_again_with_every_resync() -> None:
    source = Shortsighted(FakeKernel({"a": "another's"}))
    loop = Loop(source, {"a": "1"}, interval=60, monitor=False)
    async with running(loop):
        await anyio.sleep(HOUR)
        assert 59 <= source.passes <= 62
