"""The way back of sysctls and limits: their values from before, and those that went along."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from anyio import to_thread
from attrs import frozen

from ..._core.memory import MemoryStore, Record
from ..._core.model import Plan, Report
from ..._core.ownership import Claim, Ownership
from ..._core.reconcile import Ledger, run_pass
from ..._flat.observed import Observed
from ..._flat.ops import ReleaseValue, WriteValue, shown
from .losses import Loss

__all__ = ["Values", "look_at_values"]

_INTERFACES = "/proc/sys/net/ipv4/conf"


@frozen
class Values:
    """The values of keys.

    Attributes:
        values: The values that were there.
        written: What the apply was going to write, by key.
        affected: Keys that may have changed with those.
        incarnation: Which of several objects of the same name the scope was.
    """

    values: Mapping[str, str]
    written: Mapping[str, str]
    affected: frozenset[str]
    incarnation: str | None

    async def put_back(
        self, source: Any, record: Record, before: Ownership
    ) -> tuple[Ownership, list[Loss]]:
        """Write the values from before, where they are still what we made of them."""
        now = await record.load()
        claimed = {key for key in {*now, *before} if now.get(key) != before.get(key)}
        touched = (self.written.keys() | self.affected | claimed) & self.values.keys()
        if not touched:
            return before, []
        claims = Ownership({key: self._claim(key, now, before) for key in sorted(touched)})
        nothing = source.check({})
        async with MemoryStore().open("the way back", "") as passing:
            await passing.save(claims)
            report = await run_pass(source, nothing, await Ledger.of(passing))
        seen = await source.observe(nothing, _looked_at(touched))
        losses = list(self._losses(source, seen, report, sorted(touched)))
        lost = {loss.key: now[loss.key] for loss in losses if loss.key in now}
        return Ownership({**before, **lost}), losses

    def _claim(self, key: str, now: Ownership, before: Ownership) -> Claim:
        """That a key is ours to revert: what it was, and what we made of it."""
        ours = now.get(key)
        if ours is not None and ours != before.get(key):
            return Claim(key, ours.value, self.values[key], ours.settled, self.incarnation)
        return Claim(key, self.written.get(key), self.values[key], None, self.incarnation)

    def _losses(
        self, source: Any, seen: Observed, report: Report[Any], touched: Iterable[str]
    ) -> Iterable[Loss]:
        if seen.incarnation != self.incarnation:
            yield Loss(source.name, "what is called so now is another one; it is left alone")
            return
        why = {op.key: op.because for op in report.applied if isinstance(op, ReleaseValue)}
        why |= {failure.key: failure.error.message for failure in report.failed}
        for key in touched:
            was, found = self.values[key], seen.values.get(key)
            if found is None:
                reason = seen.absent.get(key) or str(seen.refused.get(key, "it cannot be read"))
                yield Loss(key, f"was {shown(was)}; {reason}")
            elif found != was and not source.vocabulary.same(key, was, found):
                reason = f": {why[key]}" if why.get(key) else ""
                yield Loss(key, f"is {shown(found)}, and was {shown(was)}{reason}")


async def look_at_values(
    source: Any, desired: Any, observed: Observed, owned: Ownership, plan: Plan[Any]
) -> Values:
    """The values of all keys that an apply may change.

    Raises:
        SourceError: They cannot be read.
    """
    written = {op.key: op.text for op in plan.ops if isinstance(op, WriteValue)}
    affected: frozenset[str] = frozenset()
    if written and source.name.startswith("sysctl"):
        affected = await to_thread.run_sync(_affected, source, written)
    if affected:
        observed = await source.observe(desired, owned.with_claims(_looked_at(affected).values()))
    return Values(observed.values, written, affected, observed.incarnation)


def _looked_at(keys: Iterable[str]) -> Ownership:
    return Ownership({key: Claim(key) for key in keys})


def _affected(source: Any, written: Mapping[str, str]) -> frozenset[str]:
    """All keys that may change with those which are written, by however many steps."""
    from ..._kernel.netns import NetworkNamespace
    from ...sysctl.knobs import affected, effects

    scope: NetworkNamespace = source.scope
    target = scope.open()
    try:
        interfaces = target.call(_interfaces)
    finally:
        target.close()
    found: set[str] = set()
    causes = list(written.items())
    while causes:
        key, text = causes.pop()
        fresh = affected(key, text, interfaces) - found
        causes += effects(key, text, fresh).items()
        found |= fresh
    return frozenset(found)


def _interfaces() -> list[str]:
    import os

    return os.listdir(_INTERFACES)
