"""One pass: observe, diff, apply, and the record kept right whatever happens in between."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from functools import partial
from itertools import chain
from typing import Any, TypeAlias, TypeVar

import anyio
from attrs import define, evolve

from .errors import DesiredStateError, SourceError, StalePlan
from .groups import uninterrupted
from .memory import MemoryStore, Record, Store
from .model import Failure, OpT, Outcome, Plan, Report, Trigger, Verb
from .ownership import Claim, Ownership
from .source import Source
from .tally import Tally

__all__ = ["Ledger", "identity_of", "reconcile", "run_pass"]

_MOST_ROUNDS = 3
_MOST_INTERIM = 8
"""Plans in a row that lead only part of the way."""
_MOST_OUTDATED = 5
_JITTER = 0.01
"""Seconds, at most, before the first look after one that was outdated; more before the next."""
APPLY_LIMIT = 30.0
"""Seconds a batch may take before its outcome counts as unknown."""

DesiredT = TypeVar("DesiredT")
ObservedT = TypeVar("ObservedT")

OnBatch: TypeAlias = Callable[[int, int], None]
"""Hears how many ops of a plan had their turn, and how many there are."""


@define
class Ledger:
    """A record, and what it says: the memory of it and the stored one never differ for long."""

    record: Record
    ownership: Ownership

    @classmethod
    async def of(cls, record: Record, initial: Ownership | None = None) -> Ledger:
        """What the record says now, or is to say from now on."""
        ledger = cls(record, await record.load())
        if initial is not None:
            await ledger.put(initial)
        return ledger

    async def put(self, ownership: Ownership) -> None:
        """Store a new state of it. Not to be cut short: let nothing interrupt it."""
        if ownership != self.ownership:
            await self.record.save(ownership)
            self.ownership = ownership


async def run_pass(
    source: Source[DesiredT, ObservedT, OpT],
    desired: DesiredT,
    ledger: Ledger,
    *,
    trigger: Trigger = Trigger.FORCED,
    revision: int = 0,
    limit: float = APPLY_LIMIT,
    on_batch: OnBatch | None = None,
) -> Report[OpT]:
    """Observe, diff and apply once, in an entered source.

    Once more, where the plan leads only part of the way, or the source says that an op may have
    taken something desired along.

    Cancellation lands between batches, never inside one; the ledger is right wherever it lands.

    Args:
        source: An entered source.
        desired: The desired state, in the source's shape.
        ledger: What we own; it is brought up to date before and after each batch.
        trigger: Why the pass runs, for the report.
        revision: Which desired state this is, for the report.
        limit: Seconds a batch may take before its outcome counts as unknown.
        on_batch: Called before the first batch of each plan, and after every one.

    Raises:
        StalePlan: What was observed was outdated before it was acted on, again and again.
        SourceError: The pass could not run.
    """
    began = anyio.current_time()
    applied: list[OpT] = []
    stale: frozenset[str] = frozenset()
    timings: dict[str, float] = {}
    rounds = interim = outdated = 0
    observe = getattr(source, "observe_to_apply", source.observe)
    while True:
        tally = Tally[OpT]()
        try:
            observed = await observe(desired, ledger.ownership)
            plan = source.diff(desired, observed, ledger.ownership)
            await _apply_plan(source, plan, ledger, limit, tally, on_batch)
        except StalePlan:
            outdated += 1
            if outdated > _MOST_OUTDATED:
                raise
            applied += tally.applied
            # Whoever writes at the same time shall not meet us again.
            await anyio.sleep(random.uniform(0, _JITTER * outdated))  # noqa: S311 - no secret
            continue
        except OSError as error:
            raise SourceError(f"{source.name}: {error}") from error
        applied += tally.applied
        stale |= plan.stale
        timings |= tally.timings
        if plan.interim and interim < _MOST_INTERIM and tally.applied and not tally.failed:
            interim += 1
            continue
        rounds += 1
        if rounds == _MOST_ROUNDS or not _is_unsettled(source, tally):
            break
    conflicts = (*plan.conflicts, *tally.conflicts)
    waiting = (*plan.waiting, *tally.waiting)
    return Report(
        converged=not (tally.failed or tally.pending or waiting or conflicts or plan.interim),
        applied=tuple(applied),
        failed=tuple(tally.failed),
        pending=tuple(tally.pending),
        waiting=waiting,
        conflicts=conflicts,
        last_applied=ledger.ownership,
        stale=stale,
        trigger=trigger,
        revision=revision,
        duration=anyio.current_time() - began,
        timings=timings,
    )


def _is_unsettled(source: Source[Any, Any, OpT], tally: Tally[OpT]) -> bool:
    """Whether something desired may have gone along with what was done, if only by half."""
    unsettles = getattr(source, "unsettles", None)
    if unsettles is None:
        return False
    halfway = (each.op for each in tally.failed if each.op is not None)
    return any(map(unsettles, chain(tally.applied, halfway)))


async def _apply_plan(
    source: Source[Any, Any, OpT],
    plan: Plan[OpT],
    ledger: Ledger,
    limit: float,
    tally: Tally[OpT],
    on_batch: OnBatch | None,
) -> None:
    tally.failed += [Failure[OpT](None, error) for error in plan.failed]
    if plan.stale:
        await uninterrupted(partial(ledger.put, ledger.ownership.without(plan.stale)))
    done, total = 0, sum(map(len, plan.batches))
    if on_batch is not None:
        on_batch(done, total)
    for batch in plan.batches:
        await anyio.lowlevel.checkpoint()
        ready = tally.ready(batch)
        if ready:
            await uninterrupted(partial(_apply_batch, source, ready, ledger, limit, tally))
        done += len(batch)
        if on_batch is not None:
            on_batch(done, total)


async def _apply_batch(
    source: Source[Any, Any, OpT],
    batch: Sequence[OpT],
    ledger: Ledger,
    limit: float,
    tally: Tally[OpT],
) -> None:
    before = ledger.ownership
    claims = [claim for op in batch if (claim := op.claim) is not None]
    # Claim before creating: from here on the record says that these may be ours.
    await ledger.put(_claimed(before, claims))
    try:
        outcomes = await _outcomes(source, batch, limit)
    except StalePlan:
        await ledger.put(before)
        raise
    tally.count_all(batch, outcomes)
    if before or claims:
        # Release after deleting; and a refused op gives its claim back.
        await ledger.put(_settled(before, batch, outcomes))


async def _outcomes(
    source: Source[Any, Any, OpT], batch: Sequence[OpT], limit: float
) -> Sequence[Outcome]:
    """One outcome an op; a release is no business of the source's."""
    release = Verb.RELEASE
    work = [op for op in batch if op.verb is not release]
    answers: Sequence[Outcome] = ()
    if work:
        with anyio.move_on_after(limit) as scope:
            answers = await source.apply(work)
        if scope.cancelled_caught:
            answers = [Outcome(unknown=True)] * len(work)
    if len(answers) != len(work):
        raise SourceError(f"{source.name}: gave {len(answers)} outcomes for {len(work)} ops")
    if len(work) == len(batch):
        return answers
    left = iter(answers)
    return [Outcome() if op.verb is Verb.RELEASE else next(left) for op in batch]


