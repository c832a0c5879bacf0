"""One pass: what is claimed, applied and released, in which order, and wherever it is cut short."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Self

import anyio
import pytest
from anyio import CancelScope
from anyio.lowlevel import checkpoint
from attrs import frozen
from hypothesis import given
from hypothesis import strategies as st

from linx_async import (
    Claim,
    Conflict,
    DesiredStateError,
    MemoryStore,
    OpError,
    Outcome,
    Ownership,
    Plan,
    Record,
    Report,
    Source,
    SourceError,
    StoreError,
    Trigger,
    Verb,
    reconcile,
)
from linx_async._core.model import DONE
from linx_async._core.reconcile import Ledger, run_pass
from linx_async.testing import Change, FakeKernel, FakeSource, Forget, Put, Remove
from linx_async.testing.changes import Objects, OnRelease

pytestmark = pytest.mark.anyio

Step = Callable[[str], Awaitable[None]]


async def one_checkpoint(_where: str) -> None:
    await checkpoint()


class Notebook:
    """A store with one record, which names its awaits and can be made to fail."""

    def __init__(self, ownership: Ownership | None = None, step: Step = one_checkpoint) -> None:
        self.ownership = ownership or Ownership()
        self.step = step
        self.saves: list[Ownership] = []
        self.fail_at: int | None = None

    def __len__(self) -> int:
        return len(self.ownership)

    @asynccontextmanager
    async def open(self, name: str, identity: str) -> AsyncIterator[Record]:
        yield self

    async def load(self) -> Ownership:
        await self.step("load")
        return self.ownership

    async def save(self, ownership: Ownership) -> None:
        await self.step("before save")
        if len(self.saves) == self.fail_at:
            raise StoreError("the disk is full")
        self.saves.append(ownership)
        self.ownership = ownership
        await self.step("after save")


class Scripted(FakeSource):
    """A source with a given plan, and given outcomes for one batch after the other."""

    def __init__(self, *batches: Sequence[Change], **rest: Any) -> None:
        super().__init__(FakeKernel())
        self.plan = Plan[Change](tuple(map(tuple, batches)), **rest)
        self.outcomes: dict[str, Outcome] = {}
        self.batches: list[list[Change]] = []
        self.short = 0

    def diff(self, desired: Objects, observed: Objects, owned: Ownership) -> Plan[Change]:
        return self.plan

    async def apply(self, batch: Sequence[Change]) -> Sequence[Outcome]:
        self.batches.append(list(batch))
        await checkpoint()
        outcomes = [self.outcomes.get(op.key, Outcome()) for op in batch]
        return outcomes[: len(outcomes) - self.short]


def owned(*claims: Claim) -> Ownership:
    return Ownership().with_claims(claims)


def no(key: str, number: int = errno.EPERM) -> Outcome:
    return Outcome(error=OpError(key, number))


async def one_pass(
    source: Source[Objects, Any, Change],
    desired: Objects | None = None,
    notebook: Notebook | None = None,
    **options: Any,
) -> Report[Change]:
    async with source:
        ledger = await Ledger.of(Notebook() if notebook is None else notebook)
        return await run_pass(source, desired or {}, ledger, **options)


# What a pass does


async def test_a_pass_makes_the_kernel_as_desired_and_owns_what_it_made() -> None:
    kernel = FakeKernel()
    report = await one_pass(FakeSource(kernel), {"a": "1", "b": "2"})
    assert kernel.objects == {"a": "1", "b": "2"}
    assert report.converged
    assert [str(op) for op in report.applied] == ["put a = 1", "put b = 2"]
    assert set(report.last_applied) == {"a", "b"}
    assert not any([report.failed, report.pending, report.waiting, report.conflicts])


async def test_a_second_pass_applies_nothing_and_stores_nothing() -> None:
    kernel, notebook = FakeKernel(), Notebook()
    await one_pass(FakeSource(kernel), {"a": "1"}, notebook)
    changes, saves = kernel.changes, len(notebook.saves)
    report = await one_pass(FakeSource(kernel), {"a": "1"}, notebook)
    assert report.applied == ()
    assert report.converged
    assert (kernel.changes, len(notebook.saves)) == (changes, saves)


async def test_what_is_not_desired_any_more_is_deleted_and_not_owned_any_more() -> None:
    kernel, notebook = FakeKernel(), Notebook()
    await one_pass(FakeSource(kernel), {"a": "1", "b": "2"}, notebook)
    report = await one_pass(FakeSource(kernel), {"b": "2"}, notebook)
    assert kernel.objects == {"b": "2"}
    assert set(report.last_applied) == set(notebook.ownership) == {"b"}


async def test_foreign_objects_are_left_alone_equal_or_not() -> None:
    kernel = FakeKernel({"equal": "1", "other": "2", "beside": "3"})
    report = await one_pass(FakeSource(kernel), {"equal": "1", "other": "0"})
    assert kernel.objects == {"equal": "1", "other": "2", "beside": "3"}
    assert not report.converged
    assert [conflict.key for conflict in report.conflicts] == ["other"]
    assert report.last_applied == Ownership()


async def test_what_waits_is_no_failure_but_it_is_not_converged_either() -> None:
    report = await one_pass(FakeSource(FakeKernel()), {"late?": "1", "a": "1"})
    assert [waiting.key for waiting in report.waiting] == ["late?"]
    assert report.failed == ()
    assert not report.converged


async def test_a_report_says_why_the_pass_ran_and_for_which_revision() -> None:
    report = await one_pass(FakeSource(FakeKernel()), {}, trigger=Trigger.RETRY, revision=7)
    assert report.trigger is Trigger.RETRY
    assert report.revision == 7
    assert report.duration >= 0


async def test_a_report_has_the_time_of_each_op_that_told_it() -> None:
    source = Scripted([Put("a", "1"), Put("b", "1")])
    source.outcomes = {"a": Outcome(duration=0.25)}
    assert (await one_pass(source)).timings == {"a": 0.25}


# Ownership around the ops


async def test_a_claim_is_stored_before_anything_is_created() -> None:
    steps: list[str] = []

    async def step(where: str) -> None:
        steps.append(where)

    await one_pass(FakeSource(FakeKernel(), step=step), {"a": "1"}, Notebook(step=step))
    assert steps.index("after save") < steps.index("before put a = 1")


async def test_a_claim_is_given_up_only_after_its_object_was_deleted() -> None:
    steps: list[str] = []

    async def step(where: str) -> None:
        steps.append(where)

    notebook = Notebook(owned(Claim("a", "1")), step)
    await one_pass(FakeSource(FakeKernel({"a": "1"}), step=step), {}, notebook)
    assert steps.index("after remove a") < steps.index("before save")
    assert notebook.ownership == Ownership()


async def test_a_refused_create_gives_its_claim_back() -> None:
    source, notebook = Scripted([Put("a", "1"), Put("b", "1")]), Notebook()
    source.outcomes = {"a": no("a")}
    report = await one_pass(source, notebook=notebook)
    assert [failure.key for failure in report.failed] == ["a"]
    assert [op.key for op in report.applied] == ["b"]
    assert set(notebook.ownership) == {"b"}
    assert not report.converged


async def test_a_refused_update_gives_back_the_claim_from_before() -> None:
    before = owned(Claim("a", "1", original="0", settled="1"))
    source, notebook = Scripted([Put("a", "2", was="1")]), Notebook(before)
    source.outcomes = {"a": no("a")}
    await one_pass(source, notebook=notebook)
    assert notebook.ownership == before


async def test_a_refused_delete_keeps_its_claim() -> None:
    before = owned(Claim("a", "1"))
    source, notebook = Scripted([Remove("a")]), Notebook(before)
    source.outcomes = {"a": no("a", errno.EBUSY)}
    await one_pass(source, notebook=notebook)
    assert notebook.ownership == before


async def test_an_outcome_that_nobody_knows_keeps_the_claim_and_fails() -> None:
    source, notebook = Scripted([Put("a", "1"), Remove("b")]), Notebook(owned(Claim("b", "1")))
    source.outcomes = {"a": Outcome(unknown=True), "b": Outcome(unknown=True)}
    report = await one_pass(source, notebook=notebook)
    assert set(notebook.ownership) == {"a", "b"}
    assert report.applied == ()
    assert [failure.unknown for failure in report.failed] == [True, True]
    assert "no answer came" in str(report.failed[0])


async def test_an_error_of_which_nobody_knows_whether_it_was_done_keeps_the_claim() -> None:
    source, notebook = Scripted([Put("a", "1")]), Notebook()
    source.outcomes = {"a": Outcome(error=OpError("a", None, "reads 2"), unknown=True)}
    report = await one_pass(source, notebook=notebook)
    assert set(notebook.ownership) == {"a"}
    assert str(report.failed[0]) == "put a = 1: a: reads 2"


async def test_what_the_kernel_made_of_a_value_is_recorded_even_if_it_is_empty() -> None:
    source, notebook = Scripted([Put("a", "1M"), Put("b", " ")]), Notebook()
    source.outcomes = {"a": Outcome(settled="1048576"), "b": Outcome(settled="")}
    await one_pass(source, notebook=notebook)
    assert notebook.ownership["a"].settled == "1048576"
    assert notebook.ownership["b"].settled == ""


async def test_the_original_is_captured_once() -> None:
    kernel, notebook = FakeKernel({"a": "from before"}), Notebook()
    for value in ("1", "2", "3"):
        await one_pass(FakeSource(kernel, on_release="revert"), {"a": value}, notebook)
    assert notebook.ownership["a"].original == "from before"
    await one_pass(Scripted([Put("a", "4", "3", original="3")]), notebook=notebook)
    assert notebook.ownership["a"].original == "from before"
    assert notebook.ownership["a"].value == "4"


async def test_another_object_of_the_same_name_has_an_original_of_its_own() -> None:
    @frozen
    class PutAnew(Put):
        @property
        def claim(self) -> Claim:
            return Claim(self.key, self.value, self.original, incarnation="new")

    notebook = Notebook(owned(Claim("a", "1", original="0", incarnation="old")))
    await one_pass(Scripted([PutAnew("a", "1", "max", original="max")]), notebook=notebook)
    assert notebook.ownership["a"] == Claim("a", "1", original="max", incarnation="new")


async def test_the_original_is_put_back_and_the_claim_ends() -> None:
    kernel, notebook = FakeKernel({"a": "from before"}), Notebook()
    await one_pass(FakeSource(kernel, on_release="revert"), {"a": "1"}, notebook)
    await one_pass(FakeSource(kernel, on_release="revert"), {}, notebook)
    assert kernel.objects == {"a": "from before"}
    assert notebook.ownership == Ownership()


async def test_a_release_ends_the_claim_and_never_reaches_the_source() -> None:
    source = Scripted([Forget("a"), Put("b", "1")], [Forget("c")])
    notebook = Notebook(owned(Claim("a", "1"), Claim("c", "1")))
    report = await one_pass(source, notebook=notebook)
    assert source.batches == [[Put("b", "1")]]
    assert set(notebook.ownership) == {"b"}
    assert report.applied == source.plan.ops
    assert report.converged


async def test_claims_on_what_is_gone_are_dropped_before_anything_is_applied() -> None:
    source = Scripted([Put("a", "1", original="new")], stale=frozenset({"a", "b"}))
    notebook = Notebook(owned(Claim("a", "1", original="old"), Claim("b"), Claim("c")))
    report = await one_pass(source, notebook=notebook)
    assert set(notebook.saves[0]) == {"c"}
    assert report.last_applied == owned(Claim("c"), Claim("a", "1", original="new"))


async def test_a_foreign_twin_of_what_we_once_had_is_safe() -> None:
    kernel, notebook = FakeKernel(), Notebook()
    await one_pass(FakeSource(kernel), {"a": "1"}, notebook)
    kernel.delete("a")
    await one_pass(FakeSource(kernel), {}, notebook)
    kernel.drift("a", "1")
    await one_pass(FakeSource(kernel), {}, notebook)
    assert kernel.objects == {"a": "1"}


async def test_an_object_that_is_replaced_in_one_batch_stays_ours() -> None:
    notebook = Notebook(owned(Claim("a", "1", original="0")))
    await one_pass(Scripted([Remove("a"), Put("a", "2")]), notebook=notebook)
    assert notebook.ownership == owned(Claim("a", "2", original="0"))


@pytest.mark.parametrize(
    ("put", "still_ours"), [(no("a", errno.EEXIST), False), (Outcome(unknown=True), True)]
)
async def test_an_object_that_was_deleted_and_not_made_again_is_not_ours(
    put: Outcome, still_ours: bool
) -> None:
    source, notebook = Scripted([Remove("a"), Put("a", "2")]), Notebook(owned(Claim("a", "1")))
    outcomes = iter([Outcome(), put])
    source.outcomes = Answers(lambda: next(outcomes))
    await one_pass(source, notebook=notebook)
    assert ("a" in notebook.ownership) is still_ours


class Answers(dict[str, Outcome]):
    """The next answer, whatever is asked."""

    def __init__(self, answer: Callable[[], Outcome]) -> None:
        self.answer = answer

    def get(self, key: str, default: Any = None) -> Any:
        return self.answer()


# Conflicts that only show when an op is tried


HELD = Outcome(conflict="protocol 4 has it")


async def test_a_key_that_turns_out_to_be_anothers_is_a_conflict_and_no_failure() -> None:
    source = Scripted([Put("a", "1"), Put("b", "1")])
    source.outcomes = {"a": HELD}
    report = await one_pass(source)
    assert report.conflicts == (Conflict("a", "protocol 4 has it"),)
    assert [op.key for op in report.applied] == ["b"]
    assert not any([report.failed, report.pending])
    assert not report.converged


async def test_a_conflict_alone_changes_nothing_and_is_not_converged() -> None:
    source = Scripted([Put("a", "1")])
    source.outcomes = {"a": HELD}
    report = await one_pass(source)
    assert not report.converged
    assert not report.changed


async def test_a_conflict_gives_its_claim_back() -> None:
    source, notebook = Scripted([Put("a", "1"), Put("b", "1")]), Notebook()
    source.outcomes = {"a": HELD}
    report = await one_pass(source, notebook=notebook)
    assert set(notebook.saves[0]) == {"a", "b"}
    assert set(notebook.ownership) == set(report.last_applied) == {"b"}


@pytest.mark.parametrize("op", [Put("a", "2", was="1"), Remove("a")], ids=["update", "delete"])
async def test_a_conflict_leaves_the_claim_from_before(op: Change) -> None:
    before = owned(Claim("a", "1", original="0", settled="1"))
    source, notebook = Scripted([op]), Notebook(before)
    source.outcomes = {"a": HELD}
    await one_pass(source, notebook=notebook)
    assert notebook.ownership == before


async def test_what_depends_on_a_conflict_is_pending() -> None:
    source = Scripted(
        [Put("link", "1")],
        [Put("address", "1", requires=frozenset({"link"})), Put("unrelated", "1")],
        [Put("route", "1", requires=frozenset({"address"}))],
    )
    source.outcomes = {"link": HELD}
    notebook = Notebook()
    report = await one_pass(source, notebook=notebook)
    assert [op.key for op in report.pending] == ["address", "route"]
    assert [op.key for op in report.applied] == ["unrelated"]
    assert set(notebook.ownership) == {"unrelated"}


async def test_conflicts_that_were_known_before_are_told_first() -> None:
    source = Scripted([Put("b", "1")], conflicts=(Conflict("a", "it is 2, and not ours"),))
    source.outcomes = {"b": HELD}
    report = await one_pass(source)
    assert [conflict.key for conflict in report.conflicts] == ["a", "b"]


async def test_a_conflict_has_a_time_too() -> None:
    source = Scripted([Put("a", "1")])
    source.outcomes = {"a": Outcome(conflict="protocol 4 has it", duration=0.25)}
    assert (await one_pass(source)).timings == {"a": 0.25}


async def test_done_may_be_shared_by_all_ops() -> None:
    source, notebook = Scripted([Put("a", "1"), Remove("b")]), Notebook(owned(Claim("b")))
    source.outcomes = dict.fromkeys("ab", DONE)
    report = await one_pass(source, notebook=notebook)
    assert report.converged
    assert report.applied == source.plan.ops
    assert report.timings == {}
    assert set(notebook.ownership) == {"a"}


def test_only_what_was_done_is_done() -> None:
    assert DONE.done
    assert Outcome() == DONE
    assert Outcome(settled="").done
    assert not any(
        outcome.done for outcome in (HELD, no("a"), Outcome(unknown=True), Outcome(no("a").error))
    )


# Order


async def test_only_what_depends_on_a_failed_op_is_pending() -> None:
    source = Scripted(
        [Put("link", "1"), Put("other", "1")],
        [Put("address", "1", requires=frozenset({"link"})), Put("unrelated", "1")],
        [Put("route", "1", requires=frozenset({"address"}))],
        [Put("more", "1", requires=frozenset({"other", "nowhere"}))],
    )
    source.outcomes = {"link": no("link")}
    report = await one_pass(source)
    assert [op.key for op in report.pending] == ["address", "route"]
    assert [op.key for op in report.applied] == ["other", "unrelated", "more"]
    assert [[op.key for op in batch] for batch in source.batches] == [
        ["link", "other"],
        ["unrelated"],
        ["more"],
    ]
    assert not report.converged


async def test_what_depends_on_a_pending_op_of_the_same_batch_is_pending_too() -> None:
    source = Scripted(
        [Put("link", "1")],
        [
            Put("address", "1", requires=frozenset({"link"})),
            Put("route", "1", requires=frozenset({"address"})),
        ],
    )
    source.outcomes = {"link": no("link")}
    report = await one_pass(source)
    assert [op.key for op in report.pending] == ["address", "route"]
    assert source.batches == [[Put("link", "1")]]


async def test_what_is_pending_is_not_claimed() -> None:
    source, notebook = Scripted([Put("a", "1"), Put("b", "1")]), Notebook()
    source.plan = Plan(
        ((Put("b", "1", requires=frozenset({"a"})),),), failed=(OpError("a", errno.EACCES),)
    )
    report = await one_pass(source, notebook=notebook)
    assert [op.key for op in report.pending] == ["b"]
    assert notebook.saves == []


async def test_what_fails_before_it_is_tried_is_told_without_an_op() -> None:
    error = OpError("a", errno.EACCES, "it cannot be read")
    report = await one_pass(Scripted([Put("b", "1")], failed=(error,)))
    assert [(failure.op, failure.error) for failure in report.failed] == [(None, error)]
    assert [op.key for op in report.applied] == ["b"]
    assert not report.converged


# When things go wrong


@pytest.mark.parametrize("call", ["observe", "apply"])
async def test_an_error_of_the_system_is_a_pass_that_could_not_run(
    call: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object) -> Any:
        raise PermissionError(errno.EACCES, "Permission denied", "/proc/sys/net")

    source = FakeSource(FakeKernel(), name="fake@blue")
    monkeypatch.setattr(source, call, fail)
    with pytest.raises(SourceError, match=r"fake@blue: .*Permission denied: '/proc/sys/net'"):
        await one_pass(source, {"a": "1"})


async def test_a_batch_that_ends_in_an_error_keeps_its_claims(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def fail(*_: object) -> Any:
        raise SourceError("the socket was closed")

    source, notebook = FakeSource(FakeKernel()), Notebook()
    monkeypatch.setattr(source, "apply", fail)
    with pytest.raises(SourceError, match="the socket was closed"):
        await one_pass(source, {"a": "1"}, notebook)
    assert set(notebook.ownership) == {"a"}


async def test_what_fails_before_the_pass_keeps_the_record() -> None:
    kernel, notebook = FakeKernel(), Notebook(owned(Claim("a", "1")))
    kernel.fail(SourceError("gone"))
    with pytest.raises(SourceError, match="gone"):
        await one_pass(FakeSource(kernel), {}, notebook)
    assert notebook.saves == []


@pytest.mark.parametrize("short", [1, -1])
async def test_a_source_that_gives_another_number_of_outcomes_is_refused(
    short: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def apply(batch: Sequence[Change]) -> Sequence[Outcome]:
        return [Outcome()] * (len(batch) - short)

    source, notebook = Scripted([Put("a", "1"), Put("b", "1")]), Notebook()
    monkeypatch.setattr(source, "apply", apply)
    with pytest.raises(SourceError, match=f"gave {2 - short} outcomes for 2 ops"):
        await one_pass(source, notebook=notebook)
    assert set(notebook.ownership) == {"a", "b"}


async def test_where_the_claims_cannot_be_stored_nothing_is_applied() -> None:
    kernel, notebook = FakeKernel(), Notebook()
    notebook.fail_at = 0
    with pytest.raises(StoreError):
        await one_pass(FakeSource(kernel), {"a": "1"}, notebook)
    assert kernel.objects == {}
    assert notebook.ownership == Ownership()


async def test_where_stale_claims_cannot_be_dropped_nothing_is_applied() -> None:
    kernel, notebook = FakeKernel(), Notebook(owned(Claim("gone")))
    notebook.fail_at = 0
    with pytest.raises(StoreError):
        await one_pass(FakeSource(kernel), {"a": "1"}, notebook)
    assert kernel.objects == {}


async def test_where_the_outcome_cannot_be_stored_the_record_says_more_not_less() -> None:
    kernel, notebook = FakeKernel({"b": "1"}), Notebook(owned(Claim("b", "1")))
    notebook.fail_at = 1
    with pytest.raises(StoreError):
        await one_pass(FakeSource(kernel), {"a": "1"}, notebook)
    assert kernel.objects == {"a": "1"}
    assert set(notebook.ownership) == {"a", "b"}


@pytest.mark.virtual_time
async def test_a_batch_that_takes_too_long_has_an_unknown_outcome_and_the_others_go_on() -> None:
    kernel, notebook = FakeKernel(), Notebook()

    async def step(where: str) -> None:
        if where == "after put b = 1":
            await anyio.sleep_forever()

    source = FakeSource(kernel, batch=2, step=step)
    desired = {"a": "1", "b": "1", "c": "1", "d": "1"}
    report = await one_pass(source, desired, notebook, limit=30.0)
    assert [failure.key for failure in report.failed] == ["a", "b"]
    assert all(failure.unknown for failure in report.failed)
    assert [op.key for op in report.applied] == ["c", "d"]
    assert set(notebook.ownership) == set(kernel.objects) == {"a", "b", "c", "d"}


# A pass by itself


async def test_reconcile_makes_one_pass_and_gives_the_ownership_for_the_next() -> None:
    kernel = FakeKernel()
    first = await reconcile(FakeSource(kernel), {"a": "1", "b": "1"})
    second = await reconcile(FakeSource(kernel), {"a": "1"}, last_applied=first.last_applied)
    assert kernel.objects == {"a": "1"}
    assert [op.verb for op in second.applied] == [Verb.DELETE]
    third = await reconcile(FakeSource(kernel), {"a": "1"}, last_applied=second.last_applied)
    assert third.applied == ()


async def test_reconcile_without_ownership_deletes_nothing() -> None:
    kernel = FakeKernel()
    await reconcile(FakeSource(kernel), {"a": "1", "b": "1"})
    await reconcile(FakeSource(kernel), {"a": "1"})
    assert kernel.objects == {"a": "1", "b": "1"}


async def test_reconcile_keeps_ownership_in_a_store_by_name() -> None:
    kernel, store = FakeKernel(), MemoryStore()
    await reconcile(FakeSource(kernel), {"a": "1"}, store=store)
    await reconcile(FakeSource(kernel), {}, store=store, name="another")
    assert kernel.objects == {"a": "1"}
    await reconcile(FakeSource(kernel), {}, store=store, name="fake")
    assert kernel.objects == {}


async def test_a_store_that_looks_empty_is_used_all_the_same() -> None:
    notebook = Notebook()
    assert not notebook
    await reconcile(FakeSource(FakeKernel()), {"a": "1"}, store=notebook)
    assert set(notebook.ownership) == {"a"}


async def test_the_record_belongs_to_the_identity_of_the_entered_source() -> None:
    class Pinned(FakeSource):
        identity = "?"

        async def __aenter__(self) -> Self:
            await super().__aenter__()
            self.identity = "net:[4026531840]"
            return self

    opened = []

    class Watched(Notebook):
        @asynccontextmanager
        async def open(self, name: str, identity: str) -> AsyncIterator[Record]:
            opened.append((name, identity))
            yield self

    await reconcile(Pinned(FakeKernel()), {}, store=Watched())
    await reconcile(FakeSource(FakeKernel()), {}, store=Watched())
    assert opened == [("fake", "net:[4026531840]"), ("fake", "fake")]


async def test_reconcile_takes_a_store_or_last_applied_but_not_both() -> None:
    with pytest.raises(DesiredStateError, match="last_applied: give either this or a store"):
        await reconcile(FakeSource(FakeKernel()), {}, store=MemoryStore(), last_applied=Ownership())


async def test_reconcile_refuses_a_report_in_place_of_its_ownership() -> None:
    report = await reconcile(FakeSource(FakeKernel()), {})
    with pytest.raises(DesiredStateError, match="last_applied: expected an Ownership"):
        await reconcile(FakeSource(FakeKernel()), {}, last_applied=report)  # type: ignore[arg-type]


async def test_a_wrong_desired_state_is_refused_before_the_source_is_entered() -> None:
    source = FakeSource(FakeKernel())
    with pytest.raises(DesiredStateError, match="'NO' is no key"):
        await reconcile(source, {"NO": "1"})
    assert source.calls == []


# Cut short anywhere


@frozen
class Scenario:
    """A kernel with objects of ours and of others, and what is wanted of it."""

    foreign: Mapping[str, str]
    ours: Mapping[str, str]
    desired: Mapping[str, str]
    refused: frozenset[str]
    batch: int
    takes_over: bool

    def source(self, kernel: FakeKernel, step: Step) -> FakeSource:
        on_release: OnRelease = "revert" if self.takes_over else "delete"
        return FakeSource(kernel, batch=self.batch, on_release=on_release, step=step)


keys = st.sampled_from([f"k{n}" for n in range(6)])
objects = st.dictionaries(keys, st.sampled_from("12"), max_size=5)


@st.composite
def scenarios(draw: st.DrawFn) -> Scenario:
    foreign = draw(objects)
    ours = {key: value for key, value in draw(objects).items() if key not in foreign}
    return Scenario(
        foreign=foreign,
        ours=ours,
        desired=draw(objects),
        refused=draw(st.frozensets(keys, max_size=2)),
        batch=draw(st.integers(1, 3)),
        takes_over=draw(st.booleans()),
    )


class Trace:
    """Counts the awaits of a pass, and cuts it short at one of them."""

    def __init__(self, at: int | None = None) -> None:
        self.steps: list[str] = []
        self.at = at
        self.cut: Callable[[], object] = lambda: None

    async def step(self, where: str) -> None:
        self.steps.append(where)
        if len(self.steps) == self.at:
            self.cut()
        await checkpoint()

    def unfinished(self) -> list[str]:
        """What was begun and not ended."""
        begun = [step.removeprefix("before ") for step in self.steps if step.startswith("before ")]
        ended = [step.removeprefix("after ") for step in self.steps if step.startswith("after ")]
        return [] if begun == ended else begun


class Stage:
    """One run of a scenario, from the same beginning each time."""

    def __init__(self, scenario: Scenario, at: int | None = None) -> None:
        self.scenario = scenario
        self.trace = Trace(at)
        self.kernel = FakeKernel({**scenario.foreign, **scenario.ours})
        self.notebook = Notebook(
            owned(*(Claim(key, value, settled=value) for key, value in scenario.ours.items())),
            self.trace.step,
        )

    async def run(self) -> Report[Change]:
        source = self.scenario.source(self.kernel, self.trace.step)
        with self.kernel.refuse(self.scenario.refused.__contains__):
            return await one_pass(source, self.scenario.desired, self.notebook)

    async def check(self) -> None:
        """Nothing of ours is unowned, nothing foreign was touched, and the next pass converges."""
        self.check_ownership()
        self.notebook.step = one_checkpoint
        report = await one_pass(
            self.scenario.source(self.kernel, one_checkpoint), self.scenario.desired, self.notebook
        )
        assert not any([report.failed, report.pending, report.waiting])
        self.check_ownership()
        self.check_convergence()

    def check_ownership(self) -> None:
        foreign, record = self.scenario.foreign, self.notebook.ownership
        assert self.trace.unfinished() == []
        for key, value in self.kernel.objects.items():
            if foreign.get(key) != value:
                assert key in record, f"{key} = {value} is unowned"
                assert record[key].original == foreign.get(key)
        for key, value in foreign.items():
            assert key in self.kernel.objects
            assert self.scenario.takes_over or self.kernel.objects[key] == value

    def check_convergence(self) -> None:
        scenario = self.scenario
        wanted = dict(scenario.desired)
        if not scenario.takes_over:
            wanted |= scenario.foreign
        for key, value in wanted.items():
            assert self.kernel.objects[key] == value
        for key in scenario.foreign.keys() - wanted.keys():
            assert self.kernel.objects[key] == scenario.foreign[key]
        if not scenario.takes_over:
            assert self.kernel.objects.keys() == wanted.keys()
            assert self.notebook.ownership.keys() == wanted.keys() - scenario.foreign.keys()


@given(scenarios())
async def test_cancelling_a_pass_at_any_await_loses_no_claim(scenario: Scenario) -> None:
    for at in range(1, 1000):
        stage = Stage(scenario, at)
        with CancelScope() as scope:
            stage.trace.cut = scope.cancel
            await stage.run()
        await stage.check()
        if len(stage.trace.steps) < at:
            return
    pytest.fail("the pass never ends")


@given(scenarios())
async def test_cancelling_a_pass_between_any_two_steps_of_the_event_loop_loses_no_claim(
    scenario: Scenario,
) -> None:
    for ticks in range(1000):
        stage = Stage(scenario)
        ended = False
        async with anyio.create_task_group() as tg:
            tg.start_soon(cancel_after, ticks, tg.cancel_scope)
            await stage.run()
            ended = True
            tg.cancel_scope.cancel()
        await stage.check()
        if ended:
            return
    pytest.fail("the pass never ends")


async def cancel_after(ticks: int, scope: CancelScope) -> None:
    for _ in range(ticks):
        await checkpoint()
    scope.cancel()


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@given(scenarios())
async def test_cancelling_the_task_of_a_pass_at_any_await_loses_no_claim(
    anyio_backend: str, scenario: Scenario
) -> None:
    """asyncio's own Task.cancel, which a shield does not keep out."""
    for at in range(1, 1000):
        stage = Stage(scenario, at)
        task = asyncio.create_task(stage.run())
        stage.trace.cut = task.cancel
        await asyncio.wait([task])
        await stage.check()
        if len(stage.trace.steps) < at:
            return
        assert task.cancelled()
    pytest.fail("the pass never ends")


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@given(scenarios(), st.integers(1, 3))
async def test_cancelling_the_task_of_a_pass_again_and_again_loses_no_claim(
    anyio_backend: str, scenario: Scenario, times: int
) -> None:
    for ticks in range(1000):
        stage = Stage(scenario)
        task = asyncio.create_task(stage.run())
        for _ in range(ticks):
            await asyncio.sleep(0)
        for _ in range(times):
            task.cancel()
            await asyncio.sleep(0)
        await asyncio.wait([task])
        await stage.check()
        if not task.cancelled():
            return
    pytest.fail("the pass never ends")


async def test_a_cancelled_pass_ends_with_its_batch_and_not_inside_it() -> None:
    kernel, trace = FakeKernel(), Trace()

    async def step(where: str) -> None:
        if where == "before put b = 1":
            scope.cancel()
        await trace.step(where)

    with CancelScope() as scope:
        await one_pass(FakeSource(kernel, batch=2, step=step), dict.fromkeys("abcd", "1"))
    assert scope.cancelled_caught
    assert set(kernel.objects) == {"a", "b"}


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_task_that_is_cancelled_while_its_batch_fails_is_cancelled_all_the_same(
    anyio_backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object) -> Any:
        task.cancel()
        await checkpoint()
        raise SourceError("the socket was closed")

    source = FakeSource(FakeKernel())
    monkeypatch.setattr(source, "apply", fail)
    task = asyncio.create_task(one_pass(source, {"a": "1"}))
    await asyncio.wait([task])
    assert task.cancelled()
