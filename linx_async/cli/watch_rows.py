"""What the view of `linx watch` says of each part, in as few characters as it can."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final

from attrs import frozen

from ..config.problems import printable
from .output import tally
from .watch_picture import Part, Picture, healed

__all__ = [
    "Row",
    "row_of",
    "short_ms",
    "state_of",
    "summary",
    "told_of_rest",
    "uptime",
    "worst_first",
]

_FRESH: Final = 3.0
"""Seconds for which it is to be seen that something was healed."""
_LONG: Final = 3.0
"""Seconds that a pass takes before it is told that a loop is at work."""
_COLOURS: Final = {
    "converged": "green",
    "starting": "cyan",
    "leaving": "cyan",
    "error": "bold red",
    "restarting": "bold red",
}
_OTHER_COLOUR: Final = "yellow"


@frozen
class Row:
    """One part, in the columns of the table; each text is as wide as it is.

    Attributes:
        part: Its name.
        state: How it is.
        colour: The colour of that.
        ago, trigger, pass_ms: When its last pass was, why it was made, how long it took.
        healed: How much drift was healed.
        is_fresh: Whether some of that was just now.
        waiting, conflicts, failed: How much is so.
        last_ms, median_ms: How long it took from a hint to the end of the pass that it led to.
        restarts: How often its loop was started again.
    """

    part: str
    state: str
    colour: str
    ago: str
    trigger: str
    pass_ms: str
    healed: str
    is_fresh: bool
    waiting: str
    conflicts: str
    failed: str
    last_ms: str
    median_ms: str
    restarts: str


def row_of(picture: Picture, part: Part, now: datetime) -> Row:
    """What the table says of a part at that time."""
    last = part["last_pass"] or {}
    time = last.get("time")
    totals, latencies = part["totals"], (part["counts"] or {}).get("latencies", {})
    state = state_of(part)
    healed_at = picture.healed_at.get(part["part"])
    return Row(
        part=printable(part["part"]),
        state=state,
        colour=_COLOURS.get(state, _OTHER_COLOUR),
        ago=_ago((now - datetime.fromisoformat(time)).total_seconds()) if time else "",
        trigger=printable(last.get("trigger") or ""),
        pass_ms=short_ms(last.get("pass_ms")),
        healed=_number(healed(part)),
        is_fresh=healed_at is not None and (now - healed_at).total_seconds() < _FRESH,
        waiting=_number(totals.get("waiting", 0)),
        conflicts=_number(totals.get("conflicts", 0)),
        failed=_number(totals.get("failed", 0)),
        last_ms=short_ms(latencies.get("last_ms")),
        median_ms=short_ms(latencies.get("median_ms")),
        restarts=_number(part["restarts"]),
    )


def state_of(part: Part) -> str:
    """How a part is, in thirteen characters at most."""
    if part["state"] in {"error", "restarting"}:
        return str(part["state"])
    if part["busy_s"] >= _LONG:
        return f"at work {_ago(part['busy_s'])}"
    if part["paused"]:
        due = part["totals"].get("pending", 0)
        return f"paused, {_number(due)} due" if due else "paused"
    if part["left"]:
        return "leaving"
    return printable(part["state"])[:13]


def summary(parts: Iterable[Part]) -> str:
    """How many parts are how, in words."""
    return tally(state_of(part).partition(",")[0] for part in parts)


def worst_first(parts: Iterable[Part]) -> list[Part]:
    """The parts, those with trouble before the others."""
    return sorted(parts, key=_severity)


def told_of_rest(parts: Sequence[Part]) -> str:
    """What there is to say of the parts that there is no room for."""
    states = {state_of(part) for part in parts}
    if len(states) == 1 and len(parts) > 1:
        return f"… and {len(parts)} more that are {states.pop()}"
    return f"… and {len(parts)} more: {summary(parts)}"


def _severity(part: Part) -> int:
    totals = part["totals"]
    if part["state"] in {"error", "restarting"}:
        return 0
    if totals.get("failed") or totals.get("conflicts"):
        return 1
    if part["busy_s"] >= _LONG or totals.get("flapping"):
        return 2
    if part["paused"]:
        return 4
    return 5 if part["converged"] else 3


def _ago(seconds: float) -> str:
    """A time in three characters or so: `7s`, `12m`, `3h`, `40d`."""
    whole = max(0, int(seconds))
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if whole >= size:
            return f"{whole // size}{unit}"
    return f"{whole}s"


def uptime(seconds: float) -> str:
    """A time in its two largest units: `2 h 13 min`."""
    whole = max(0, int(seconds))
    units = (("d", whole // 86400), ("h", whole // 3600 % 24), ("min", whole // 60 % 60))
    first = next((at for at, (_, number) in enumerate(units) if number), None)
    if first is None:
        return f"{whole} s"
    return " ".join(f"{number} {unit}" for unit, number in units[first : first + 2])


def short_ms(milliseconds: Any) -> str:
    """Milliseconds in four characters; a long time is in seconds."""
    if not isinstance(milliseconds, (int, float)):
        return ""
    if milliseconds >= 9999.5:
        return _ago(milliseconds / 1e3)
    for digits, limit in ((2, 9.995), (1, 99.95)):
        if milliseconds < limit:
            return f"{milliseconds:.{digits}f}"
    return f"{milliseconds:.0f}"


def _number(number: int) -> str:
    """A number in four characters; nothing for none."""
    if not number:
        return ""
    for unit, size in (("M", 1_000_000), ("k", 1_000)):
        if number >= 10 * size:
            return f"{number // size}{unit}"
    return str(number)
