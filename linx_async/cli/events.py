"""From reports to the few events that somebody who watches a loop wants to hear of."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from attrs import define, field, frozen

from .._core.errors import SourceError
from .._core.model import Report
from .results import error_fields, op_fields, past

__all__ = ["Event", "Story"]


@frozen
class Event:
    """One thing that happened, told in one line.

    Attributes:
        kind: What: `started`, `applied`, `failed`, `pending`, `waiting`, `conflict`, `flapping`,
            `converged`, `error`, `restart` or `stopped`.
        part: To which part; empty for all of them.
        text: It, for people.
        fields: What more there is for `--json`.
    """

    kind: str
    part: str
    text: str
    fields: Mapping[str, Any] = field(factory=dict)


@define
class Story:
    """What has happened to one part; it tells a lasting state when it begins, not at each pass.

    Attributes:
        part: The part's name.
    """

    part: str
    _told: frozenset[tuple[str, str]] = field(factory=frozenset, init=False)
    _converged: bool = field(default=False, init=False)

    def of(self, outcome: Report[Any] | SourceError) -> list[Event]:
        """What is new with this outcome of a pass; nothing for a quiet one."""
        if isinstance(outcome, SourceError):
            events = self._new([Event("error", self.part, str(outcome))])
            self._converged = False
            return events
        events = [*self._applied(outcome), *self._new(self._lasting(outcome))]
        if outcome.converged and not self._converged:
            events.append(Event("converged", self.part, "converged"))
        self._converged = outcome.converged
        return events

    def crashed(self, error: Exception) -> list[Event]:
        """The loop crashed, and starts again; a crash in a row for the same reason is no news."""
        self._converged = False
        return self._new([Event("restart", self.part, f"crashed, and starts again: {error}")])

    def _applied(self, report: Report[Any]) -> Iterator[Event]:
        common = {"trigger": report.trigger.value, "pass_ms": round(report.duration * 1e3, 3)}
        for op in report.applied:
            yield Event("applied", self.part, past(op), {**op_fields(op), **common})

    def _lasting(self, report: Report[Any]) -> Iterator[Event]:
        for failure in report.failed:
            text = f"failed: {failure.error}"
            yield Event("failed", self.part, text, error_fields(failure.error))
        for op in report.pending:
            yield Event("pending", self.part, f"not tried: {op}", op_fields(op))
        for kind, items in (("waiting", report.waiting), ("conflict", report.conflicts)):
            for item in items:
                fields = {"key": item.key, "reason": item.reason}
                yield Event(kind, self.part, f"{kind}: {item.key}: {item.reason}", fields)
        for key in report.flapping:
            text = f"flapping: {key} had to be set again and again: who else sets it?"
            yield Event("flapping", self.part, text, {"key": key})

    def _new(self, events: Iterable[Event]) -> list[Event]:
        """Those that the last outcome did not have."""
        now = list(events)
        before, self._told = self._told, frozenset((event.kind, event.text) for event in now)
        return [event for event in now if (event.kind, event.text) not in before]
