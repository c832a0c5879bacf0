"""Computations that make very many values: in a thread, and without collections of garbage."""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, TypeVar, TypeVarTuple

from anyio import to_thread

__all__ = ["run_in_bulk"]

T = TypeVar("T")
Args = TypeVarTuple("Args")


class _Collector:
    """The collector of cyclic garbage, which several may want to be put off at once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users = 0
        self._was_enabled = False

    @contextmanager
    def put_off(self) -> Iterator[None]:
        """No collection meanwhile; one who has it switched off is left alone."""
        with self._lock:
            if not self._users:
                self._was_enabled = gc.isenabled()
                gc.disable()
            self._users += 1
        try:
            yield
        finally:
            with self._lock:
                self._users -= 1
                if not self._users and self._was_enabled:
                    gc.enable()


_COLLECTOR: Final = _Collector()


async def run_in_bulk(work: Callable[[*Args], T], *args: *Args) -> T:
    """Run, in a thread, what makes very many values, of which none becomes garbage.

    Without collections meanwhile, in the whole process, for some tenths of a second at most: one
    starts after each few hundred values that are made, and as all of them stay, the full ones that
    look at everything become many (`gc.set_threshold()`). They are a third of such work.
    """

    def bulk() -> T:
        with _COLLECTOR.put_off():
            return work(*args)

    return await to_thread.run_sync(bulk)
