"""A plan of what is not so any more is made again; ops that go along with a refused one wait."""

from __future__ import annotations

import errno
from collections.abc import Sequence

import pytest

from linx_async import OpError, Outcome, Ownership, StalePlan, reconcile
from linx_async._core.memory import MemoryStore
from linx_async.testing import Change, FakeKernel, FakeSource

pytestmark = pytest.mark.anyio


class Overtaken(FakeSource):
    """Somebody else writes between the look and the first apply: `times` times."""

    def __init__(self, kernel: FakeKernel, times: int) -> None:
        super().__init__(kernel)
        self.fake = kernel
        self.times = times

    async def apply(self, batch: Sequence[Change]) -> Sequence[Outcome]:
        if self.times:
            self.times -= 1
            self.calls.append("overtaken")
            self.fake.drift("theirs", str(self.times))
            raise StalePlan(f"{self.name}: somebody wrote")
        return await super().apply(batch)


class AllOrNothing(FakeSource):
    """It refuses one key; where that is in a batch, the others are not done either."""

    async def apply(self, batch: Sequence[Change]) -> Sequence[Outcome]:
        if not any(op.key == "bad" for op in batch):
            return await super().apply(batch)
        return [
            Outcome(OpError(op.key, errno.EINVAL)) if op.key == "bad" else Outcome(pending=True)
            for op in batch
        ]


async def test_what_was_overtaken_is_observed_again_in_the_same_pass() -> None:
    kernel = FakeKernel()
    source = Overtaken(kernel, 3)
    report = await reconcile(source, {"ours": "1"})
    assert report.converged
    assert kernel.look() == {"ours": "1", "theirs": "0"}
    assert source.calls.count("observe") == 4
    assert report.last_applied.keys() == {"ours"}


async def test_a_pass_that_is_overtaken_again_and_again_ends_and_claims_nothing() -> None:
    source = Overtaken(FakeKernel(), 10**6)
    store = MemoryStore()
    with pytest.raises(StalePlan, match="somebody wrote"):
        await reconcile(source, {"ours": "1"}, store=store)
    assert source.calls.count("overtaken") == 6
    async with store.open("fake", "fake") as record:
        assert await record.load() == Ownership()


async def test_what_goes_along_with_a_refused_op_is_pending_and_not_claimed() -> None:
    source = AllOrNothing(FakeKernel())
    report = await reconcile(source, {"good": "1", "bad": "1"})
    assert not report.converged
    assert [each.key for each in report.failed] == ["bad"]
    assert [op.key for op in report.pending] == ["good"]
    assert report.last_applied == Ownership()
