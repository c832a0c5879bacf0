"""One part of the file while it is kept: its loop, and how that fares."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

import anyio
from anyio import Event
from attrs import asdict, define, field, frozen

from .._core.errors import SourceError
from .._core.hooks import Hooks
from .._core.loop import Loop
from .._core.model import Conflict, Report, Waiting
from .._core.supervisor import Supervisor
from ..config import Part
from . import events
from .results import error_fields, op_fields

__all__ = ["Kept", "Pacing"]


@frozen
class Pacing:
    """The options of every loop, see `Loop`; None where it is as the file says, or the default."""

    interval: float | None = None
    debounce: float | None = None
    monitor: bool | None = None

    def of(self, part: Part) -> dict[str, Any]:
        """Those of the loop of a part."""
        given = {name: value for name, value in asdict(self).items() if value is not None}
        return {**part.pacing, **given}


@frozen
class _Ears(Hooks):
    """Hears what becomes of the loop of a part; the supervisor starts it again in silence."""

    on_passed: Callable[[Report[Any] | SourceError], None]
    on_crashed: Callable[[Exception], None]

    def passed(self, loop: str, outcome: Report[Any] | SourceError) -> None:
        """A pass is over."""
        self.on_passed(outcome)

    def crashed(self, loop: str, error: Exception) -> None:
        """It crashed."""
        self.on_crashed(error)


@define(eq=False)
class Kept:
    """A part, its loop, and what became of the last pass.

    Attributes:
        part: The part, as it is desired now.
        tell: Where events go.
        left: Whether it has left the file: it is kept until nothing of it is ours any more.
        loop: Its loop.
        supervisor: What runs the loop, and no other.
        outcome: What came of the last pass; None before the first.
        at: When that was.
        crash: Why the loop crashed, where it has made no pass since; else empty.
        first: Set once the first pass was made, or none will be.
        is_stopping: Whether its loop was told to end.
        ended: Set once the loop runs no more, and its record is free.
    """

    part: Part
    tell: Callable[..., None]
    left: bool = False
    loop: Loop[Any, Any, Any] = field(init=False)
    supervisor: Supervisor = field(init=False)
    outcome: Report[Any] | SourceError | None = field(default=None, init=False)
    at: datetime | None = field(default=None, init=False)
    crash: str = field(default="", init=False)
    first: Event = field(factory=Event, init=False)
    is_stopping: bool = field(default=False, init=False)
    ended: Event = field(factory=Event, init=False)
    _story: events.Story = field(init=False)
    _passed: Event = field(factory=Event, init=False)

    @classmethod
    def of(
        cls,
        part: Part,
        make: Callable[[Part, Hooks], Loop[Any, Any, Any]],
        tell: Callable[..., None],
        *,
        left: bool,
    ) -> Kept:
        """A part with the loop that is made for it, not running."""
        kept = cls(part, tell, left)
        kept._story = events.Story(part.name)
        kept.loop = make(part, _Ears(kept._told, kept._crashed))
        kept.supervisor = Supervisor(kept.loop)
        return kept

    @property
    def state(self) -> str:
        """How it is, in a word or two."""
        if self.crash:
            return "restarting"
        if self.outcome is None:
            return "starting"
        if isinstance(self.outcome, SourceError):
            return "error"
        return "converged" if self.outcome.converged else "not converged"

    @property
    def is_let_go(self) -> bool:
        """Whether it has left the file, and nothing of it is ours any more."""
        outcome = self.outcome
        if not self.left or not isinstance(outcome, Report):
            return False
        return outcome.converged and outcome.revision >= self.loop.revision

    def busy_for(self) -> float:
        """Seconds that the loop has been at work without a pause; 0 where it waits."""
        since = self.loop.busy_since
        return 0.0 if since is None else anyio.current_time() - since

    async def passed(self, revision: int) -> None:
        """Wait until a pass was made for that desired state, or could not run, or none will."""
        before = self.outcome
        while not self.ended.is_set():
            outcome = self.outcome
            if isinstance(outcome, Report) and outcome.revision >= revision:
                return
            if isinstance(outcome, SourceError) and outcome is not before:
                return
            await self._passed.wait()

    async def quiet(self) -> None:
        """Wait until the pass under way, if there is one, has come to its end."""
        if self.loop.busy_since is not None:
            await self._passed.wait()

    def put(self, part: Part, *, left: bool) -> int:
        """Desire something else from now on; the revision of it."""
        self.part, self.left = part, left
        return self.loop.put_desired(part.desired)

    def stop(self) -> None:
        """Let the loop come to its end."""
        self.is_stopping = True
        self.loop.stop()

    def end(self) -> None:
        """It runs no more."""
        self.first.set()
        self.ended.set()
        self._announce()

    @property
    def report(self) -> Report[Any]:
        """What the last pass has found; nothing where it could not run, and before the first."""
        return self.outcome if isinstance(self.outcome, Report) else Report(converged=False)

    def to_json(self, most: int | None = None) -> dict[str, Any]:
        """How it fares, for `linx status --json`.

        Args:
            most: How many there are at most of what failed, of what waits and so on; default: all.
        """
        outcome, report = self.outcome, self.report
        last = self.at and {
            "time": self.at.isoformat(timespec="milliseconds"),
            "trigger": report.trigger.value if report is outcome else None,
            "pass_ms": round(report.duration * 1e3, 3) if report is outcome else None,
        }
        error = self.crash or (str(outcome) if isinstance(outcome, SourceError) else "")
        return {
            "part": self.part.name,
            "state": self.state,
            "converged": self.state == "converged",
            "paused": self.loop.paused,
            "left": self.left,
            "last_pass": last,
            "busy_s": round(self.busy_for(), 3),
            "restarts": self.supervisor.restarts,
            "failed": [error_fields(each.error) for each in report.failed[:most]],
            "pending": [op_fields(op) for op in report.pending[:most]],
            "waiting": _reasons(report.waiting[:most]),
            "conflicts": _reasons(report.conflicts[:most]),
            "flapping": list(report.flapping[:most]),
            "error": error or None,
        }

    def _told(self, outcome: Report[Any] | SourceError) -> None:
        self.outcome = outcome
        self.at = datetime.now().astimezone()
        self.crash = ""
        self.tell(*self._story.of(outcome))
        self.first.set()
        if self.is_let_go:
            self.stop()
        self._announce()

    def _crashed(self, error: Exception) -> None:
        self.crash = str(error) or type(error).__name__
        self.tell(*self._story.crashed(error))
        self._announce()

    def _announce(self) -> None:
        self._passed.set()
        self._passed = Event()


def _reasons(items: Iterable[Waiting | Conflict]) -> list[dict[str, str]]:
    return [{"key": each.key, "reason": each.reason} for each in items]
