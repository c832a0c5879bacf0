"""The loop: one source in one scope, kept converged."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Generic

import anyio
from anyio import TASK_STATUS_IGNORED
from anyio.abc import TaskStatus
from attrs import evolve

from .errors import DesiredStateError, LoopStopped, ScopeGone, SourceError
from .groups import StartedOnce, ungrouped
from .hooks import Hooks, checked_hooks
from .look import look
from .memory import MemoryStore, Store
from .model import Hint, OpT, Report, Trigger
from .orders import Orders
from .ownership import Ownership
from .pace import checked_seconds
from .progress import Progress
from .reconcile import Ledger, checked_last_applied, identity_of, run_pass
from .source import DesiredT, ObservedT, Source

__all__ = ["Loop"]

logger = logging.getLogger("linx_async")


class Loop(Generic[DesiredT, ObservedT, OpT]):
    """Keeps one source's scope at the desired state; an ordinary coroutine runs it.

    Start it in any task group: `tg.start_soon(loop.run)` or `await tg.start(loop.run)` with anyio,
    `nursery.start_soon(loop.run)` with trio, `tg.create_task(loop.run())` with asyncio.

    Args:
        source: What to read and change: a Source with its scope and options.
        desired: The desired state, in the source's shape.
        interval: Seconds between resyncs, give or take a tenth; math.inf relies on hints alone.
        debounce: Seconds to gather a burst of hints, or a new desired state, into one pass.
        monitor: Whether to subscribe to the source's hints.
        last_applied: What we own to begin with. Give this or a store.
        store: Where ownership is kept; default: in memory, as long as the loop lives.
        name: For logs, and for the record in the store; default: the source's name.
        on_report: Called after each pass with its report, or with the error of a pass that could
            not run. It may be a coroutine function, which must not wait for a pass: the next one
            begins when it has returned. What it raises crashes the loop.
        hooks: What hears of hints, passes and crashes as they come.

    Raises:
        DesiredStateError: An option or the desired state is wrong as written.
    """

    def __init__(
        self,
        source: Source[DesiredT, ObservedT, OpT],
        desired: DesiredT,
        *,
        interval: float = 5.0,
        debounce: float = 0.1,
        monitor: bool = True,
        last_applied: Ownership | None = None,
        store: Store | None = None,
        name: str | None = None,
        on_report: Callable[[Report[OpT] | SourceError], Awaitable[None] | None] | None = None,
        hooks: Iterable[Hooks] = (),
    ) -> None:
        self.name: str = name or source.name
        self.interval: float = checked_seconds("interval", interval, zero=False)
        self.debounce: float = checked_seconds("debounce", debounce, endless=False)
        self._source = source
        self._desired = source.check(desired)
        self._monitor = monitor
        self._initial = checked_last_applied(last_applied, store)
        self._store: Store = MemoryStore() if store is None else store
        self._revision = 0
        self._hooks = checked_hooks(hooks)
        self._progress = Progress[OpT](self.name, on_report, self._hooks)
        self._orders = Orders(self.interval, self.debounce)

    @property
    def last_report(self) -> Report[OpT] | None:
        """The report of the last pass that could run; None before the first."""
        return self._progress.last_report

    @property
    def desired(self) -> DesiredT:
        """The desired state that the next pass converges on."""
        return self._desired

    @property
    def revision(self) -> int:
        """The number of the present desired state: 0 at first, one more at each put_desired."""
        return self._revision

    @property
    def paused(self) -> bool:
        """Whether nothing is applied but by force."""
        return self._orders.paused

    @property
    def busy_since(self) -> float | None:
        """Since when it has been at work, by anyio.current_time(); None while it waits."""
        return self._orders.busy_since if self._progress.running else None

    def put_desired(self, desired: DesiredT) -> int:
        """Replace the desired state; a debounced pass converges on it.

        Returns:
            Its revision, for `wait_converged`.

        Raises:
            DesiredStateError: It is wrong as written; the loop goes on with the old one.
        """
        self._desired = self._source.check(desired)
        self._revision += 1
        if self._progress.running:
            self._orders.desired()
        return self._revision

    async def follow(self, states: AsyncIterable[DesiredT]) -> None:
        """Take each state of a stream as the desired one until it ends; in a task beside `run`.

        One that is wrong as written is logged, and the loop goes on with the one before.
        """
        async for desired in states:
            try:
                self.put_desired(desired)
            except DesiredStateError as error:
                logger.error("%s: a state is wrong, and not taken: %s", self.name, error)  # noqa: TRY400

    async def reconcile(self) -> Report[OpT]:
        """Force one pass that begins after this call, and get its report; also while paused.

        Raises:
            SourceError: The pass could not run.
            LoopStopped: The loop is not running, or ended before the pass did.
        """
        if not self._progress.running:
            raise LoopStopped(f"loop {self.name!r} is not running: start loop.run() first")
        self._orders.force()
        return await self._progress.after_this()

    async def wait_converged(self, revision: int | None = None) -> Report[OpT]:
        """Wait until that revision of the desired state, or a later one, is in the kernel.

        Args:
            revision: What put_desired returned; default: the present one.

        Raises:
            LoopStopped: The loop ended, and is not going to converge.
        """
        wanted = self._revision if revision is None else revision
        return await self._progress.converged(wanted)

    @asynccontextmanager
    async def reports(self) -> AsyncIterator[AsyncIterator[Report[OpT] | SourceError]]:
        """A stream of what `on_report` gets; it ends with the loop.

        A watcher that lags more than 64 passes behind loses the oldest.
        """
        with self._progress.watch() as reports:
            yield reports

    def pause(self, *, look: bool = False) -> None:
        """Begin no passes, but for forced ones, until `resume`; one under way goes on.

        Args:
            look: Whether to begin passes that only look: what is due is `pending` in their reports.
        """
        self._orders.pause(look)

    def resume(self) -> None:
        """Make passes again, beginning with a full one."""
        if self.paused:
            self._orders.resume(running=self._progress.running)

    def stop(self) -> None:
        """End the loop once the pass under way, if there is one, is done; `run` returns."""
        self._orders.stop()

    async def run(self, *, task_status: TaskStatus[None] = TASK_STATUS_IGNORED) -> None:
        """Run until `stop` or cancellation; `started` after the first pass, whatever its outcome.

        A scope that is not there, or not any more, is a pass that could not run: it is left, and
        entered anew at the next retry.

        Raises:
            SourceError: The source could not be entered, or its hints ended.
            StoreError: The ownership record cannot be used.
        """
        try:
            await self.run_once(task_status=task_status)
        finally:
            self.end()

    async def run_once(self, *, task_status: TaskStatus[None] = TASK_STATUS_IGNORED) -> None:
        """Run like `run`, but leave those who wait for reports waiting: the supervisor's half."""
        with self._progress.run():
            self._orders.busy()
            await self._run(StartedOnce(task_status))

    async def until_stop(self) -> None:
        """Wait for a call of `stop`, while not running."""
        await self._orders.until_stop()

    def end(self) -> None:
        """Tell those who wait that no pass will follow."""
        if not self._progress.running:  # a second run() was refused, and the first goes on
            self._orders.stopping = False
            self._progress.end()

    async def _run(self, task_status: TaskStatus[None]) -> None:
        self._orders.start()
        while True:
            try:
                return await self._run_in_scope(task_status)
            except ScopeGone as error:
                # Let the scope go, and look for it by its name again at the next retry.
                await self._fail(error)
            task_status.started()
            if await self._orders.next() is None:
                return None

    async def _run_in_scope(self, task_status: TaskStatus[None]) -> None:
        async with AsyncExitStack() as stack:
            source = await stack.enter_async_context(self._source)
            record = await stack.enter_async_context(
                self._store.open(self.name, identity_of(source))
            )
            ledger = await Ledger.of(record, self._initial)
            self._initial = None
            subscription = source.subscribe() if self._monitor else None
            if subscription is None:
                await self._drive(ledger, task_status)
                return
            hints = await stack.enter_async_context(subscription)
            await self._drive_with(hints, ledger, task_status)

    async def _drive_with(
        self, hints: AsyncIterator[Hint], ledger: Ledger, task_status: TaskStatus[None]
    ) -> None:
        with ungrouped():
            async with anyio.create_task_group() as tg:
                tg.start_soon(self._listen, hints)
                await self._drive(ledger, task_status)
                tg.cancel_scope.cancel()

    async def _listen(self, hints: AsyncIterator[Hint]) -> None:
        async for hint in hints:
            logger.debug("%s: hint: %s", self.name, hint.reason)
            for hooks in self._hooks:
                hooks.hinted(self.name, hint)
            self._orders.hinted(hint)
        raise SourceError(f"{self.name}: the hints ended; the source does not watch any more")

    async def _drive(self, ledger: Ledger, task_status: TaskStatus[None]) -> None:
        if self._orders.held:
            task_status.started()
        while (trigger := await self._orders.next()) is not None:
            await self._pass(ledger, trigger)
            task_status.started()
        task_status.started()

    async def _pass(self, ledger: Ledger, trigger: Trigger) -> None:
        self._begin(trigger)
        only_look = self.paused and trigger is not Trigger.FORCED
        try:
            report = await (look if only_look else run_pass)(
                self._source, self._desired, ledger, trigger=trigger, revision=self._revision
            )
        except ScopeGone:
            raise
        except SourceError as error:
            await self._fail(error)
        else:
            self._orders.pace.passed(anyio.current_time(), trigger, report)
            flapping = self._orders.pace.flapping()
            await self._progress.tell(evolve(report, flapping=flapping))

    def _begin(self, trigger: Trigger) -> None:
        self._orders.begun()
        self._progress.begin(trigger)

    async def _fail(self, error: SourceError) -> None:
        """The pass that began last, or the one that could not even begin, is over."""
        logger.warning("%s: the pass could not run: %s", self.name, error)
        if self._progress.idle:
            self._begin(Trigger.RETRY)
        self._orders.pace.failed(anyio.current_time())
        await self._progress.tell(error)
