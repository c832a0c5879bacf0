"""What is known of a running `linx run` by the lines that it sends to those who watch it."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, TypeAlias

from attrs import define, field

from .place import ControlError

__all__ = ["Part", "Picture", "healed"]

Part: TypeAlias = Mapping[str, Any]
"""A part, as a line has it."""
_EVENTS: Final = 64
_NEEDED: Final[dict[str, type | tuple[type, ...]]] = {
    "pid": int,
    "file": str,
    "since": str,
    "errors": list,
    "whole": bool,
    "more": bool,
    "parts": list,
    "gone": list,
    "events": list,
}
_NEEDED_OF_PARTS: Final[dict[str, type | tuple[type, ...]]] = {
    "part": str,
    "state": str,
    "converged": bool,
    "paused": bool,
    "left": bool,
    "last_pass": (dict, type(None)),
    "busy_s": (int, float),
    "restarts": int,
    "totals": dict,
    "error": (str, type(None)),
    **dict.fromkeys(("failed", "pending", "waiting", "conflicts", "flapping"), list),
    "counts": (dict, type(None)),
}


@define
class Picture:
    """How the parts fare, as far as it was told.

    Attributes:
        head: What the last line says of all of them.
        parts: Each part, by name.
        events: The last few events.
        healed_at: When the drift of a part was last seen to be healed, by its name.
        lost: Why nothing is told any more; empty while something is.
        is_whole: Whether nothing more follows at once.
    """

    head: Mapping[str, Any] = field(factory=dict, init=False)
    parts: dict[str, Part] = field(factory=dict, init=False)
    events: deque[Mapping[str, Any]] = field(factory=lambda: deque(maxlen=_EVENTS), init=False)
    healed_at: dict[str, datetime] = field(factory=dict, init=False)
    lost: str = field(default="", init=False)
    is_whole: bool = field(default=False, init=False)
    _number: int = field(default=0, init=False)

    @property
    def is_converged(self) -> bool:
        """Whether all parts are, as far as is known."""
        return all(part["converged"] for part in self.parts.values())

    def copy(self) -> Picture:
        """The same, which later lines do not change."""
        made = Picture()
        made.head, made.lost, made.is_whole = self.head, self.lost, self.is_whole
        made.parts, made.healed_at = dict(self.parts), dict(self.healed_at)
        made.events.extend(self.events)
        return made

    def take(self, line: Mapping[str, Any]) -> list[Mapping[str, Any]]:
        """Learn what a line says; gives the events that are new.

        Raises:
            ControlError: It is no such line.
        """
        _check(line)
        if line["whole"]:
            if (line["pid"], line["since"]) != (self.head.get("pid"), self.head.get("since")):
                self._number = 0  # it is another one, which counts anew
            self.parts.clear()
        for part in line["parts"]:
            self._put(part)
        for name in line["gone"]:
            self.parts.pop(name, None)
        fresh = [event for event in line["events"] if event["number"] > self._number]
        self.events.extend(fresh)
        self._number = max([self._number, *(event["number"] for event in fresh)])
        self.head, self.lost, self.is_whole = line, "", not line["more"]
        return fresh

    def _put(self, part: Part) -> None:
        before = self.parts.get(part["part"])
        if before and healed(part) > healed(before):
            self.healed_at[part["part"]] = datetime.now().astimezone()
        self.parts[part["part"]] = part


def healed(part: Part) -> int:
    """How much drift of a part was healed."""
    counts = part["counts"]
    return int(counts["healed"]) if counts else 0


def _check(line: Mapping[str, Any]) -> None:
    """It may be another version that runs."""
    try:
        _check_types(line, _NEEDED)
        for part in line["parts"]:
            _check_types(part, _NEEDED_OF_PARTS)
        for event in line["events"]:
            _check_types(event, {"number": int, "time": str, "event": str, "text": str})
    except (KeyError, TypeError) as error:
        raise ControlError(f"what `linx run` tells is not understood: {error}") from None


def _check_types(found: Mapping[str, Any], needed: Mapping[str, type | tuple[type, ...]]) -> None:
    for name, kind in needed.items():
        if not isinstance(found[name], kind):
            raise TypeError(f"{name}: {found[name]!r}"[:200])
