"""The last few events of `linx run`, for those who come later."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection
from datetime import datetime
from typing import Any, Final

from attrs import define, field

from .events import Event
from .telling import event_fields

__all__ = ["Tail"]

_MOST: Final = 32


@define
class Tail:
    """The last few events, numbered from 1.

    Attributes:
        number: Of the last one; 0 before the first.
    """

    number: int = field(default=0, init=False)
    _kept: deque[tuple[int, datetime, Event]] = field(
        factory=lambda: deque(maxlen=_MOST), init=False
    )

    def put(self, *events: Event) -> None:
        """These have just happened."""
        if not events:
            return
        now = datetime.now().astimezone()
        first = self.number + 1
        self.number += len(events)
        # One pass may tell of many thousands.
        numbered = enumerate(events[-_MOST:], first + max(0, len(events) - _MOST))
        self._kept.extend((number, now, event) for number, event in numbered)

    def after(self, number: int, parts: Collection[str]) -> list[dict[str, Any]]:
        """Those that came after that one, of some parts and of all of them, for `--json`."""
        return [
            {"number": each, **event_fields(time, event)}
            for each, time, event in self._kept
            if each > number and (not event.part or event.part in parts)
        ]
