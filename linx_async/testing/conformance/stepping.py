"""Drives a coroutine, and tells each time that it waits and goes on."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Generator
from functools import partial
from pathlib import PurePath
from typing import Any, Generic, TypeAlias, TypeVar

from linx_async._core import groups

__all__ = ["place_of", "stepped"]

T = TypeVar("T")
OnWait: TypeAlias = Callable[[Coroutine[Any, Any, Any]], object]
OnWake: TypeAlias = Callable[[], Awaitable[object]]


class _Stepped(Generic[T]):
    """Passes on what the coroutine and the event loop have to say to each other."""

    def __init__(
        self, work: Coroutine[Any, Any, T], on_wait: OnWait, on_wake: OnWake | None
    ) -> None:
        self._work = work
        self._on_wait = on_wait
        self._on_wake = on_wake

    def __await__(self) -> Generator[Any, Any, T]:
        resume: Callable[[], Any] = partial(self._work.send, None)
        while True:
            try:
                request = resume()
            except StopIteration as end:
                value: T = end.value
                return value
            self._on_wait(self._work)
            try:
                answer = yield request
                if self._on_wake is not None:
                    yield from self._on_wake().__await__()
            except GeneratorExit:
                self._work.close()
                raise
            except BaseException as error:
                resume = partial(self._work.throw, error)
            else:
                resume = partial(self._work.send, answer)


async def stepped(
    work: Coroutine[Any, Any, T],
    on_wait: OnWait = lambda _: None,
    on_wake: OnWake | None = None,
) -> T:
    """Await a coroutine, in this task.

    Args:
        work: The coroutine.
        on_wait: Called with it wherever it suspends, right before it does.
        on_wake: Awaited wherever it goes on, right before it does.
    """
    return await _Stepped(work, on_wait, on_wake)


_PLUMBING = ("anyio.", "asyncio.", "trio.", "contextlib", groups.__name__)


def place_of(work: Coroutine[Any, Any, Any]) -> str:
    """Where a coroutine waits: the innermost function that is not the event loop's."""
    place = ""
    awaited: Any = work
    while awaited is not None:
        frame = getattr(awaited, "cr_frame", None) or getattr(awaited, "gi_frame", None)
        if frame is not None and not frame.f_globals.get("__name__", "").startswith(_PLUMBING):
            file = PurePath(frame.f_code.co_filename).name
            place = f"{frame.f_code.co_qualname}, {file}:{frame.f_lineno}"
        awaited = getattr(awaited, "cr_await", None) or getattr(awaited, "gi_yieldfrom", None)
    return place
