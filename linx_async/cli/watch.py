"""`linx watch`: it stays attached to a running `linx run`, and shows how its parts fare."""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Final, Self

import anyio
from anyio import to_thread
from anyio.abc import SocketStream, UNIXSocketStream
from anyio.streams.buffered import BufferedByteReceiveStream
from attrs import define, field, frozen

from .._core.groups import ungrouped
from .entry import CHANGES, CONVERGED, ERROR
from .output import complain, has_screen, show_json
from .place import ControlError, ControlPlace
from .requests import Request
from .signals import until_signal
from .watch_lines import SIGN_OF_LIFE
from .watch_picture import Picture
from .watch_plain import JsonView, PlainView, View

__all__ = ["watch"]

_PATIENCE: Final = 15.0
"""Seconds to wait for the first line."""
_SILENCE: Final = 5 * SIGN_OF_LIFE
"""Seconds to wait for any other one."""
_PAUSE: Final = 0.5
"""Seconds between two attempts to find it again."""
_LONGEST_LINE: Final = 16 * 1024 * 1024
_LEFT: Final = "`linx run` has ended, or hung up"


def watch(
    state_dir: str | None, parts: tuple[str, ...], *, plain: bool, as_json: bool, backend: str
) -> int:
    """Show how the parts fare until somebody has seen enough, and give the exit code."""
    try:
        place = ControlPlace.below(state_dir)
        made = Watch(place, Request("watch", parts), _view(plain=plain, as_json=as_json))
        return anyio.run(made.run, backend=backend)
    except ControlError as error:
        if as_json:
            show_json({"command": "watch", "parts": [], "error": str(error)})
        else:
            complain(str(error))
        return ERROR


def _view(*, plain: bool, as_json: bool) -> View:
    if as_json:
        return JsonView()
    if plain or not has_screen():
        return PlainView()
    try:
        from .watch_screen import Screen  # late: it takes rich, and time
    except ModuleNotFoundError:
        return PlainView()
    return Screen()


@frozen
class _Connection:
    """A connection to the one that runs."""

    stream: SocketStream
    lines: BufferedByteReceiveStream

    @classmethod
    async def to(cls, place: ControlPlace) -> Self:
        """A connection to whoever listens there.

        Raises:
            ControlError: Nobody does.
        """
        connection = await to_thread.run_sync(place.connect, _PATIENCE)
        try:
            stream = await UNIXSocketStream.from_socket(connection)
        except BaseException:
            connection.close()
            raise
        return cls(stream, BufferedByteReceiveStream(stream))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.stream.aclose()

    async def ask(self, request: Request) -> Mapping[str, Any]:
        """Ask to be told; gives the first line.

        Raises:
            ControlError: It is refused, or none comes.
        """
        try:
            with anyio.fail_after(_PATIENCE):
                await self.stream.send(request.line())
        except (OSError, TimeoutError, anyio.BrokenResourceError):
            pass  # it may have answered already
        return await self.next(_PATIENCE)

    async def next(self, patience: float = _SILENCE) -> Mapping[str, Any]:
        """The next line.

        Raises:
            ControlError: None comes, or it is none.
        """
        try:
            with anyio.fail_after(patience):
                line = json.loads(await self.lines.receive_until(b"\n", _LONGEST_LINE))
        except TimeoutError:
            raise ControlError(f"no sign of life of `linx run` for {patience:g} s") from None
        except (OSError, anyio.EndOfStream, anyio.IncompleteRead, anyio.BrokenResourceError):
            raise ControlError(_LEFT) from None
        except (ValueError, RecursionError, anyio.DelimiterNotFound):
            line = None
        if not isinstance(line, dict):
            raise ControlError("what `linx run` tells is not understood")
        if not line.get("ok"):
            raise ControlError(str(line.get("error")))
        return line


@define
class Watch:
    """Somebody who looks at a running `linx run`, and waits for it where it is away.

    Attributes:
        place: Where that listens.
        request: What is asked of it.
        view: What shows it.
    """

    place: ControlPlace
    request: Request
    view: View
    _picture: Picture = field(factory=Picture, init=False)

    async def run(self) -> int:
        """Show it until a signal, or a key; gives the exit code.

        Raises:
            ControlError: None is running, or it refuses.
        """
        await until_signal(self._watch)
        if self._picture.lost:
            return ERROR
        return CONVERGED if self._picture.is_converged else CHANGES

    async def _watch(self) -> None:
        connection = await self._attach()
        with ungrouped():
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._follow, connection)
                await self.view.run()
                tasks.cancel_scope.cancel()

    async def _attach(self) -> _Connection:
        connection = await _Connection.to(self.place)
        try:
            told = await connection.ask(self.request)
            self._picture.take(told)
            await self.view.heard(self._picture, told)
        except BaseException:
            with anyio.CancelScope(shield=True):
                await connection.stream.aclose()
            raise
        return connection

    async def _follow(self, connection: _Connection) -> None:
        while True:
            async with connection:
                why = await self._hear_all(connection)
            self._picture.lost = f"{why}; waits for it to come back"
            await self.view.lost(self._picture)
            connection = await self._attach_again()

    async def _hear_all(self, connection: _Connection) -> str:
        """Hear what is told; gives why there is no more."""
        while True:
            try:
                told = await connection.next()
                self._picture.take(told)
            except ControlError as error:
                return str(error)
            await self.view.heard(self._picture, told)

    async def _attach_again(self) -> _Connection:
        while True:
            try:
                return await self._attach()
            except ControlError:
                await anyio.sleep(_PAUSE)
