"""A pass looks again where it was led part of the way, or an op may have taken something along."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest
from attrs import evolve

from linx_async import Claim, Loop, Outcome, Ownership, Plan, reconcile
from linx_async.testing import Change, FakeKernel, FakeSource, Put, Remove
from tests.loop.running import running

pytestmark = pytest.mark.anyio

OURS = Ownership({"post": Claim("post", "1"), "leaning": Claim("leaning", "1")})


class Leaning(FakeSource):
    """What leans on a post falls with it: and again each time it is put up, `falls` times."""

    def __init__(self, kernel: FakeKernel, falls: int) -> None:
        super().__init__(kernel)
        self.fake = kernel
        self.falls = falls

    def unsettles(self, op: Change) -> bool:
        return isinstance(op, Remove) or self.falls > 0

    async def apply(self, batch: Sequence[Change]) -> Sequence[Outcome]:
        outcomes = await super().apply(batch)
        if self.falls:
            self.falls -= 1
            self.fake.drift("leaning", None)
        return outcomes


async def test_what_fell_with_another_is_put_up_again_in_the_same_pass() -> None:
    kernel = FakeKernel({"post": "1", "leaning": "1"})
    report = await reconcile(Leaning(kernel, 1), {"leaning": "1"}, last_applied=OURS)
    assert report.converged
    assert kernel.look() == {"leaning": "1"}
    assert [type(op) for op in report.applied] == [Remove, Put]
    assert report.last_applied.keys() == {"leaning"}


async def test_it_is_not_looked_again_for_ever() -> None:
    kernel = FakeKernel({"post": "1", "leaning": "1"})
    source = Leaning(kernel, 10**6)
    report = await reconcile(source, {"leaning": "1"}, last_applied=OURS)
    assert [op.key for op in report.applied] == ["post", "leaning", "leaning"]
    assert source.calls.count("observe") == 3


async def test_where_nothing_is_taken_along_it_is_looked_once() -> None:
    source = Leaning(FakeKernel(), 0)
    report = await reconcile(source, {"post": "1"})
    assert report.converged
    assert source.calls.count("observe") == 1


class Stepping(FakeSource):
    """It plans one op at a time, and says of each but the last that more is to come."""

    def diff(
        self, desired: Mapping[str, str], observed: Mapping[str, str], owned: Ownership
    ) -> Plan[Change]:
        ops = super().diff(desired, observed, owned).ops
        return Plan((ops[:1],) if ops else (), interim=len(ops) > 1)


async def test_a_pass_goes_on_where_its_plan_leads_part_of_the_way() -> None:
    kernel = FakeKernel()
    wanted = {"a": "1", "b": "2", "c": "3"}
    source = Stepping(kernel)
    report = await reconcile(source, wanted)
    assert report.converged
    assert kernel.look() == wanted
    assert sorted(op.key for op in report.applied) == ["a", "b", "c"]
    assert source.calls.count("observe") == 3


async def test_it_does_not_go_on_after_a_failure() -> None:
    kernel = FakeKernel()
    kernel.refuse("a")
    source = Stepping(kernel)
    report = await reconcile(source, {"a": "1", "b": "2"})
    assert not report.converged
    assert len(report.failed) == source.calls.count("observe") == 1


async def test_what_leads_part_of_the_way_for_ever_has_not_converged() -> None:
    class Endless(Stepping):
        def diff(
            self, desired: Mapping[str, str], observed: Mapping[str, str], owned: Ownership
        ) -> Plan[Change]:
            return evolve(super().diff(desired, {}, owned), interim=True)

        async def apply(self, batch: Sequence[Change]) -> Sequence[Outcome]:
            return [Outcome() for _ in batch]

    source = Endless(FakeKernel())
    report = await reconcile(source, {"a": "1"})
    assert not report.converged
    assert not report.failed
    assert source.calls.count("observe") < 20


class Hasty(FakeSource):
    """Before it applies it reads nothing, as its creates tell what is there."""

    async def observe_to_apply(
        self, desired: Mapping[str, str], owned: Ownership
    ) -> dict[str, str]:
        self.calls.append("observe to apply")
        return {}

    async def apply(self, batch: Sequence[Change]) -> Sequence[Outcome]:
        there = self.kernel.look()
        done = await super().apply([op for op in batch if op.key not in there])
        assert all(each.done for each in done)
        return [Outcome(unneeded=op.key in there) for op in batch]


async def test_a_pass_that_applies_may_leave_unread_what_its_creates_find_out() -> None:
    source = Hasty(FakeKernel({"a": "1"}))
    report = await reconcile(source, {"a": "1", "b": "2"})
    assert report.converged
    assert [op.key for op in report.applied] == ["b"]
    assert report.last_applied.keys() == {"b"}
    assert source.kernel.look() == {"a": "1", "b": "2"}


async def test_who_only_looks_has_all_of_it_read() -> None:
    source = Hasty(FakeKernel({"a": "1"}))
    loop = Loop(source, {"a": "1", "b": "2"})
    loop.pause(look=True)
    async with running(loop):
        report = loop.last_report
    assert report is not None
    assert [op.key for op in report.pending] == ["b"]
    assert "observe to apply" not in source.calls
