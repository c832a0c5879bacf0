"""Any rules of a chain become any others, on a model of what the kernel does with each step."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import count

import pytest
from attrs import define, field
from hypothesis import given
from hypothesis import strategies as st

from linx_async.netfilter.diff.order import Listed, Placed, edit_script
from linx_async.netfilter.diff.steps import (
    After,
    Anchor,
    Delete,
    First,
    Flush,
    Insert,
    Last,
    Move,
    Replace,
    Script,
    Step,
)

Rule = tuple[str, str | None]


@define(eq=False)
class There:
    """A rule in the kernel's list: a deleted one stays in it until the commit."""

    handle: int
    rule: Rule
    new: bool = False
    dead: bool = False


@define
class Chain:
    """A chain within a transaction, as nf_tables_newrule() and nf_tables_delrule() treat it."""

    rules: list[There]
    searched: list[int] = field(factory=list)
    _handles: count[int] = field(factory=lambda: count(1000))

    @classmethod
    def of(cls, rules: Sequence[Rule], start: int = 10) -> Chain:
        return cls([There(start + 3 * at, rule) for at, rule in enumerate(rules)])

    @property
    def alive(self) -> list[There]:
        return [each for each in self.rules if not each.dead]

    @property
    def placed(self) -> Placed:
        alive = self.alive
        rules = [each.rule for each in alive]
        return Placed(rules, [tag for _, tag in rules], handles=[each.handle for each in alive])

    def run(self, steps: Sequence[Step], wanted: Sequence[Rule]) -> None:
        for step in steps:
            match step:
                case Flush():
                    for each in self.rules:
                        each.dead = True
                case Delete(handle):
                    self._delete(handle)
                case Insert(index, anchor):
                    self._insert(wanted[index], anchor)
                case Move(handle, index, anchor):
                    self._delete(handle)
                    self._insert(wanted[index], anchor)
                case Replace(handle, index):
                    at = self._find(handle)
                    self.rules.insert(at, There(handle, wanted[index], new=True))
                    self.rules[at + 1].dead = True

    def _find(self, handle: int) -> int:
        at = next(at for at, each in enumerate(self.rules) if each.handle == handle)
        assert not self.rules[at].dead, f"{handle} is deleted"
        self.searched.append(sum(each.new for each in self.rules[:at]))
        return at

    def _delete(self, handle: int) -> None:
        at = self._find(handle)
        assert not self.rules[at].new, f"{handle} was just put there"
        self.rules[at].dead = True

    def _insert(self, rule: Rule, anchor: Anchor) -> None:
        match anchor:
            case First():
                at = 0
            case Last():
                at = len(self.rules)
            case After(handle):
                at = self._find(handle) + 1
        self.rules.insert(at, There(next(self._handles), rule, new=True))


def listed(rules: Sequence[Rule]) -> Listed:
    """The desired rules; a rule's key is all of it, with its comment."""
    return Listed(rules, [tag for _, tag in rules])


def edited(
    old: Sequence[Rule], new: Sequence[Rule], *, keep_state: bool = True
) -> tuple[Script, Chain]:
    chain = Chain.of(old)
    script = edit_script(chain.placed, listed(new), keep_state=keep_state)
    chain.run(script.steps, new)
    return script, chain


def plain(letters: str) -> list[Rule]:
    return [(letter, None) for letter in letters]


def messages(script: Script) -> int:
    return sum(2 if isinstance(step, Move) else 1 for step in script.steps)


def common(old: Sequence[Rule], new: Sequence[Rule]) -> int:
    """The length of a longest common subsequence, the slow way."""
    lengths = [0] * (len(new) + 1)
    for each in old:
        before = 0
        for at, other in enumerate(new, 1):
            best = before + 1 if each == other else max(lengths[at], lengths[at - 1])
            before, lengths[at] = lengths[at], best
    return lengths[-1]


def rule_lists(
    letters: str, tags: Sequence[str | None], size: int
) -> st.SearchStrategy[list[Rule]]:
    rules = st.tuples(st.sampled_from(letters), st.sampled_from(tags))
    return st.lists(rules, max_size=size)


# Many that are equal; many that are known by their tag; and both, and long ones of few kinds.
any_rules = st.one_of(
    rule_lists("abc", [None], 8),
    rule_lists("abcdefgh", ["t", "u", "v", "w", "x", None], 8),
    rule_lists("ab", ["t", "u", None], 30),
    rule_lists("ab", [None], 60),
)


@st.composite
def shuffled(draw: st.DrawFn) -> tuple[list[Rule], list[Rule]]:
    """Rules that are mostly there already, some changed under their tag, in some other order."""
    old: list[Rule] = [(f"r{at}", f"t{at}") for at in range(draw(st.integers(0, 25)))]
    new = draw(st.permutations(old)) if draw(st.booleans()) else list(old)
    for at in draw(st.sets(st.integers(0, 24), max_size=6)):
        if at < len(new):
            new[at] = (draw(st.sampled_from(("changed", "other"))), new[at][1])
    for at in draw(st.lists(st.integers(0, 30), max_size=4)):
        new.insert(at, ("new", None))
    for at in draw(st.lists(st.integers(0, 30), max_size=4)):
        del new[at : at + 1]
    return old, new


