"""The core's types as users and authors of sources meet them: read by the checkers, never run."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, assert_never, assert_type

import anyio

from linx_async import (
    Claim,
    Conflict,
    Failure,
    FileStore,
    Hint,
    Loop,
    MemoryStore,
    Op,
    OpError,
    Ownership,
    Plan,
    Record,
    Report,
    Source,
    SourceError,
    Store,
    Supervisor,
    Waiting,
)
from linx_async.testing import Change, FakeKernel, FakeSource, Forget, Put, Remove, Restore


def ops_of_several_classes_are_told_apart(report: Report[Change]) -> str:
    for op in report.applied:
        match op:
            case Put():
                assert_type(op.value, str)
            case Remove() | Restore() | Forget():
                assert_type(op.key, str)
            case _:
                assert_never(op)
    for failure in report.failed:
        assert_type(failure, Failure[Change])
        assert_type(failure.op, Change | None)
        assert_type(failure.error, OpError)
    assert_type(report.pending, tuple[Change, ...])
    assert_type(report.waiting, tuple[Waiting, ...])
    assert_type(report.conflicts, tuple[Conflict, ...])
    return str(report)


def every_class_of_op_is_an_op(put: Put, remove: Remove, forget: Forget) -> list[Op]:
    return [put, remove, forget]


def a_plan_knows_its_ops(plan: Plan[Change]) -> list[Change]:
    assert_type(plan.batches, tuple[tuple[Change, ...], ...])
    return [*plan, *plan.ops]


def what_we_own_is_a_mapping(owned: Ownership) -> Mapping[str, Claim]:
    assert_type(owned.get("key"), Claim | None)
    return owned


class Nowhere:
    """A store that somebody else wrote."""

    @asynccontextmanager
    async def open(self, name: str, identity: str) -> AsyncGenerator[Record]:
        yield Nothing()


class Nothing:
    async def load(self) -> Ownership:
        return Ownership()

    async def save(self, ownership: Ownership) -> None: ...


def any_store_will_do() -> list[Store]:
    return [MemoryStore(), FileStore(), FileStore("/run/mine"), Nowhere()]


def a_fake_source_is_a_source() -> Source[Mapping[str, str], dict[str, str], Change]:
    return FakeSource(FakeKernel())


async def tell(report: Report[Change] | SourceError) -> None: ...


def tell_of_any_subsystem(report: Report[Op] | SourceError) -> None: ...


def what_is_read_may_be_seen_more_broadly(
    report: Report[Put], plan: Plan[Put], failure: Failure[Put]
) -> tuple[Report[Op], Plan[Change], Failure[Op]]:
    return report, plan, failure


Told = list[Report[Change] | SourceError]


def on_report_may_be_many_things(source: FakeSource, told: Told) -> list[Loop[Any, Any, Change]]:
    desired: Mapping[str, str] = {"a": "1"}
    return [
        Loop(source, desired, on_report=tell),
        Loop(source, desired, on_report=told.append),
        Loop(source, desired, on_report=print),
        Loop(source, desired, on_report=tell_of_any_subsystem),
        Loop(source, desired, store=Nowhere(), last_applied=None, name=None),
    ]


async def a_report_or_an_error(loop: Loop[Mapping[str, str], dict[str, str], Change]) -> None:
    async with loop.reports() as reports:
        assert_type(reports, AsyncIterator[Report[Change] | SourceError])
        async for report in reports:
            if isinstance(report, SourceError):
                continue
            assert_type(report, Report[Change])


def to_run_is_what_task_groups_start(loop: Loop[Any, Any, Change], other: Supervisor) -> None:
    run: Callable[[], Awaitable[None]] = loop.run
    print(run)
    run = other.run
    print(run)


async def hints(kernel: FakeKernel) -> Hint:
    with kernel.watch() as queue, anyio.move_on_after(1):
        async for hint in queue:
            return hint
    return Hint("lost", keys=None, lost=True)
