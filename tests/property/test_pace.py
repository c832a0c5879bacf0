"""When the next pass is due: what holds for every course of things."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from linx_async import DesiredStateError, Failure, Hint, OpError, Report, Trigger
from linx_async._core.pace import Pace, checked_seconds
from linx_async.testing import Change, Put

KEYS = ("a", "b", "c")
intervals = st.floats(0.01, 1000) | st.just(math.inf)
debounces = st.just(0.0) | st.floats(0.001, 20)
key_sets = st.frozensets(st.sampled_from(KEYS), max_size=3)
hints = st.builds(Hint, st.just("why"), st.none() | key_sets, st.booleans())


class Dice(random.Random):
    """Jitter that always falls on the same side: 0 is the low end, 1 the high end."""

    def __init__(self, side: float) -> None:
        super().__init__(0)
        self.side = side

    def uniform(self, a: float, b: float) -> float:
        return a + (b - a) * self.side


def reported(changed: frozenset[str] = frozenset(), failed: frozenset[str] = frozenset()) -> Report:  # type: ignore[type-arg]
    return Report[Change](
        converged=not failed,
        applied=tuple(Put(key, "1") for key in sorted(changed)),
        failed=tuple(Failure[Change](None, OpError(key, None)) for key in sorted(failed)),
    )


def about(*keys: str) -> Hint:
    return Hint("why", frozenset(keys))


class Course:
    """A course of passes, each of which takes no time and begins when it is due."""

    def __init__(self, interval: float = 100.0, debounce: float = 0.1, side: float = 1.0) -> None:
        self.pace = Pace(interval, debounce, Dice(side))
        self.now = 1000.0
        self.passes = 0
        self.run()

    @property
    def due_in(self) -> float:
        """Seconds until the next pass."""
        return self.pace.due()[0] - self.now

    def why(self) -> Trigger:
        """What will have triggered it."""
        return self.pace.due()[1]

    def wait(self, seconds: float) -> None:
        self.now += seconds

    def hint(self, *keys: str) -> None:
        self.pace.hinted(self.now, about(*keys))

    def run(self, *changed: str, failed: str = "", broken: bool = False) -> Trigger:
        """Let the pass that is due next happen, right when it is due (now, if that is never)."""
        due, trigger = self.pace.due()
        self.now = max(self.now, due) if due < math.inf else self.now
        self.pace.begun()
        if broken:
            self.pace.failed(self.now)
        else:
            self.pace.passed(
                self.now, trigger, reported(frozenset(changed), frozenset(failed.split()))
            )
        self.passes += 1
        return trigger


# The beginning, and the resync


def test_the_first_pass_is_due_at_once_and_is_the_start() -> None:
    assert Pace(5.0, 0.1).due() == (-math.inf, Trigger.START)


@given(intervals.filter(math.isfinite), debounces, st.integers())
def test_a_resync_comes_after_the_interval_give_or_take_a_tenth(
    interval: float, debounce: float, seed: int
) -> None:
    course = Course(interval, debounce)
    course.pace.rng = random.Random(seed)
    course.run()
    assert course.why() is Trigger.RESYNC
    assert 0.9 * interval <= course.due_in + 1e-9
    assert course.due_in <= 1.1 * interval + 1e-9


def test_the_jitter_is_there() -> None:
    course = Course()
    course.pace.rng = random.Random(7)
    dues = set()
    for _ in range(10):
        course.run()
        dues.add(course.due_in)
    assert len(dues) == 10


def test_without_an_interval_nothing_is_due_until_a_hint_comes() -> None:
    course = Course(math.inf)
    assert course.due_in == math.inf
    course.hint("a")
    assert course.why() is Trigger.HINT
    assert course.due_in == pytest.approx(0.1)


# Hints


def test_a_hint_is_due_a_debounce_after_it() -> None:
    course = Course()
    course.hint("a")
    assert course.why() is Trigger.HINT
    assert course.due_in == pytest.approx(0.1)


def test_a_burst_of_hints_is_one_pass_a_debounce_after_the_last() -> None:
    course = Course()
    for _ in range(5):
        course.hint("a")
        course.wait(0.05)
    assert course.due_in == pytest.approx(0.05)
    course.run()
    assert course.why() is Trigger.RESYNC


@given(debounces, intervals, st.lists(st.floats(0, 1), min_size=1, max_size=60), hints)
def test_a_steady_stream_of_hints_never_starves_a_pass(
    debounce: float, interval: float, gaps: list[float], hint: Hint
) -> None:
    course = Course(interval, debounce)
    course.pace.hinted(course.now, hint)
    limit = course.now + max(1.0, 10 * debounce) + 1e-9
    for gap in gaps:
        course.wait(gap * debounce)
        if course.due_in <= 0:
            break
        course.pace.hinted(course.now, hint)
        assert course.pace.due()[0] <= limit
    assert course.pace.due()[0] <= limit


def test_new_desired_states_in_a_steady_stream_do_not_starve_a_pass_either() -> None:
    course = Course()
    for _ in range(30):
        course.pace.desired(course.now)
        course.wait(0.09)
    assert course.due_in < 0
    assert course.why() is Trigger.DESIRED


def test_a_pass_that_begins_has_seen_what_was_hinted_at() -> None:
    course = Course()
    course.hint("a")
    course.pace.desired(course.now)
    course.run()
    assert course.why() is Trigger.RESYNC


def test_a_hint_that_comes_during_a_pass_is_kept_for_the_next() -> None:
    course = Course()
    course.pace.begun()
    course.hint("a")
    course.wait(3)
    course.pace.passed(course.now, Trigger.FORCED, reported())
    assert course.why() is Trigger.HINT
    assert course.due_in == pytest.approx(0.1)


def test_a_desired_state_that_comes_during_a_pass_is_kept_for_the_next() -> None:
    course = Course()
    course.pace.begun()
    course.pace.desired(course.now)
    course.wait(3)
    course.pace.failed(course.now)
    assert course.why() is Trigger.DESIRED
    assert course.due_in <= 0


def test_to_resume_is_a_reason_for_a_pass_even_where_hints_are_held_back() -> None:
    course = Course()
    course.run(broken=True)
    course.run(broken=True)
    course.run(broken=True)
    course.pace.resumed(course.now)
    assert course.due_in == pytest.approx(0.1)


# Backoff


@pytest.mark.parametrize("broken", [True, False], ids=["could-not-run", "an-op-failed"])
def test_retries_come_after_waits_that_double_up_to_the_interval(broken: bool) -> None:
    course = Course(interval=10.0, side=1.0)
    waits = []
    for _ in range(12):
        course.run(failed="" if broken else "a", broken=broken)
        waits.append(course.pace.due()[0] - course.now)
    assert waits == pytest.approx([0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, *[10.0] * 5])


@given(st.floats(0.05, 1000) | st.just(math.inf), debounces, st.integers(1, 80), st.floats(0, 1))
def test_a_retry_is_jittered_by_up_to_a_half_and_never_slower_than_the_resync(
    interval: float, debounce: float, failures: int, side: float
) -> None:
    course = Course(interval, debounce, side)
    for _ in range(failures):
        course.run(broken=True)
    longest = min(interval, 60.0) if math.isinf(interval) else interval
    wait = min(max(debounce, 0.1) * 2.0 ** (failures - 1), longest)
    assert course.due_in <= interval + 1e-9
    assert course.due_in == pytest.approx(min(wait * (0.5 + side / 2), interval * (0.9 + side / 5)))


def test_one_clean_pass_resets_the_backoff() -> None:
    course = Course()
    for _ in range(5):
        course.run(failed="a")
    course.run()
    assert course.why() is Trigger.RESYNC
    course.run(failed="a")
    assert course.why() is Trigger.RETRY
    assert course.due_in == pytest.approx(0.1)


def test_hints_on_failing_keys_wait_for_the_retry() -> None:
    course = Course()
    for _ in range(5):
        course.run(failed="a b")
    course.hint("a")
    course.hint("a", "b")
    assert course.due_in == pytest.approx(1.6)


def test_hints_on_other_keys_do_not_wait_for_the_retry() -> None:
    course = Course()
    for _ in range(5):
        course.run(failed="a")
    course.hint("b")
    assert course.why() is Trigger.HINT
    assert course.due_in == pytest.approx(0.1)


def test_a_hint_on_a_failing_key_and_another_does_not_wait() -> None:
    course = Course()
    for _ in range(5):
        course.run(failed="a")
    course.hint("a", "b")
    assert course.due_in == pytest.approx(0.1)


def test_a_hint_that_a_refused_write_causes_is_no_reason_to_try_again_at_once() -> None:
    course = Course(debounce=0.0)
    for _ in range(6):
        course.pace.begun()
        course.hint("a")  # our own write is seen, while the pass still runs
        course.pace.passed(course.now, Trigger.RETRY, reported(failed=frozenset({"a"})))
        course.now = course.pace.due()[0]
    assert course.now - 1000.0 == pytest.approx(0.1 * (2**6 - 1))


@pytest.mark.parametrize("hint", [Hint("why"), Hint("lost", lost=True)], ids=["any-key", "lost"])
def test_a_hint_that_may_be_about_failing_keys_waits_for_the_retry(hint: Hint) -> None:
    course = Course()
    for _ in range(5):
        course.run(failed="a")
    course.pace.hinted(course.now, hint)
    assert course.due_in == pytest.approx(1.6)


@pytest.mark.parametrize("hint", [about("b"), Hint("why"), Hint("lost", lost=True)])
def test_every_hint_waits_for_the_retry_of_a_pass_that_could_not_run(hint: Hint) -> None:
    course = Course()
    for _ in range(5):
        course.run(broken=True)
    course.pace.hinted(course.now, hint)
    assert course.due_in == pytest.approx(1.6)


def test_a_new_desired_state_does_not_wait_for_the_retry() -> None:
    course = Course()
    for _ in range(5):
        course.run(broken=True)
    course.pace.desired(course.now)
    assert course.why() is Trigger.DESIRED
    assert course.due_in == pytest.approx(0.1)


# Damping


def fight(course: Course, rounds: int, *keys: str) -> list[float]:
    """Somebody changes the keys right after each of our passes; gives the waits between them."""
    waits = []
    for _ in range(rounds):
        course.hint(*keys)
        before = course.now
        assert course.run(*keys) is Trigger.HINT
        waits.append(course.now - before)
    return waits


def test_a_key_that_is_set_in_passes_in_a_row_is_held_back_twice_as_long_each_time() -> None:
    assert fight(Course(), 8, "a") == pytest.approx([0.1, 0.1, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2])


def test_without_a_debounce_the_first_hold_is_ten_milliseconds() -> None:
    assert fight(Course(debounce=0.0), 6, "a") == pytest.approx([0, 0, 0.01, 0.02, 0.04, 0.08])


@given(st.floats(0.5, 1000) | st.just(math.inf), debounces.filter(lambda d: d < 1))
def test_no_hold_is_longer_than_the_interval(interval: float, debounce: float) -> None:
    course = Course(interval, debounce, side=1.0)
    longest = 60.0 if math.isinf(interval) else interval
    for _ in range(45):
        course.hint("a")
        assert course.due_in <= max(longest, debounce) + 1e-6
        course.run("a")


def test_a_key_that_was_set_three_times_in_a_row_is_named() -> None:
    course = Course()
    fight(course, 2, "a")
    assert course.pace.flapping() == ()
    fight(course, 1, "a")
    assert course.pace.flapping() == ("a",)


def test_a_fighting_key_holds_back_no_other() -> None:
    course = Course()
    fight(course, 8, "a")
    course.hint("b")
    assert course.due_in == pytest.approx(0.1)
    course.hint("a", "b")
    assert course.due_in == pytest.approx(0.1)


def test_only_the_keys_that_are_set_again_are_damped() -> None:
    course = Course()
    fight(course, 3, "a", "b")
    fight(course, 3, "a")
    assert course.pace.flapping() == ("a",)
    course.hint("b")
    assert course.due_in == pytest.approx(0.1)


@pytest.mark.parametrize("hint", [Hint("why"), Hint("lost", lost=True)], ids=["any-key", "lost"])
def test_a_hint_without_keys_is_damped_with_the_key_that_is_damped_most(hint: Hint) -> None:
    course = Course()
    waits = []
    for _ in range(8):
        course.pace.hinted(course.now, hint)
        before = course.now
        course.run("a")
        waits.append(course.now - before)
    assert waits == pytest.approx([0.1, 0.1, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2])


def test_a_quiet_pass_in_between_does_not_end_a_fight_within_milliseconds() -> None:
    course = Course(debounce=0.0)
    for _ in range(3):
        course.hint("a")
        course.run("a")
        course.hint("b")
        course.run()  # our own write came back as a hint, and there was nothing to do
        course.wait(0.002)
    assert course.pace.flapping() == ("a",)


def test_drift_that_comes_now_and_then_is_never_damped() -> None:
    course = Course()
    for _ in range(20):
        course.wait(2)
        assert fight(course, 1, "a") == pytest.approx([0.1])
        course.hint("a")
        course.run()
    assert course.pace.flapping() == ()


def test_the_damping_ends_when_it_is_calm() -> None:
    course = Course()
    fight(course, 8, "a")
    course.wait(30)
    course.hint("a")
    course.run()
    assert course.pace.flapping() == ()
    assert fight(course, 3, "a") == pytest.approx([0.1, 0.1, 0.1])


def test_a_new_desired_state_ends_the_damping() -> None:
    course = Course()
    fight(course, 8, "a")
    course.pace.desired(course.now)
    course.run("a")
    assert course.pace.flapping() == ()
    assert fight(course, 2, "a") == pytest.approx([0.1, 0.1])


def test_passes_that_the_user_asks_for_are_no_fight() -> None:
    course = Course()
    for _ in range(5):
        course.pace.begun()
        course.pace.passed(course.now, Trigger.FORCED, reported(frozenset({"a"})))
        course.wait(1)
    assert course.pace.flapping() == ()
    assert fight(course, 1, "a") == pytest.approx([0.1])


def test_a_key_that_every_resync_has_to_set_is_named_too() -> None:
    course = Course()
    for _ in range(3):
        assert course.run("a") is Trigger.RESYNC
    assert course.pace.flapping() == ("a",)


# Everything at once


class AnyCourse(RuleBasedStateMachine):
    """Whatever happens, a hint is never forgotten, and a pass comes in time."""

    @initialize(interval=intervals, debounce=debounces, seed=st.integers(0, 9))
    def begin(self, interval: float, debounce: float, seed: int) -> None:
        self.pace = Pace(interval, debounce, random.Random(seed))
        self.now = 0.0
        self.running: Trigger | None = None
        self.owed: float | None = None  # when a pass must have begun at the latest
        self.patience = max(self.pace.longest, 1.0, 11 * debounce) + 1e-6

    def owe(self) -> None:
        if self.owed is None:
            self.owed = self.now + self.patience

    @rule(seconds=st.floats(0, 2) | st.floats(0, 500))
    def time_goes_by(self, seconds: float) -> None:
        if self.running is None:
            assume(self.now < self.pace.due()[0])
            self.now = min(self.now + seconds, self.pace.due()[0])
        else:
            self.now += seconds
            self.owed = self.now + self.patience if self.owed is not None else None

    @rule(hint=hints)
    def somebody_hints(self, hint: Hint) -> None:
        self.pace.hinted(self.now, hint)
        self.owe()

    @rule()
    def there_is_a_new_desired_state(self) -> None:
        self.pace.desired(self.now)
        self.owe()

    @precondition(lambda self: self.running is None)
    @rule(forced=st.booleans())
    def a_pass_begins(self, forced: bool) -> None:
        due, trigger = self.pace.due()
        if not forced:
            assume(due < math.inf)
            self.now = max(self.now, due)
        self.running = Trigger.FORCED if forced else trigger
        self.pace.begun()
        self.owed = None

    @precondition(lambda self: self.running is not None)
    @rule(changed=key_sets, failed=key_sets)
    def it_ends(self, changed: frozenset[str], failed: frozenset[str]) -> None:
        assert self.running is not None
        self.pace.passed(self.now, self.running, reported(changed - failed, failed))
        self.running = None
        if failed:
            self.owe()

    @precondition(lambda self: self.running is not None)
    @rule()
    def it_could_not_run(self) -> None:
        self.pace.failed(self.now)
        self.running = None
        self.owe()

    @invariant()
    def what_is_owed_comes_in_time(self) -> None:
        if self.running is None and self.owed is not None:
            assert self.pace.due()[0] <= self.owed

    @invariant()
    def the_next_pass_is_no_later_than_the_resync(self) -> None:
        if self.running is None:
            assert self.pace.due()[0] <= self.now + 1.1 * self.pace.interval + 1e-6


TestAnyCourse = AnyCourse.TestCase


# The options


@pytest.mark.parametrize("value", [0.1, 5, 0, 1e9, math.inf])
def test_seconds_are_any_number_that_is_not_negative(value: float) -> None:
    assert checked_seconds("interval", value) == value
    assert type(checked_seconds("interval", value)) is float


@pytest.mark.parametrize("value", [-1, -0.5, math.nan, -math.inf, "5", None, True, [5], 10**400])
def test_what_is_no_time_is_refused_by_the_name_of_its_option(value: float) -> None:
    with pytest.raises(DesiredStateError, match=r"interval: expected .*, got "):
        checked_seconds("interval", value)


def test_a_time_may_have_to_be_more_than_zero_or_less_than_for_ever() -> None:
    with pytest.raises(DesiredStateError, match="interval: expected more than zero, got 0"):
        checked_seconds("interval", 0, zero=False)
    with pytest.raises(DesiredStateError, match=r"debounce: expected at most 1e\+09 seconds"):
        checked_seconds("debounce", math.inf, endless=False)
