"""Virtual time on asyncio and on trio: an hour of scenario runs in well under a second."""

from __future__ import annotations

import asyncio
import math
import selectors
import threading
from collections.abc import Awaitable, Callable
from contextvars import Context
from typing import Any, TypeVar, TypeVarTuple, Unpack

import anyio

__all__ = [
    "VirtualDeadlock",
    "VirtualTimeLoop",
    "run_in_virtual_time",
    "virtual_backend",
    "virtual_backends",
]

_T = TypeVar("_T")
_Ts = TypeVarTuple("_Ts")


class VirtualDeadlock(RuntimeError):
    """Every task waits, and there is no timer, thread, descriptor or signal to wake one."""


class _JumpingSelector(selectors.DefaultSelector):
    """Moves the clock where another selector would wait."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.expects_signals = False

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if ready or (timeout is not None and timeout <= 0):
            return ready
        if timeout is not None:
            self.now += timeout
            return []
        if not self._world_may_wake_us():
            raise VirtualDeadlock(
                "every task waits for another: no timer is set, and no thread, descriptor or "
                "signal could wake one"
            )
        return super().select(None)

    def _world_may_wake_us(self) -> bool:
        # One descriptor is the loop's own, through which threads and signals wake it.
        watched = len(self.get_map()) > 1
        return watched or self.expects_signals or threading.active_count() > 1


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """An asyncio event loop whose clock starts at 0.0 and jumps to the next timer when all wait.

    It is asyncio's counterpart of `trio.testing.MockClock(autojump_threshold=0)`, with the same
    caveat: it cannot know of work in flight outside the loop. While a thread works, a process
    runs or a packet travels, every task may be waiting, and the clock then jumps: a timeout around
    `anyio.to_thread.run_sync` fires at once. Use virtual time for what only sleeps and passes
    objects between tasks; use real time for sockets, files, threads and processes.

    Unlike trio's, it tells a deadlock instead of hanging.

    Raises:
        VirtualDeadlock: From whatever runs the loop, when nothing can ever happen again.
    """

    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        """The virtual time in seconds; it stands still while any task runs."""
        return self._jumping.now

    # asyncio runs the timers before time() + resolution. Its own 1e-9 s vanishes in the rounding
    # once time() is past some months, and the timer that is due would never run.
    @property
    def _clock_resolution(self) -> float:
        return math.ulp(self.time())

    @_clock_resolution.setter
    def _clock_resolution(self, seconds: float) -> None:
        """Set once by asyncio, to what the real clock has."""

    def call_at(
        self,
        when: float,
        callback: Callable[[Unpack[_Ts]], object],
        *args: *_Ts,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        """As in asyncio, but what is due at `math.inf` never is, however far the clock jumps."""
        if when == math.inf:
            return asyncio.TimerHandle(when, callback, args, self, context)
        return super().call_at(when, callback, *args, context=context)

    def add_signal_handler(
        self, sig: int, callback: Callable[[Unpack[_Ts]], object], *args: *_Ts
    ) -> None:
        """As in asyncio; from then on a wait without end is no deadlock."""
        super().add_signal_handler(sig, callback, *args)
        self._jumping.expects_signals = True

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:
        """As in asyncio, but for as long as it takes: the clock would jump past any time limit."""
        await super().shutdown_default_executor()


def virtual_backend(name: str) -> tuple[str, dict[str, Any]]:
    """A backend in virtual time, with a clock of its own that starts at 0.0.

    For `anyio.run`, and as a value of the `anyio_backend` fixture of anyio's pytest plugin:

    ```python
    backend, options = virtual_backend("trio")
    anyio.run(main, backend=backend, backend_options=options)
    ```

    Call it once a run: a clock is not used twice. The caveat in `VirtualTimeLoop` holds for both.

    Args:
        name: `"asyncio"` or `"trio"`.

    Raises:
        ValueError: Another name.
        ImportError: trio is asked for and not installed.
    """
    if name == "asyncio":
        return name, {"loop_factory": VirtualTimeLoop}
    if name == "trio":
        try:
            import trio.testing  # late: it is an extra
        except ModuleNotFoundError as error:
            raise ImportError("trio is not installed: pip install 'linx-async[trio]'") from error

        return name, {"clock": trio.testing.MockClock(autojump_threshold=0)}
    raise ValueError(f"name: {name!r} is no backend; it is 'asyncio' or 'trio'")


def virtual_backends() -> tuple[tuple[str, dict[str, Any]], ...]:
    """Both backends in virtual time, each with a clock of its own.

    Raises:
        ImportError: trio is not installed.
    """
    return virtual_backend("asyncio"), virtual_backend("trio")


def run_in_virtual_time(
    main: Callable[[Unpack[_Ts]], Awaitable[_T]], *args: *_Ts, backend: str = "asyncio"
) -> _T:
    """Run an async function to its end, on a clock that starts at 0.0 and jumps.

    The caveat in `VirtualTimeLoop` holds.

    Args:
        main: The function.
        args: Its arguments.
        backend: `"asyncio"` or `"trio"`.

    Returns:
        What it returns.

    Raises:
        ValueError: Another backend.
        ImportError: trio is asked for and not installed.
        VirtualDeadlock: On asyncio: nothing can ever happen again.
    """
    name, options = virtual_backend(backend)
    return anyio.run(main, *args, backend=name, backend_options=options)
