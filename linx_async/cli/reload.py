"""SIGHUP: the file is read anew, and its parts go on, change, begin or end accordingly."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from datetime import datetime

import anyio
from anyio import TASK_STATUS_IGNORED, to_thread
from anyio.abc import TaskStatus

from .._core.errors import LinxError
from ..config import ConfigError, HostConfig, Problem
from .changes import Changes
from .events import Event
from .keeper import Keeper
from .options import STANDARD_INPUT
from .output import counted
from .service import Service
from .show import problems_json
from .state import HostStore, what_to_keep

__all__ = ["Reloads"]


class Reloads:
    """Reads the file anew at each SIGHUP.

    Args:
        file: The file's name.
        read: Reads it; in a thread.
        keeper: Who keeps its parts.
        store: The records.
        service: Who tells the service manager.
        tell: Where events go.
    """

    def __init__(
        self,
        file: str,
        read: Callable[[], HostConfig],
        keeper: Keeper,
        store: HostStore,
        service: Service,
        tell: Callable[..., None],
    ) -> None:
        self.at: datetime | None = None
        self.problems: tuple[Problem, ...] = ()
        self._file = file
        self._read = read
        self._keeper = keeper
        self._store = store
        self._service = service
        self._tell = tell

    async def listen(self, *, task_status: TaskStatus[None] = TASK_STATUS_IGNORED) -> None:
        """Reload at each SIGHUP; `started` once one would be noticed."""
        with anyio.open_signal_receiver(signal.SIGHUP) as signals:
            task_status.started()
            async for _ in signals:
                await self.reload()

    async def reload(self) -> None:
        """Read the file, and keep what it says; where it is wrong, go on as before and say why."""
        await self._service.reloading(time.monotonic_ns() // 1000)
        try:
            changes = await self._changed()
        except ConfigError as error:
            self._refuse(error.problems)
        except LinxError as error:
            self._refuse([Problem(self._file, str(error))])
        else:
            self.problems = ()
            text = f"reloaded {self._file}: {changes}"
            self._tell(Event("reloaded", "", text, changes.to_json()))
        self.at = datetime.now().astimezone()
        self._service.trouble = f"{self._file} was not reloaded" if self.problems else ""
        await self._service.ready()

    async def _changed(self) -> Changes:
        if self._file == STANDARD_INPUT:
            message = "standard input cannot be read again: name a file, to reload it"
            raise ConfigError([Problem(self._file, message)])
        config = await to_thread.run_sync(self._read)
        keeping = await what_to_keep(config, self._store)
        if keeping.trouble:
            self._tell(Event("error", "", keeping.trouble))
        return await self._keeper.change_to(keeping)

    def _refuse(self, problems: tuple[Problem, ...] | list[Problem]) -> None:
        self.problems = tuple(problems)
        head = f"not reloaded, and all goes on as before: {counted(len(problems), 'problem')}"
        text = "\n".join([head, *map(str, problems)])
        self._tell(Event("not_reloaded", "", text, {"errors": problems_json(problems)}))
