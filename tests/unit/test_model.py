"""The values that the core speaks in."""

from __future__ import annotations

import errno

import attrs
import pytest

from linx_async import (
    Conflict,
    Failure,
    Hint,
    OpError,
    Ownership,
    Plan,
    Report,
    Trigger,
    Verb,
    Waiting,
)
from linx_async._core.model import keys_of
from linx_async.testing import Change, Forget, Put, Remove, Restore

put = Put("a", "1")
remove = Remove("b")


def test_deleting_releasing_and_reverting_end_a_claim_and_nothing_else_does() -> None:
    assert {verb for verb in Verb if verb.disowns} == {Verb.DELETE, Verb.RELEASE, Verb.REVERT}


def test_a_plan_lists_its_ops_in_the_order_of_its_batches() -> None:
    plan = Plan[Change](batches=((put, remove), (Forget("c"),)))
    assert plan.ops == tuple(plan) == (put, remove, Forget("c"))


def test_a_plan_is_true_when_it_would_change_the_kernel() -> None:
    assert Plan[Change](batches=((put,),))
    assert Plan[Change](batches=((Restore("a", "0"),),))


def test_an_empty_plan_is_false_and_so_is_one_that_only_releases() -> None:
    assert not Plan[Change]()
    assert not Plan[Change](waiting=(Waiting("a", "not there"),), stale=frozenset({"b"}))
    assert not Plan[Change](batches=((Forget("c"),),))


def test_a_failure_is_told_with_its_op() -> None:
    failure = Failure[Change](put, OpError("a", errno.EPERM))
    assert failure.key == "a"
    assert str(failure) == "put a = 1: a: EPERM (Operation not permitted)"


def test_a_failure_before_there_was_an_op_has_the_key_of_its_error() -> None:
    failure = Failure[Change](None, OpError("a", errno.EACCES, "cannot be read"))
    assert failure.key == "a"
    assert str(failure) == "a: EACCES (Permission denied): cannot be read"


def test_what_waits_or_conflicts_is_told_with_its_key() -> None:
    assert str(Waiting("a", "b is not there")) == "a: b is not there"
    assert str(Conflict("a", "somebody else has it")) == "a: somebody else has it"


def test_a_report_that_applied_nothing_changed_nothing() -> None:
    assert not Report[Change](converged=True).changed


def test_a_report_that_only_released_changed_nothing() -> None:
    assert not Report[Change](converged=True, applied=(Forget("a"),)).changed
    assert Report[Change](converged=True, applied=(Forget("a"), remove)).changed


def test_a_report_has_all_that_a_pass_can_tell() -> None:
    names = {field.name for field in attrs.fields(Report)}
    assert names >= {
        *("converged", "applied", "failed", "pending", "waiting", "conflicts", "last_applied"),
        *("flapping", "trigger", "revision", "duration", "timings"),
    }
    assert Report[Change](converged=True).last_applied == Ownership()


def test_a_report_says_in_one_line_what_a_pass_did_and_what_is_missing() -> None:
    report = Report[Change](
        converged=False,
        applied=(put, remove),
        failed=(Failure(None, OpError("c", errno.EACCES)),),
        pending=(Put("d", "1"),),
        waiting=(Waiting("e", "not there"),),
        conflicts=(Conflict("f", "somebody else has it"),),
        flapping=("a",),
    )
    assert str(report) == (
        "not converged; applied: put a = 1; applied: remove b"
        "; failed: c: EACCES (Permission denied); pending: put d = 1"
        "; waiting: e: not there; conflict: f: somebody else has it; flapping: a"
    )
    assert str(Report[Change](converged=True)) == "converged"


@pytest.mark.parametrize(
    ("value", "field"),
    [(Hint("why"), "lost"), (Waiting("a", "why"), "reason"), (Report[Change](True), "converged")],
    ids=["hint", "waiting", "report"],
)
def test_the_values_are_frozen(value: object, field: str) -> None:
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        setattr(value, field, True)
    assert not hasattr(value, "__dict__")


def test_hints_can_be_told_apart_and_coalesced() -> None:
    hint = Hint("a was written", frozenset({"a"}))
    assert len({hint, Hint("a was written", frozenset({"a"})), Hint("lost", lost=True)}) == 2


def test_keys_are_collected_from_whatever_has_them() -> None:
    failure = Failure[Change](None, OpError("c", None))
    assert keys_of([put, remove, failure, Waiting("d", "why")]) == {"a", "b", "c", "d"}


def test_the_triggers_are_words_for_people() -> None:
    assert sorted(trigger.value for trigger in Trigger) == [
        *("desired", "forced", "hint", "resync", "retry", "start")
    ]
