"""What happens to a cgroup: its limits and events, those right below it, and its own life."""

from __future__ import annotations

import os
from contextlib import suppress

import anyio
from anyio import TASK_STATUS_IGNORED, to_thread
from anyio.abc import TaskStatus
from attrs import define, field, frozen

from .. import cgroup
from .._core.errors import DesiredStateError
from .._core.groups import ungrouped
from .._core.model import Hint
from .._core.ownership import Ownership
from .._flat.observed import Observed
from .._kernel.cgroupfs import mount_of
from .._kernel.files import entries, pin_directory
from .._kernel.inotify import Change, Mask, Watches, watching
from ..cgroup.paths import below_mount, checked_name, checked_path
from .events import Event
from .monitor_listener import Tell
from .monitor_values import Values

__all__ = ["CgroupListener", "is_listened_to"]

_ALWAYS = "cgroup.events"
"""A file that every cgroup has but the root."""
_SWITCH = "cgroup.pressure"


def is_listened_to(name: str) -> bool:
    """Whether an interface file is told of: settings, and counters that announce their changes.

    Others change all the time without a word: memory.current, cpu.stat, io.pressure.
    """
    try:
        checked_name(name)
    except DesiredStateError:
        return False
    silent = ("stat", "current", "peak", "pressure", "stat.local")
    return name == _SWITCH or not name.endswith(silent)


@frozen
class CgroupListener:
    """Listens to a cgroup.

    Attributes:
        path: The cgroup, relative to where cgroup2 is mounted, or absolute.
    """

    path: str

    @property
    def part(self) -> str:
        """What it is called in front of each line."""
        return f"cgroup {self.path}"

    @property
    def about(self) -> str:
        """The same: it listens to all of it."""
        return self.part

    async def listen(
        self, tell: Tell, *, task_status: TaskStatus[None] = TASK_STATUS_IGNORED
    ) -> None:
        """Listen for ever.

        Raises:
            DesiredStateError: It is no path.
            LinxError: It cannot be listened to.
        """
        path = checked_path(self.path)
        mount = await to_thread.run_sync(mount_of, path)
        place = os.path.join(mount.point, below_mount(path, mount.point))
        with ungrouped():
            async with (
                cgroup.Source(path) as source,
                source.subscribe() as hints,
                watching() as below,
                anyio.create_task_group() as tasks,
            ):
                look = _Look(self.part, place, source, below)
                tell(await look.first())
                tasks.start_soon(look.tell_of_those_below, tell)
                task_status.started()
                async for hint in hints:
                    tell(await look.again(hint))


@define
class _Look:
    """Looks at a cgroup, again and again.

    Attributes:
        part: What it is called in front of each line.
        place: Its directory.
        source: What reads it.
        below: Watches for the cgroups right below it.
    """

    part: str
    place: str
    source: cgroup.Source
    below: Watches
    _values: Values = field(init=False)
    _incarnation: str | None = field(default=None, init=False)

    def __attrs_post_init__(self) -> None:
        self._values = Values(self.part)

    async def first(self) -> list[Event]:
        """Take it as it is; it may not be there yet."""
        observed = await self._observe()
        self._values.learn(_there(observed))
        self._incarnation = observed.incarnation
        if observed.incarnation is None:
            return [Event("waiting", self.part, "waiting: it is not there", _NO_KEY)]
        return []

    async def again(self, hint: Hint) -> list[Event]:
        """What has become of it."""
        observed = await self._observe()
        before, self._incarnation = self._incarnation, observed.incarnation
        if observed.incarnation == before:
            return self._values.changes(_there(observed), hint)
        self._values.learn(_there(observed))
        life = []
        if before is not None:
            life.append(Event("deleted", self.part, f"deleted: {hint.reason}", _CGROUP))
        if observed.incarnation is not None:
            life.append(Event("added", self.part, f"added: {hint.reason}", _CGROUP))
        return life

    async def tell_of_those_below(self, tell: Tell) -> None:
        """Tell of cgroups right below it that are made or removed, for ever."""
        async for change in self.below:
            # What is lost here is lost to the hints too, which tell so.
            if isinstance(change, Change) and change.name:
                is_made = bool(change.mask & Mask.CREATE)
                verb = "added" if is_made else "deleted"
                fields = {"what": "cgroup", "name": change.name}
                tell([Event(verb, self.part, f"{verb} cgroup {change.name} in it", fields)])

    async def _observe(self) -> Observed:
        names = await to_thread.run_sync(self._files)
        return await self.source.observe(dict.fromkeys(names), _NOTHING)

    def _files(self) -> list[str]:
        """The files to look at; blocks. They may be others than before, as controllers come."""
        names: list[str] = []
        with suppress(OSError):
            self.below.add(pin_directory(self.place), "", Mask.CREATE | Mask.DELETE)
            names = entries("", self.place)[1]
        return list(dict.fromkeys((_ALWAYS, *filter(is_listened_to, names))))


def _there(observed: Observed) -> Observed:
    """Without what is not there: that the cgroup is not is told once."""
    return Observed(observed.values, {}, {}, observed.incarnation)


_NOTHING = Ownership()
_CGROUP = {"what": "cgroup", "name": None}
_NO_KEY = {"key": None, "reason": "it is not there"}
