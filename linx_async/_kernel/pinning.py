"""A namespace that is held open for as long as a context lasts."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from anyio import to_thread

from .._core.groups import uninterrupted
from .netns import NetworkNamespace, Target

__all__ = ["pinned"]


@asynccontextmanager
async def pinned(namespace: NetworkNamespace) -> AsyncGenerator[Target, None]:
    """A namespace's descriptors until the context ends, or a cancellation meets their opening.

    Raises:
        ScopeGone: It is not there.
        SourceError: It may not be opened, or is no network namespace.
    """
    targets: list[Target] = []

    def work() -> None:
        targets.append(namespace.open())

    try:
        # A thread cannot be cut short: what it opens would be nobody's.
        await uninterrupted(lambda: to_thread.run_sync(work))
        yield targets[0]
    finally:
        for target in targets:
            target.close()
