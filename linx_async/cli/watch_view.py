"""What a terminal shows of `linx watch`, in as many lines as it has."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from itertools import islice
from typing import Any, Final

from rich.text import Text

from ..config.problems import printable
from .ask import refused, standing
from .output import counted
from .telling import colour_of
from .watch_columns import cut, table
from .watch_picture import Part, Picture
from .watch_rows import row_of, short_ms, summary, told_of_rest, uptime, worst_first

__all__ = ["view"]

_HEADS: Final = 2
_ROOMY: Final = 20
"""Lines from which on there are empty ones between what does not belong together."""
_KEYS: Final = "q ends it"


def view(picture: Picture, now: datetime, width: int, height: int) -> list[Text]:
    """The lines that a terminal of that size shows, at most as many as it has."""
    gap = [Text()] if height >= _ROOMY else []
    head = [*_head(picture, now, width), *gap]
    parts = list(picture.parts.values())
    room = height - len(head) - _HEADS - len(gap)
    below = list(islice(_troubles(parts, width), height))
    wrong = sum(map(_count_troubles, parts))
    events = [_event(each, width) for each in list(picture.events)[-height:]]
    fits = len(parts) <= room - max(3, room // 3)
    least = min(max(3, room // (3 if fits else 2)), len(below) + len(events))
    shown = _table(picture, parts, now, width, room - least) if parts else [Text("no parts", "dim")]
    left = height - len(head) - len(shown) - len(gap)
    lines = [*head, *shown, *gap, *_below(below, wrong, events, max(left, 0))]
    for line in lines:
        line.no_wrap, line.overflow = True, "ellipsis"
    return lines[:height]


def _head(picture: Picture, now: datetime, width: int) -> Iterator[Text]:
    since = datetime.fromisoformat(picture.head["since"])
    pid, up = picture.head["pid"], uptime((now - since).total_seconds())
    told = f": kept by pid {pid}, up {up}"
    file = cut(printable(picture.head["file"]), max(width - len(told), 8))
    yield Text.assemble((file, "bold"), told)
    if picture.lost:
        yield Text(printable(picture.lost), "bold red")
        return
    parts = picture.parts.values()
    text = f"{counted(len(parts), 'part')}: {summary(parts)}" if parts else "no parts"
    space = width - len(text) - len(_KEYS)
    yield Text.assemble(text, " " * space, (_KEYS, "dim")) if space > 1 else Text(text)
    for line in list(refused(picture.head))[:2]:
        yield Text.from_ansi(line)


def _table(
    picture: Picture, parts: Sequence[Part], now: datetime, width: int, room: int
) -> list[Text]:
    room = max(room, 2)
    if len(parts) > room:
        parts = worst_first(parts)
        parts, rest = parts[: room - 1], parts[room - 1 :]
    else:
        rest = []
    lines = list(table([row_of(picture, part, now) for part in parts], width))
    return [*lines, Text(told_of_rest(rest), "dim")] if rest else lines


def _below(troubles: list[Text], count: int, events: list[Text], room: int) -> Iterator[Text]:
    """What is wrong, and what happened last; each has at least half of the room if it needs it."""
    of_events = min(len(events), max(room - count, room // 2))
    of_troubles = room - of_events
    if count > of_troubles > 0:
        shown = troubles[: of_troubles - 1]
        yield from shown
        yield Text(f"… and {count - len(shown)} more", "dim")
    else:
        yield from troubles[:of_troubles]
    yield from events[len(events) - of_events :]


def _troubles(parts: Sequence[Part], width: int) -> Iterator[Text]:
    for part in worst_first(parts):
        for line in standing(part):
            text = Text.from_ansi(line)
            indent = len(text) - len(text.plain.lstrip())
            yield Text.assemble((_short(part["part"], width), "bold"), ": ", text[indent:])


def _short(name: str, width: int) -> str:
    """A name that leaves room for what is said of it."""
    return cut(printable(name), width // 3)


def _count_troubles(part: Part) -> int:
    return sum(map(int, part["totals"].values())) + bool(part["error"])


def _event(event: Mapping[str, Any], width: int) -> Text:
    time = datetime.fromisoformat(event["time"]).strftime("%H:%M:%S")
    first = event["text"].partition("\n")[0]
    line = Text.assemble(
        (time, "dim"),
        " ",
        (_short(event.get("part") or "linx", width), "bold"),
        ": ",
        (printable(first), colour_of(event["event"])),
    )
    if event.get("trigger"):
        took = short_ms(event.get("pass_ms"))
        line.append(f" ({printable(str(event['trigger']))}, {took} ms)", "dim")
    return line
