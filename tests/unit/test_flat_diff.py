"""The three-way diff of flat state: what is set, reverted, released, or left to somebody else."""

from __future__ import annotations

import errno
from collections.abc import Mapping

from linx_async import Claim, OpError, Ownership, Waiting
from linx_async._flat.diff import FlatOp, Vocabulary, diff
from linx_async._flat.observed import Observed
from linx_async._flat.ops import ReleaseValue, RevertValue, SetValue
from linx_async._flat.values import same_numbers

WORDS = Vocabulary[FlatOp](
    lambda _key, text, value: text == value or same_numbers(text, value),
    SetValue,
    RevertValue,
    ReleaseValue,
)


def planned(
    desired: Mapping[str, str],
    observed: Mapping[str, str],
    *claims: Claim,
    revert: bool = False,
    words: Vocabulary[FlatOp] = WORDS,
) -> tuple[FlatOp, ...]:
    owned = Ownership().with_claims(claims)
    return diff(desired, Observed(observed), owned, words, revert_on_release=revert).ops


def test_a_value_that_is_there_is_neither_set_nor_claimed() -> None:
    assert planned({"a": "1"}, {"a": "1"}) == ()
    assert planned({"a": "0x1"}, {"a": "1"}) == ()


def test_a_value_that_differs_is_set_and_its_original_kept() -> None:
    (op,) = planned({"a": "1"}, {"a": "0"})
    assert op == SetValue("a", "1", "0", "0")
    assert op.claim == Claim("a", "1", "0")
    assert str(op) == "set a = 1 (is 0)"


def test_the_original_is_kept_over_later_changes() -> None:
    (op,) = planned({"a": "2"}, {"a": "1"}, Claim("a", "1", "0", "1"))
    assert op == SetValue("a", "2", "1", "0")


def test_what_the_kernel_made_of_our_own_write_holds() -> None:
    learned = Claim("a", "1234", "0", "1230")
    assert planned({"a": "1234"}, {"a": "1230"}, learned) == ()
    assert planned({"a": "1234"}, {"a": "1220"}, learned) == (SetValue("a", "1234", "1220", "0"),)
    assert planned({"a": "1239"}, {"a": "1230"}, learned) == (SetValue("a", "1239", "1230", "0"),)


def test_a_key_that_is_not_desired_any_more_is_released() -> None:
    assert planned({}, {"a": "1"}, Claim("a", "1", "0", "1")) == (ReleaseValue("a"),)


def test_or_reverted_where_that_is_asked_for() -> None:
    (op,) = planned({}, {"a": "1"}, Claim("a", "1", "0", "1"), revert=True)
    assert op == RevertValue("a", "0", "1", "0")
    assert str(op) == "revert a to 0 (is 1)"


def test_what_somebody_else_changed_since_is_never_reverted() -> None:
    (op,) = planned({}, {"a": "7"}, Claim("a", "1", "0", "1"), revert=True)
    assert isinstance(op, ReleaseValue)
    assert str(op) == "release a (left at 7, which somebody else set)"


def test_the_same_value_in_another_spelling_is_still_ours() -> None:
    (op,) = planned({}, {"a": "1\t2"}, Claim("a", "1 2", "3 4", "1 2"), revert=True)
    assert isinstance(op, RevertValue)


def test_nothing_is_reverted_to_what_is_there() -> None:
    (op,) = planned({}, {"a": "0"}, Claim("a", "1", "0", "1"), revert=True)
    assert op == ReleaseValue("a", "it has its original value")


def test_nothing_is_reverted_without_an_original_or_a_value() -> None:
    assert planned({}, {"a": "1"}, Claim("a", "1"), revert=True) == (ReleaseValue("a"),)
    (op,) = planned({}, {}, Claim("a", "1", "0", "1"), revert=True)
    assert op == ReleaseValue("a", "it cannot be read any more")


def test_a_write_of_which_the_outcome_is_not_known_is_reverted() -> None:
    (op,) = planned({}, {"a": "1230"}, Claim("a", "1234", "0"), revert=True)
    assert isinstance(op, RevertValue)


def test_a_claim_on_what_is_gone_is_dropped() -> None:
    claim = Claim("a", "1", "0", "1")
    gone = Observed(absent={"a": "not there"})
    plan = diff({"a": "1"}, gone, Ownership().with_claims([claim]), WORDS)
    assert plan.stale == {"a"}
    assert plan.ops == ()
    assert plan.waiting == (Waiting("a", "not there"),)


def test_a_claim_on_the_forerunner_of_the_same_name_is_dropped() -> None:
    owned = Ownership().with_claims([Claim("a", "1", "0", "1")])
    renewed = Observed({"a": "5"}, renewed=frozenset({"a"}))
    plan = diff({"a": "1"}, renewed, owned, WORDS)
    assert plan.stale == {"a"}
    assert plan.ops == (SetValue("a", "1", "5", "5"),)


