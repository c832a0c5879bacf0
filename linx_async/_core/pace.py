"""When the next pass is due: debounce, resync, backoff and damping, as a pure state machine."""

from __future__ import annotations

import math
import random
from collections.abc import Iterable

from attrs import define, field

from .errors import DesiredStateError
from .model import Hint, Report, Trigger, keys_of

__all__ = ["Pace", "checked_seconds"]

_LONGEST = 60.0
"""Seconds between retries where there is no resync to bound them."""
_MOST = 1e9
"""Seconds: some thirty years."""
_SHORTEST_RETRY = 0.1
_SHORTEST_DAMPING = 0.01
_ROUND = 4
"""A fight with somebody who waits as long as we do: both gather hints, and both hold back."""
_RAPID = 0.025
"""Seconds within which a second drift of the same key counts as part of a fight."""
_MOST_STREAKS = 10_000
"""Keys of one pass that are counted."""
_FLAPPING_AFTER = 3
_JITTER = 0.1

_COUNTED = frozenset({Trigger.HINT, Trigger.RESYNC, Trigger.RETRY})


def checked_seconds(name: str, value: float, *, zero: bool = True, endless: bool = True) -> float:
    """A time in seconds, or an error that names the option.

    Args:
        name: The option's.
        value: Its value.
        zero: Whether it may be zero.
        endless: Whether it may be infinite.

    Raises:
        DesiredStateError: It is negative, not a number, or zero or infinite where it must not be.
    """
    if type(value) not in (int, float):
        raise DesiredStateError(f"{name}: expected seconds, got {value!r}")
    if not value >= 0 or (value == 0 and not zero):
        least = "zero or more" if zero else "more than zero"
        raise DesiredStateError(f"{name}: expected {least}, got {value!r}")
    if value > _MOST and not (endless and value == math.inf):
        raise DesiredStateError(f"{name}: expected at most {_MOST:g} seconds, got {value!r}")
    return float(value)


@define
class _Streak:
    """One key's corrections in a row."""

    length: int
    hold_until: float = -math.inf
    calm_after: float = -math.inf


