"""What happens to sysctls: hints, and the values that they are about."""

from __future__ import annotations

from typing import TYPE_CHECKING

from anyio import TASK_STATUS_IGNORED
from anyio.abc import TaskStatus
from attrs import frozen

from .. import sysctl
from .._core.errors import OpError
from .._core.ownership import Ownership
from ..sysctl.keys import normalized
from .descriptors import raise_descriptor_limit
from .monitor_listener import Tell, part_name
from .monitor_values import Values
from .output import counted

if TYPE_CHECKING:
    from .._kernel.netns import NetworkNamespace

__all__ = ["SysctlListener"]


@frozen
class SysctlListener:
    """Listens to sysctls of a namespace.

    Attributes:
        netns: The namespace; None is here.
        names: Keys, and what keys begin with.
    """

    netns: NetworkNamespace | None
    names: tuple[str, ...]

    @property
    def part(self) -> str:
        """What it is called in front of each line."""
        return part_name("sysctl", self.netns)

    @property
    def about(self) -> str:
        """The same with what it listens to."""
        few = self.names if len(self.names) <= 3 else (counted(len(self.names), "key"),)
        return f"{self.part} ({', '.join(few)})"

    async def listen(
        self, tell: Tell, *, task_status: TaskStatus[None] = TASK_STATUS_IGNORED
    ) -> None:
        """Listen for ever.

        Raises:
            DesiredStateError: A name is none, or not of that namespace.
            LinxError: They cannot be listened to.
        """
        raise_descriptor_limit()
        named, below = await self._keys()
        desired = sysctl.Desired(dict.fromkeys((*named, *below), 0))
        source = sysctl.Source(self.netns)
        source.check(desired)
        values = Values(self.part)
        async with source, source.subscribe() as hints:
            values.learn(await source.observe(desired, _NOTHING))
            tell(values.lacking(named))
            task_status.started()
            async for hint in hints:
                tell(values.changes(await source.observe(desired, _NOTHING), hint))

    async def _keys(self) -> tuple[list[str], list[str]]:
        """The keys that are named, and those below what is named besides."""
        named: dict[str, None] = {}
        below: dict[str, None] = {}
        for name in self.names:
            try:
                below.update(dict.fromkeys(await sysctl.list(name, scope=self.netns)))
            except OpError:  # it is no directory: a key, maybe one that comes later
                named[normalized(name)] = None
        return list(named), [key for key in below if key not in named]


_NOTHING = Ownership()