def test_a_claim_of_another_incarnation_is_dropped() -> None:
    owned = Ownership().with_claims([Claim("a", "1", "0", "1", "inode 7")])
    plan = diff({}, Observed({"a": "1"}, incarnation="inode 8"), owned, WORDS)
    assert plan.stale == {"a"}
    assert plan.ops == ()


def test_a_key_that_cannot_be_had_fails_beforehand_and_keeps_its_claim() -> None:
    error = OpError("a", errno.EACCES, "cannot be read")
    owned = Ownership().with_claims([Claim("a", "1", "0", "1")])
    plan = diff({"a": "1"}, Observed(refused={"a": error}), owned, WORDS)
    assert [str(failed) for failed in plan.failed] == [str(error)]
    assert (plan.stale, plan.ops) == (frozenset(), ())


def test_reverts_come_before_what_is_set_and_releases_last() -> None:
    ops = planned({"b": "1"}, {"b": "0", "c": "1", "a": "7"}, *claims_on("c", "a"), revert=True)
    assert [(op.verb.value, op.key) for op in ops] == [
        ("revert", "c"),
        ("update", "b"),
        ("release", "a"),
    ]


def claims_on(*keys: str) -> list[Claim]:
    return [Claim(key, "1", "0", "1") for key in keys]


def spreading(words: Vocabulary[FlatOp] = WORDS) -> Vocabulary[FlatOp]:
    """`all` sets `a` and `b`; `x` and `y` are one, `y` in thousandths."""

    def effects(key: str, text: str, others: Mapping[str, str]) -> dict[str, str]:
        found = dict.fromkeys(("a", "b"), text) if key == "all" else {}
        found |= {"y": f"{text}000"} if key == "x" else {"x": text[:-3]} if key == "y" else {}
        return {other: value for other, value in found.items() if other in others}

    return Vocabulary[FlatOp](
        words.same,
        words.set,
        words.revert,
        words.release,
        rank=lambda key: (0 if key == "all" else 1, key),
        effects=effects,  # type: ignore[arg-type]
    )


def test_what_overwrites_comes_first_and_what_it_overwrites_is_set_again() -> None:
    ops = planned(
        {"a": "0", "b": "1", "all": "1"}, {"a": "0", "b": "0", "all": "0"}, words=spreading()
    )
    assert [str(op) for op in ops] == [
        "set all = 1 (is 0)",
        "set b = 1 (is 0)",
        "set a = 0 (is 0, but all overwrites it)",
    ]


def test_what_is_reverted_overwrites_too() -> None:
    ops = planned(
        {"a": "1"},
        {"a": "1", "all": "1"},
        Claim("all", "1", "0", "1"),
        revert=True,
        words=spreading(),
    )
    assert [op.key for op in ops] == ["all", "a"]


def test_what_is_overwritten_with_the_desired_value_is_left_to_it() -> None:
    ops = planned({"a": "1", "all": "1"}, {"a": "1", "all": "0"}, words=spreading())
    assert [op.key for op in ops] == ["all"]


def test_an_effect_of_an_effect_is_undone_too() -> None:
    ops = planned({"x": "2", "y": "2500"}, {"x": "1", "y": "2500"}, words=spreading())
    assert [op.key for op in ops] == ["x", "y"]


def test_a_zero_comes_after_what_makes_it_one() -> None:
    ops = planned({"a": "0", "b": "7"}, {"a": "3", "b": "0"})
    assert [op.key for op in ops] == ["b", "a"]


def twins() -> Vocabulary[FlatOp]:
    return Vocabulary[FlatOp](
        WORDS.same,
        WORDS.set,
        WORDS.revert,
        WORDS.release,
        effects=lambda key, text, others: {"y": text} if key == "x" and "y" in others else {},
        knob=lambda key: "x" if key == "y" else key,
    )


def test_a_claim_goes_on_under_another_name_of_the_knob() -> None:
    claim = Claim("x", "1", "0", "1")
    ops = planned({"y": "1"}, {"x": "1", "y": "1"}, claim, revert=True, words=twins())
    assert [str(op) for op in ops] == [
        "set y = 1 (is 1, but it was ours as x)",
        "release x (y is the same knob)",
    ]
    assert ops[0].original == "0"


def test_a_claim_under_the_other_name_is_kept_where_there_is_one() -> None:
    claims = (Claim("x", "1", "0", "1"), Claim("y", "1", "5", "1"))
    ops = planned({"y": "1"}, {"x": "1", "y": "1"}, *claims, revert=True, words=twins())
    assert [str(op) for op in ops] == ["release x (y is the same knob)"]