@define
class Pace:
    """Tells when the next pass is due, and why; knows no clock: every method is told the time.

    - A burst of hints is gathered for `debounce` seconds after its latest, but never longer than
      a second or ten debounces, whichever is longer.
    - A resync comes every `interval` seconds, give or take a tenth.
    - A pass that failed is retried after a time that doubles, jittered, and never exceeds the
      interval; one clean pass resets it. Hints on the failed keys wait for the retry: a refused
      write may itself cause a hint.
    - A key that has to be set again and again (in passes in a row, or within milliseconds) is held
      back twice as long each time. Hints on other keys are not.
    - A hint that may concern any key, lost ones too, waits as long as the key that waits longest.

    Args:
        interval: Seconds between resyncs; math.inf for none.
        debounce: Seconds to gather hints.
        rng: Where the jitter comes from.
    """

    interval: float
    debounce: float
    rng: random.Random = field(factory=random.Random)
    _resync_at: float = field(default=-math.inf, init=False)
    _retry_at: float = field(default=math.inf, init=False)
    _failures: int = field(default=0, init=False)
    _failing: frozenset[str] | None = field(default=frozenset(), init=False)
    _streaks: dict[str, _Streak] = field(factory=dict, init=False)
    _last_changed: frozenset[str] = field(default=frozenset(), init=False)
    _burst: dict[Trigger, tuple[float, float]] = field(factory=dict, init=False)
    _held_until: float = field(default=math.inf, init=False)
    _begun: bool = field(default=False, init=False)
    _running: bool = field(default=False, init=False)
    _missed: Hint | None = field(default=None, init=False)

    @property
    def longest(self) -> float:
        """Seconds that no retry and no hold exceeds."""
        return self.interval if math.isfinite(self.interval) else _LONGEST

    def hinted(self, now: float, hint: Hint) -> None:
        """Something may have changed."""
        if self._running:
            # Whether it has to wait depends on how the pass ends.
            self._missed = hint if self._missed is None else _both(self._missed, hint)
            return
        hold = self._hold_of(None if hint.lost else hint.keys, now)
        if hold <= now:
            self._gather(Trigger.HINT, now)
        else:
            self._held_until = min(self._held_until, max(hold, now + self.debounce))

    def desired(self, now: float) -> None:
        """There is a new desired state. What was held back before it need not be any longer."""
        self._streaks.clear()
        self._gather(Trigger.DESIRED, now)

    def resumed(self, now: float) -> None:
        """Passes may be made again."""
        self._gather(Trigger.HINT, now)

    def due(self) -> tuple[float, Trigger]:
        """When the next pass is due, and what will have triggered it."""
        times = [(self._burst_end(trigger), trigger) for trigger in self._burst]
        times.append((self._held_until, Trigger.HINT))
        times.append((self._retry_at, Trigger.RETRY))
        times.append((self._resync_at, Trigger.RESYNC if self._begun else Trigger.START))
        return min(times, key=lambda due: due[0])

    def begun(self) -> None:
        """A pass begins: it will see all that was hinted at so far."""
        self._burst.clear()
        self._held_until = math.inf
        self._retry_at = math.inf
        self._begun = self._running = True

    def passed(self, now: float, trigger: Trigger, report: Report) -> None:  # type: ignore[type-arg]
        """A pass ended with a report."""
        for key in report.stale:
            # What is set in a new object is no correction.
            self._streaks.pop(key, None)
        self._schedule_resync(now)
        if report.failed:
            self._back_off(now, keys_of(report.failed))
        else:
            self._failures = 0
            self._failing = frozenset()
        counted = trigger in _COUNTED
        changed: frozenset[str] = frozenset()
        if counted and report.changed:
            # Who fights over a hundred thousand keys fights over the first of them too.
            changed = keys_of(report.applied[:_MOST_STREAKS])
        if counted:
            self._damp(now, changed)
        self._last_changed = changed
        self._catch_up(now)

    def failed(self, now: float) -> None:
        """A pass could not run."""
        self._schedule_resync(now)
        self._back_off(now, None)
        self._catch_up(now)

    def flapping(self) -> tuple[str, ...]:
        """The keys that had to be set again and again."""
        return tuple(
            sorted(k for k, streak in self._streaks.items() if streak.length >= _FLAPPING_AFTER)
        )

    def _catch_up(self, now: float) -> None:
        self._running = False
        if self._missed is not None:
            missed, self._missed = self._missed, None
            self.hinted(now, missed)

    def _gather(self, trigger: Trigger, now: float) -> None:
        first, _ = self._burst.get(trigger, (now, now))
        self._burst[trigger] = (first, now)

    def _burst_end(self, trigger: Trigger) -> float:
        first, latest = self._burst[trigger]
        return min(latest + self.debounce, first + max(1.0, 10 * self.debounce))

    def _hold_of(self, keys: frozenset[str] | None, now: float) -> float:
        """Until when a hint on those keys has to wait: till the first of them may be tried."""
        if keys is None:
            if self._failing is None or self._failing:
                return self._retry_at
            return max((s.hold_until for s in self._streaks.values()), default=now)
        return min((self._hold_of_key(key, now) for key in keys), default=now)

    def _hold_of_key(self, key: str, now: float) -> float:
        hold = self._streaks[key].hold_until if key in self._streaks else now
        if self._failing is None or key in self._failing:
            hold = max(hold, self._retry_at)
        return hold

    def _schedule_resync(self, now: float) -> None:
        self._resync_at = now + self.interval * self.rng.uniform(1 - _JITTER, 1 + _JITTER)

    def _back_off(self, now: float, keys: frozenset[str] | None) -> None:
        self._failing = keys
        wait = max(self.debounce, _SHORTEST_RETRY) * 2.0 ** min(self._failures, 32)
        self._failures += 1
        self._retry_at = now + min(wait, self.longest) * self.rng.uniform(0.5, 1.0)

    def _damp(self, now: float, changed: Iterable[str]) -> None:
        for key in changed:
            streak = self._streaks.get(key)
            in_a_row = streak is not None and (
                key in self._last_changed or now <= streak.calm_after
            )
            length = streak.length + 1 if streak is not None and in_a_row else 1
            wait = self._damping(length)
            self._streaks[key] = _Streak(
                length, now + wait, now + max(_RAPID, _ROUND * (self.debounce + wait))
            )
        calm = [k for k, s in self._streaks.items() if k not in changed and now > s.calm_after]
        for key in calm:
            del self._streaks[key]

    def _damping(self, length: int) -> float:
        if length < 2:
            return 0.0
        base = max(self.debounce, _SHORTEST_DAMPING)
        return min(base * 2.0 ** min(length - 2, 32), self.longest)


def _both(one: Hint, other: Hint) -> Hint:
    keys = None if one.keys is None or other.keys is None else one.keys | other.keys
    return Hint(other.reason, keys, one.lost or other.lost)
