"""What happens to values by key, as looks find it: the half that sysctl and cgroup share."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from attrs import define, field, frozen

from .._core.model import Hint
from .._flat.observed import Observed
from .events import Event

__all__ = ["Values"]


@frozen
class _Seen:
    """What a key was when it was looked at.

    Attributes:
        value: Its value; None where there is none.
        why: Why there is none.
        refused: Whether it is there, and cannot be read.
    """

    value: str | None
    why: str = ""
    refused: bool = False


@define
class Values:
    """The values that there were at the last look; pure.

    Attributes:
        part: What they are called in front of each line.
    """

    part: str
    _seen: dict[str, _Seen] = field(factory=dict, init=False)

    def learn(self, observed: Observed) -> None:
        """Take them as they are, without a word."""
        self._seen = _all(observed)

    def lacking(self, keys: Iterable[str]) -> Iterator[Event]:
        """What is waited for, and what cannot be read, of some keys."""
        for key in keys:
            seen = self._seen.get(key, _NEVER)
            if seen.refused:
                yield Event("error", self.part, seen.why, _fields(key, None, None))
            elif seen.value is None:
                text = f"waiting: {key}: {seen.why}"
                yield Event("waiting", self.part, text, {"key": key, "reason": seen.why})

    def changes(self, observed: Observed, hint: Hint) -> list[Event]:
        """What has become of them since the last look; the hint itself where nothing has."""
        before, self._seen = self._seen, _all(observed)
        events = [Event("lost", self.part, hint.reason, {"count": None})] if hint.lost else []
        for key in dict.fromkeys((*before, *self._seen)):
            was, now = before.get(key, _NEVER), self._seen.get(key, _NEVER)
            if was != now:
                events += self._change(key, was, now, hint)
        return events or [self.hint(hint)]

    def hint(self, hint: Hint) -> Event:
        """A hint that nothing came of."""
        keys = None if hint.keys is None else sorted(hint.keys)
        still = [
            f"{key} = {_in_line(seen.value)}"
            for key in keys or ()
            if (seen := self._seen.get(key)) is not None and seen.value is not None
        ]
        text = f"{hint.reason}: still {', '.join(still)}" if still else hint.reason
        return Event("hint", self.part, text, {"keys": keys, "reason": hint.reason})

    def _change(self, key: str, was: _Seen, now: _Seen, hint: Hint) -> Iterator[Event]:
        concerned = hint.keys is None or key in hint.keys
        fields = _fields(key, now.value, was.value)
        fields["reason"] = hint.reason if concerned else None
        if now.refused:
            yield Event("error", self.part, now.why, fields)
        elif now.value is None:
            if was.value is not None:
                why = f": {now.why}" if now.why else ""
                yield Event("deleted", self.part, f"deleted {key}{why}", fields)
        elif was.value is None:
            yield Event("added", self.part, f"added {key} = {_in_line(now.value)}", fields)
        else:
            text = f"changed {key}{_difference(now.value, was.value)}"
            yield Event("changed", self.part, text, fields)


_NEVER = _Seen(None)


def _all(observed: Observed) -> dict[str, _Seen]:
    return {
        **{key: _Seen(value) for key, value in observed.values.items()},
        **{key: _Seen(None, why) for key, why in observed.absent.items()},
        **{key: _Seen(None, str(why), refused=True) for key, why in observed.refused.items()},
    }


def _fields(key: str, value: str | None, was: str | None) -> dict[str, Any]:
    return {"key": key, "value": value, "was": was}


def _in_line(text: str | None) -> str:
    return "; ".join((text or "").splitlines()) or '""'


def _difference(now: str, was: str) -> str:
    """What changed: all of it, or the lines of a file of counters that are others."""
    counters, before = _counters(now), _counters(was)
    if counters is None or before is None:
        return f" = {_in_line(now)} (was {_in_line(was)})"
    others = [
        f"{name} {value} (was {before.get(name, 'none')})"
        for name, value in counters.items()
        if before.get(name) != value
    ]
    return f": {', '.join(others) or 'other lines'}"


def _counters(text: str) -> Mapping[str, str] | None:
    """A file with a number for each name, as memory.events is; None for another."""
    lines = [line.split() for line in text.splitlines()]
    if not lines or any(len(line) != 2 or not line[1].isdigit() for line in lines):
        return None
    return {name: value for name, value in lines if not name[:1].isdigit()} or None