edits = st.one_of(st.tuples(any_rules, any_rules), shuffled())


@given(edits, st.booleans())
def test_any_rules_become_any_others_and_then_there_is_nothing_to_do(
    edit: tuple[list[Rule], list[Rule]], keep_state: bool
) -> None:
    old, new = edit

    _, chain = edited(old, new, keep_state=keep_state)

    assert [each.rule for each in chain.alive] == new
    assert edit_script(chain.placed, listed(new)) == Script((), {}, len(new), ())


@given(edits)
def test_what_stays_untouched_keeps_its_handle_and_is_all_that_is_neither_sent_nor_deleted(
    edit: tuple[list[Rule], list[Rule]],
) -> None:
    old, new = edit
    script, chain = edited(old, new)

    assert sum(not each.new for each in chain.alive) == script.untouched
    sent = [step.index for step in script.steps if isinstance(step, Insert | Replace | Move)]
    assert len(sent) == len(set(sent)) == len(new) - script.untouched


@given(rule_lists("abcd", [None], 8), rule_lists("abcd", [None], 8))
def test_as_many_rules_as_possible_are_untouched(old: list[Rule], new: list[Rule]) -> None:
    script, _ = edited(old, new)

    assert script.untouched == common(old, new)


@given(shuffled())
def test_of_rules_without_twins_as_many_as_possible_are_untouched(
    edit: tuple[list[Rule], list[Rule]],
) -> None:
    old, new = ([(body, None) for body, _ in rules] for rules in edit)
    script, _ = edited(old, new)

    assert script.untouched == common(old, new)


@given(edits)
def test_it_never_takes_more_messages_than_to_delete_what_goes_and_to_insert_what_comes(
    edit: tuple[list[Rule], list[Rule]],
) -> None:
    old, new = edit
    script, _ = edited(old, new)

    goes, comes = len(old) - script.untouched, len(new) - script.untouched
    if Flush() in script.steps:
        assert messages(script) == 1 + len(new)
    else:
        assert max(goes, comes) <= messages(script) <= goes + comes


@given(edits, st.booleans())
def test_a_rule_goes_on_with_the_state_of_the_one_that_it_was(
    edit: tuple[list[Rule], list[Rule]], keep_state: bool
) -> None:
    old, new = edit
    script, chain = edited(old, new, keep_state=keep_state)

    assert len(set(script.carried.values())) == len(script.carried)
    for column, row in script.carried.items():
        was, now = old[row], new[column]
        assert was == now or (was[1] is not None and was[1] == now[1])
    untouched = [each.rule for each in chain.alive if not each.new]
    carried = [
        new[column] for column in script.carried if new[column] == old[script.carried[column]]
    ]
    assert Counter([*untouched, *carried]) == Counter(old) & Counter(new)


@given(edits, st.booleans())
def test_the_handles_are_told_that_rules_lose_which_go_on(
    edit: tuple[list[Rule], list[Rule]], keep_state: bool
) -> None:
    old, new = edit
    handles = Chain.of(old).placed.handles
    script, chain = edited(old, new, keep_state=keep_state)

    now = [each.handle for each in chain.alive]
    lost = {handles[row] for column, row in script.carried.items() if now[column] != handles[row]}
    assert set(script.lost) == lost
    assert len(script.lost) == len(lost)


@given(edits)
def test_no_search_of_the_kernel_walks_past_what_the_transaction_added(
    edit: tuple[list[Rule], list[Rule]],
) -> None:
    old, new = edit
    script, chain = edited(old, new)

    if not any(isinstance(step, Move) for step in script.steps):
        assert not any(chain.searched)


@given(edits)
def test_what_can_stay_stays_as_long_as_state_is_to_be_kept(
    edit: tuple[list[Rule], list[Rule]],
) -> None:
    old, new = edit
    script, _ = edited(old, new, keep_state=True)

    if Flush() in script.steps:
        assert not set(old) & set(new)


def test_equal_rules_need_nothing() -> None:
    script, _ = edited(plain("abcabc"), plain("abcabc"))

    assert script == Script((), {}, 6, ())


def test_one_more_rule_is_put_after_the_one_before_it() -> None:
    script, _ = edited(plain("abcd"), plain("abxcd"))

    assert script.steps == (Insert(2, After(13)),)
    assert script.untouched == 4


def test_more_rules_at_one_place_are_put_after_the_same_rule_the_later_ones_first() -> None:
    script, _ = edited(plain("ab"), plain("axyzb"))

    assert script.steps == tuple(Insert(index, After(10)) for index in (3, 2, 1))


def test_rules_at_the_head_are_put_there_the_later_ones_first() -> None:
    script, _ = edited(plain("ab"), plain("xyab"))

    assert script.steps == (Insert(1, First()), Insert(0, First()))


