"""A bounded queue of hints that never blocks its writers and forgets nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator

from anyio import Event
from anyio.lowlevel import checkpoint

from .model import Hint

__all__ = ["HintQueue"]


class HintQueue:
    """Many writers, one reader. Equal hints coalesce; too many become one that says `lost`.

    What a source of your own may yield from `subscribe()`, an endless async iterator:

    ```python
    @asynccontextmanager
    async def subscribe(self) -> AsyncIterator[AsyncIterator[Hint]]:
        hints = HintQueue()
        with self.device.on_change(lambda key: hints.put(Hint(f"{key} changed", frozenset({key})))):
            yield hints
    ```

    Args:
        size: How many different hints are kept apart.
    """

    def __init__(self, size: int = 1024) -> None:
        self._size = size
        self._hints: dict[Hint, None] = {}
        self._ready = Event()

    def put(self, hint: Hint) -> None:
        """Add a hint; at once."""
        if hint not in self._hints and len(self._hints) >= self._size:
            self._hints.clear()
            hint = Hint("more hints than are kept apart", lost=True)
        self._hints[hint] = None
        self._ready.set()

    def __aiter__(self) -> AsyncIterator[Hint]:
        return self

    async def __anext__(self) -> Hint:
        while not self._hints:
            self._ready = Event()
            await self._ready.wait()
        await checkpoint()
        hint = next(iter(self._hints))
        del self._hints[hint]
        return hint
