"""Passes of a source over one desired state, timed."""

from __future__ import annotations

import time
from typing import Any, Generic, TypeVar

from attrs import define, field

from linx_async import Ownership, Plan, Source

DesiredT = TypeVar("DesiredT")


@define
class Passes(Generic[DesiredT]):
    """Passes of a source over one desired state."""

    source: Source[DesiredT, Any, Any]
    desired: DesiredT
    owned: Ownership = field(factory=Ownership)

    async def look(self) -> Plan[Any]:
        observed = await self.source.observe(self.desired, self.owned)
        return self.source.diff(self.desired, observed, self.owned)

    async def quiet(self) -> float:
        began = time.perf_counter()
        plan = await self.look()
        seconds = time.perf_counter() - began
        assert not plan.batches, f"{[str(op) for op in plan.ops][:5]}: it is not quiet"
        assert not plan.conflicts, plan.conflicts
        return seconds

    async def apply(self, plan: Plan[Any]) -> float:
        began = time.perf_counter()
        for batch in plan.batches:
            outcomes = await self.source.apply(batch)
            assert all(outcome.done for outcome in outcomes)
        return time.perf_counter() - began

    async def whole(self, desired: DesiredT) -> float:
        """A pass with another state desired from now on."""
        began = time.perf_counter()
        self.desired = desired
        plan = await self.look()
        await self.apply(plan)
        seconds = time.perf_counter() - began
        assert plan.batches
        return seconds