def test_rules_at_the_tail_are_appended() -> None:
    script, _ = edited(plain("ab"), plain("abxy"))

    assert script.steps == (Insert(2, Last()), Insert(3, Last()))


def test_one_of_many_equal_rules_is_deleted_and_the_others_are_untouched() -> None:
    script, _ = edited(plain("aaabaaa"), plain("aaaaaa"))

    assert script.steps == (Delete(19),)
    assert script.untouched == 6


def test_a_changed_rule_is_replaced_and_goes_on_with_the_state_of_the_one_of_its_tag() -> None:
    old: list[Rule] = [("a", None), ("b", "web"), ("c", None)]
    new: list[Rule] = [("a", None), ("x", "web"), ("c", None)]
    script, _ = edited(old, new)

    assert script == Script((Replace(13, 1),), {1: 1}, 2, ())


def test_a_new_rule_takes_the_place_of_one_that_goes_but_not_its_state() -> None:
    script, _ = edited(plain("abc"), plain("axc"))

    assert script == Script((Replace(13, 1),), {}, 2, ())


def test_a_tag_that_comes_twice_tells_nothing() -> None:
    old: list[Rule] = [("a", "web"), ("b", "web"), ("c", None)]
    new: list[Rule] = [("x", "web"), ("c", None)]
    script, _ = edited(old, new)

    assert not script.carried


def test_a_tag_is_unique_where_the_other_rules_of_that_tag_are_unchanged() -> None:
    old: list[Rule] = [("a", "web"), ("b", "web"), ("c", None)]
    new: list[Rule] = [("a", "web"), ("x", "web"), ("c", None)]
    script, _ = edited(old, new)

    assert script == Script((Replace(13, 1),), {1: 1}, 2, ())


def test_a_rule_that_is_elsewhere_is_moved_with_its_state() -> None:
    script, _ = edited(plain("abcde"), plain("acdbe"))

    assert script == Script((Move(13, 3, After(19)),), {3: 1}, 4, (13,))


def test_rules_that_change_places_around_one_that_stays_replace_each_other() -> None:
    script, _ = edited(plain("abc"), plain("cba"))

    assert script == Script((Replace(16, 2), Replace(10, 0)), {2: 0, 0: 2}, 1, (16, 10))


def test_unchanged_rules_stay_rather_than_one_that_changes_under_its_tag() -> None:
    old: list[Rule] = [("b", "web"), ("a", None)]
    new: list[Rule] = [("a", None), ("x", "web")]
    script, _ = edited(old, new)

    assert script == Script((Move(10, 1, Last()),), {1: 0}, 1, (10,))


def test_many_rules_that_change_under_their_tags_stay_rather_than_an_unchanged_one() -> None:
    old: list[Rule] = [("a", None), *((f"r{at}", f"t{at}") for at in range(4))]
    new: list[Rule] = [*((f"x{at}", f"t{at}") for at in range(4)), ("a", None)]
    script, chain = edited(old, new)

    assert script.lost == (10,)
    assert [each.handle for each in chain.alive][:4] == [13, 16, 19, 22]


def test_a_chain_is_emptied_by_a_flush() -> None:
    script, _ = edited(plain("abc"), [])

    assert script == Script((Flush(),), {}, 0, ())


def test_a_chain_of_other_rules_is_flushed_and_filled() -> None:
    old, new = ([(f"{name}{at}", None) for at in range(100)] for name in ("old", "new"))
    script, _ = edited(old, new)

    assert script.steps == (Flush(), *(Insert(index, Last()) for index in range(100)))


def test_a_long_reversed_chain_is_flushed_only_where_handles_may_be_lost() -> None:
    old: list[Rule] = [(f"r{at}", None) for at in range(3000)]
    kept, _ = edited(old, old[::-1])
    chain = Chain.of(old)
    flushed = edit_script(chain.placed, listed(old[::-1]), keep_state=False)

    assert kept.untouched == 1
    assert messages(kept) == 2999 + 1
    assert flushed.steps == (Flush(), *(Insert(index, Last()) for index in range(3000)))
    assert flushed.carried == {index: 2999 - index for index in range(3000)}
    assert sorted(flushed.lost) == list(chain.placed.handles)


def test_a_small_change_never_flushes_even_where_handles_may_be_lost() -> None:
    old: list[Rule] = [(f"r{at}", None) for at in range(3000)]
    script = edit_script(Chain.of(old).placed, listed(old[1:]), keep_state=False)

    assert script.steps == (Delete(10),)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (lambda: Listed("ab", ["t"]), "tags: 1 for 2 keys"),
        (lambda: Placed("ab", ["t"], handles=[1, 2]), "tags: 1 for 2 keys"),
        (lambda: Placed("ab", handles=[1]), "handles: 1 for 2 keys"),
        (lambda: Placed("ab", handles=[7, 7]), "handles: one comes twice"),
    ],
)
def test_columns_that_do_not_fit_are_refused(wrong: type, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        wrong()
