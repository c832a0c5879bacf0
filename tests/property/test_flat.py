"""What holds for flat values and their diff, whatever they are."""

from __future__ import annotations

from collections.abc import Mapping

from hypothesis import given
from hypothesis import strategies as st

from linx_async import Claim, Ownership
from linx_async._flat.diff import FlatOp, Vocabulary, diff
from linx_async._flat.observed import Observed
from linx_async._flat.ops import ReleaseValue, RevertValue, SetValue, shown
from linx_async._flat.values import close_enough, number, numbers, same_numbers, same_ranges

WORDS = Vocabulary[FlatOp](
    lambda _key, text, value: text == value, SetValue, RevertValue, ReleaseValue
)

texts = st.text(st.characters(), max_size=8) | st.text("0123456789-+x, \t", max_size=8)
keys = st.sampled_from("abcd")
values = st.sampled_from("0123")
maybe = st.none() | values
states = st.dictionaries(keys, values)
claims = st.builds(Claim, keys, maybe, maybe, maybe, st.none() | st.just("old"))
records = st.lists(claims, max_size=4).map(Ownership().with_claims)
sets = st.sets(st.integers(0, 20), min_size=1)


@given(texts, texts)
def test_no_text_is_too_odd_to_be_compared(one: str, other: str) -> None:
    assert same_numbers(one, other) == same_numbers(other, one)
    assert same_ranges(one, other) == same_ranges(other, one)
    assert isinstance(close_enough(one, other), bool)


@given(texts)
def test_a_list_of_numbers_is_the_same_as_itself(text: str) -> None:
    assert same_numbers(text, text) == (numbers(text) is not None)


@given(st.integers())
def test_a_number_is_read_back(value: int) -> None:
    assert number(str(value)) == (value if len(str(value)) <= 64 else None)


def listed(members: set[int]) -> str:
    return ",".join(map(str, sorted(members)))


def ranged(members: set[int]) -> str:
    starts = sorted(member for member in members if member - 1 not in members)
    spans = []
    for start in starts:
        end = start
        while end + 1 in members:
            end += 1
        spans.append(f"{start}-{end}")
    return ",".join(reversed(spans))


@given(sets, sets)
def test_lists_and_ranges_are_the_same_for_the_same_members(one: set[int], other: set[int]) -> None:
    assert same_ranges(listed(one), ranged(other)) == (one == other)


@given(st.text(st.characters()))
def test_any_value_is_shown_in_one_short_line(value: str) -> None:
    line = shown(value)
    assert 1 <= len(line) <= 61
    assert len(line.splitlines()) == 1


@given(states, states, records, st.booleans())
def test_every_key_is_planned_once_and_only_what_is_desired_or_owned(
    desired: Mapping[str, str], present: Mapping[str, str], owned: Ownership, revert: bool
) -> None:
    observed = Observed(present, {key: "not there" for key in "abcd" if key not in present})
    plan = diff(desired, observed, owned, WORDS, revert_on_release=revert)
    planned = [op.key for op in plan]
    assert len(planned) == len(set(planned))
    assert set(planned) <= desired.keys() | owned.keys()
    assert plan.stale.isdisjoint(op.key for op in plan if not isinstance(op, SetValue))
    assert set(planned) <= present.keys()
    assert {waiting.key for waiting in plan.waiting} == desired.keys() - present.keys()
    for op in plan:
        match op:
            case SetValue():
                assert op.text == desired[op.key] != present[op.key]
            case RevertValue():
                assert revert
                assert op.key not in desired
                assert op.text == owned[op.key].original
            case ReleaseValue():
                assert op.key not in desired


@given(states, states, records)
def test_a_value_that_is_neither_ours_nor_the_original_is_never_reverted(
    desired: Mapping[str, str], present: Mapping[str, str], owned: Ownership
) -> None:
    for op in diff(desired, Observed(present), owned, WORDS, revert_on_release=True):
        if isinstance(op, RevertValue):
            claim = owned[op.key]
            assert claim.settled in {None, present[op.key]} or claim.value == present[op.key]
