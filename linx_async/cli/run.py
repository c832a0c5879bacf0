"""`linx run`: the loops in the foreground, until a signal comes."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial

import anyio
from anyio import TASK_STATUS_IGNORED
from anyio.abc import TaskGroup, TaskStatus
from attrs import frozen

from .._core.errors import LinxError
from .._core.groups import ungrouped
from ..config import HostConfig
from .answers import Answers
from .control import Control
from .events import Event
from .keeper import Keeper
from .kept import Pacing
from .metrics_place import MetricsPlace
from .notify import ServiceSocket
from .place import ControlError, ControlPlace
from .reload import Reloads
from .service import Service
from .state import HostStore, Keeping, what_to_keep
from .telling import Telling, stamp

__all__ = ["Pacing", "Runner", "stamp"]


@frozen
class Runner:
    """The loops of one file.

    Attributes:
        config: The file.
        read: What reads it anew; it is called in a thread.
        store: The records.
        place: Where to listen for commands.
        pacing: The options of every loop.
        revert_on_release: Whether what left the file gets its value from before we came back; None
            where it is as the file says.
        as_json: Whether to write JSON.
        metrics: Where to serve metrics; None is nowhere.
    """

    config: HostConfig
    read: Callable[[], HostConfig]
    store: HostStore
    place: ControlPlace
    pacing: Pacing
    revert_on_release: bool | None = None
    as_json: bool = False
    metrics: MetricsPlace | None = None

    async def run(self) -> None:
        """Keep the kernel at what the file says, until SIGINT or SIGTERM.

        Raises:
            LoopFailed: A loop crashed again and again.
            ConfigError: Two tables are one and the same scope.
            StoreError: No record can be kept in the state directory.
            MetricsError: No metrics can be served where they are to be.
        """
        listener = ServiceSocket.taken_from(os.environ, os.getpid())
        await self.store.prepare()
        keeping = await what_to_keep(self.config, self.store)
        telling = Telling(self.as_json)
        keeper = Keeper(self.store, self.pacing, self.revert_on_release, telling.put)
        service = Service(listener, keeper, keeper.note)
        if keeping.trouble:
            telling.put(Event("error", "", keeping.trouble))
        keep = partial(self._keep, keeper, service, keeping, telling)
        outcome = await telling.around(keep, keeper.stop)
        if isinstance(outcome, LinxError):
            raise outcome

    async def _keep(
        self, keeper: Keeper, service: Service, keeping: Keeping, telling: Telling
    ) -> None:
        """The loops, and what there is around them, which ends with them."""
        reloads = Reloads(self.config.file, self.read, keeper, self.store, service, keeper.note)
        answers = Answers(self.config.file, keeper, reloads)
        with ungrouped():
            async with anyio.create_task_group() as around:
                page = await self._measured(around, keeper)
                await around.start(reloads.listen)
                control = Control(answers.to, follow=answers.follow)
                await around.start(self._listen, control, telling)
                names = ", ".join(part.name for part in keeping.parts) or "nothing"
                text = f"keeps {names}, as {self.config.file} says"
                if page is not None:
                    text += f"; metrics are at {page}"
                telling.put(Event("started", "", text, {"metrics": page}))
                around.start_soon(service.run)
                await keeper.run(keeping)
                await service.stopping()
                around.cancel_scope.cancel()

    async def _measured(self, around: TaskGroup, keeper: Keeper) -> str | None:
        """The URL of the metrics, from now on; None where there are none."""
        if self.metrics is None:
            return None
        from .metrics import MetricsPage  # late: few need it, and what it is made of

        page: str = await around.start(MetricsPage(keeper.counts, keeper.note).serve, self.metrics)
        return page

    async def _listen(
        self,
        control: Control,
        telling: Telling,
        *,
        task_status: TaskStatus[None] = TASK_STATUS_IGNORED,
    ) -> None:
        try:
            await control.serve(self.place, task_status=task_status)
        except ControlError as error:
            # It is for people's comfort; the kernel is kept without it.
            telling.put(Event("error", "", f"takes no commands: {error}"))
            task_status.started()
