"""How far the passes of a loop have come, for those who wait for one and those who watch."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Generic

from anyio import Event

from .broadcast import Broadcast
from .errors import DesiredStateError, LoopStopped, SourceError
from .hooks import Hooks
from .model import OpT, Report, Trigger

__all__ = ["Progress"]


class Progress(Generic[OpT]):
    """What the passes of one loop gave; it knows whether more will follow.

    Args:
        name: The loop's, for the errors.
        on_report: Called with each outcome; awaited where it is a coroutine function.
        hooks: What hears of passes.

    Raises:
        DesiredStateError: `on_report` cannot be called.
    """

    def __init__(
        self,
        name: str,
        on_report: Callable[[Report[OpT] | SourceError], Awaitable[None] | None] | None = None,
        hooks: Sequence[Hooks] = (),
    ) -> None:
        if on_report is not None and not callable(on_report):
            raise DesiredStateError(f"on_report: expected a function, got {on_report!r}")
        self.last_report: Report[OpT] | None = None
        self.running = False
        self._name = name
        self._on_report = on_report
        self._hooks = hooks
        self._ended = False
        self._begun = 0
        self._done = 0
        self._outcome: Report[OpT] | SourceError | None = None
        self._passed = Event()
        self._reports = Broadcast[Report[OpT] | SourceError]()

    @contextmanager
    def run(self) -> Iterator[None]:
        """The loop runs, as long as this is entered; it may do so again.

        Raises:
            LoopStopped: It is running already.
        """
        if self.running:
            raise LoopStopped(f"loop {self._name!r} is running already")
        if self._ended:
            self._reports = Broadcast()
        self.running = True
        self._ended = False
        try:
            yield
        except Exception as error:
            for hooks in self._hooks:
                hooks.crashed(self._name, error)
            raise
        finally:
            self.running = False
            self._announce()

    def end(self) -> None:
        """No pass will follow, unless somebody starts the loop anew."""
        self._ended = True
        self._reports.close()
        self._announce()

    @property
    def idle(self) -> bool:
        """Whether no pass is under way."""
        return self._begun == self._done

    def begin(self, trigger: Trigger) -> None:
        """A pass begins, and why."""
        self._begun += 1
        for hooks in self._hooks:
            hooks.began(self._name, trigger)

    async def tell(self, outcome: Report[OpT] | SourceError) -> None:
        """The pass that began last gave this."""
        if not isinstance(outcome, SourceError):
            self.last_report = outcome
        self._done = self._begun
        self._outcome = outcome
        self._reports.send(outcome)
        self._announce()
        for hooks in self._hooks:
            hooks.passed(self._name, outcome)
        answer = None if self._on_report is None else self._on_report(outcome)
        if inspect.isawaitable(answer):
            await answer

    def watch(self) -> AbstractContextManager[AsyncIterator[Report[OpT] | SourceError]]:
        """A stream of what is told from now on, until the end."""
        return self._reports.watch()

    async def after_this(self) -> Report[OpT]:
        """Wait for a pass that has not begun yet, and get its report.

        Raises:
            SourceError: It could not run.
            LoopStopped: The loop ended before it did.
        """
        under_way = self._begun
        while self._done <= under_way or self._outcome is None:
            if not self.running:
                raise LoopStopped(f"loop {self._name!r} ended before the pass did")
            await self._passed.wait()
        if isinstance(self._outcome, SourceError):
            raise self._outcome
        return self._outcome

    async def converged(self, revision: int) -> Report[OpT]:
        """Wait until that revision, or a later one, is in the kernel.

        Raises:
            LoopStopped: The loop ended, and is not going to converge.
        """
        while True:
            report = self.last_report
            if report is not None and report.converged and report.revision >= revision:
                return report
            if self._ended:
                raise LoopStopped(f"loop {self._name!r} ended before it reached {revision=}")
            await self._passed.wait()

    def _announce(self) -> None:
        self._passed.set()
        self._passed = Event()
