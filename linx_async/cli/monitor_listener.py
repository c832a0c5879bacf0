"""What listens for `linx monitor`, whichever part of the kernel it listens to."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from anyio.abc import TaskStatus

from .events import Event

if TYPE_CHECKING:
    from .._kernel.netns import NetworkNamespace

__all__ = ["Listener", "Tell", "part_name"]

Tell: TypeAlias = Callable[[Iterable[Event]], None]
"""Takes events as they come."""


class Listener(Protocol):
    """Something that tells what happens in one place.

    Attributes:
        part: What it is called in front of each line.
        about: The same with what it listens to in it.
    """

    @property
    def part(self) -> str:
        """What it is called."""
        ...

    @property
    def about(self) -> str:
        """What it listens to."""
        ...

    def listen(self, tell: Tell, *, task_status: TaskStatus[None]) -> Coroutine[Any, Any, None]:
        """Listen for ever; it has started once nothing that happens is missed.

        Raises:
            LinxError: It cannot listen there, or not any more.
        """
        ...


def part_name(kind: str, netns: NetworkNamespace | None) -> str:
    """What a part is called in front of a line, as the parts of a file are."""
    return kind if netns is None else f"{netns}: {kind}"