def _claimed(owned: Ownership, claims: Sequence[Claim]) -> Ownership:
    if not claims:
        return owned
    return owned.with_claims(_merged(owned.get(claim.key), claim) for claim in claims)


def _merged(before: Claim | None, claim: Claim) -> Claim:
    """The original value is captured once, by whoever came first."""
    if before is None or before.incarnation != claim.incarnation:
        return claim
    return evolve(claim, original=before.original)


def _settled(before: Ownership, batch: Sequence[OpT], outcomes: Sequence[Outcome]) -> Ownership:
    """What was ours before, and what of the batch was done or may have been, op by op."""
    claims = dict(before)
    for op, outcome in zip(batch, outcomes, strict=True):
        if outcome.done and op.verb.disowns:
            claims.pop(op.key, None)
        elif op.claim is not None and (outcome.done or outcome.unknown):
            claim = _merged(before.get(op.key), op.claim)
            if outcome.settled is not None:
                claim = evolve(claim, settled=outcome.settled)
            claims[op.key] = claim
    return Ownership(claims)


def identity_of(source: Source[Any, Any, Any]) -> str:
    """What the record of an entered source belongs to."""
    return str(getattr(source, "identity", source.name))


def checked_last_applied(last_applied: Ownership | None, store: Store | None) -> Ownership | None:
    """The initial ownership.

    Raises:
        DesiredStateError: It is none, or there is a store to have it from.
    """
    if last_applied is None:
        return None
    if not isinstance(last_applied, Ownership):
        raise DesiredStateError(
            f"last_applied: expected an Ownership (a report's last_applied), got {last_applied!r}"
        )
    if store is not None:
        raise DesiredStateError("last_applied: give either this or a store, not both")
    return last_applied


async def reconcile(
    source: Source[DesiredT, ObservedT, OpT],
    desired: DesiredT,
    *,
    last_applied: Ownership | None = None,
    store: Store | None = None,
    name: str | None = None,
    on_batch: OnBatch | None = None,
) -> Report[OpT]:
    """Enter a source, make one pass, and leave it again.

    Args:
        source: The source.
        desired: The desired state, in the source's shape.
        last_applied: What we own: the `last_applied` of an earlier report.
        store: Where ownership is kept instead; with a store, a cancelled pass loses no claim.
        name: The record's name in the store; default: the source's.
        on_batch: Called with how many ops of a plan had their turn, and how many there are: before
            the first batch of each plan, and after every one.

    Raises:
        DesiredStateError: The desired state is wrong as written, or `last_applied` is no ownership,
            or given beside a store.
        SourceError: The pass could not run.
    """
    checked = source.check(desired)
    initial = checked_last_applied(last_applied, store)
    keep = MemoryStore() if store is None else store
    async with source, keep.open(name or source.name, identity_of(source)) as record:
        ledger = await Ledger.of(record, initial)
        return await run_pass(source, checked, ledger, on_batch=on_batch)
