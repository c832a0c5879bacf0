"""The guard of an apply: a process of its own that rolls it back unless it is confirmed."""

from __future__ import annotations

import json
import os
import signal
import socket
import traceback
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Final

import anyio
from anyio import create_task_group, to_thread
from anyio.abc import SocketAttribute, SocketStream
from anyio.streams.buffered import BufferedByteReceiveStream
from attrs import define, evolve, field, frozen

from .._core.errors import LinxError, ScopeGone, StoreError
from ..config import HostConfig
from .back import Before, Loss, look, put_back
from .place import peer_of
from .state import HostStore, what_to_keep
from .waiting import SOCKET, Notes, hold, near

__all__ = ["Charge", "watch_over"]

_ROUNDS: Final = 2
"""What one part puts back another may need, and the last look is at all of them."""
_LONGEST_WORD: Final = 64
_LEFT: Final = (
    anyio.EndOfStream,
    anyio.IncompleteRead,
    anyio.DelimiterNotFound,
    anyio.BrokenResourceError,
)
"""How one who asks goes away, or says what is no word."""
_FAREWELL: Final = 5.0
"""Seconds that those have who asked, to take the answer."""
_DEATH: Final = 10.0
"""Seconds to wait for the end of what was killed."""


@frozen
class Charge:
    """What a guard is given.

    Attributes:
        config: What is applied.
        store: The records.
        revert_on_release: Whether the apply puts back what has left the file.
        seconds: How long to wait, from before the first change on.
        program: The process that applies.
    """

    config: HostConfig
    store: HostStore
    revert_on_release: bool | None
    seconds: float
    program: int


async def watch_over(charge: Charge, channel: socket.socket, tell: Callable[[str], None]) -> None:
    """Look at what is there, wait for a word, and put it back if none comes.

    Args:
        charge: What to guard.
        channel: To the program that applies: lines both ways. Its end is the program's.
        tell: Tells somebody what came of it.
    """
    try:
        await charge.store.prepare()
        # Held until this process ends.
        hold(charge.store.directory)
        befores = await _looks(charge)
    except (LinxError, OSError) as error:
        _send(channel, {"error": str(error)})
        return
    until = (datetime.now().astimezone() + timedelta(seconds=charge.seconds)).isoformat(
        timespec="milliseconds"
    )
    file, seconds = charge.config.file, charge.seconds
    notes = Notes("applying", file, os.getpid(), seconds, until)
    await _Vigil(charge, befores, channel, tell, notes).keep()


async def _looks(charge: Charge) -> list[Before]:
    keeping = await what_to_keep(charge.config, charge.store)
    if keeping.trouble:
        raise StoreError(keeping.trouble)
    befores = []
    for part in keeping.parts:
        try:
            before = await look(part, charge.store, revert_on_release=charge.revert_on_release)
        except ScopeGone:
            continue  # there is nothing that could be changed
        except (LinxError, OSError) as error:
            raise LinxError(f"{part.name}: there would be no way back: {error}") from error
        befores.append(before)
    return befores


@define
class _Vigil:
    """From the first change to the end."""

    charge: Charge
    befores: list[Before]
    channel: socket.socket
    tell: Callable[[str], None]
    notes: Notes
    _decided: anyio.Event = field(factory=anyio.Event)
    _ended: anyio.Event = field(factory=anyio.Event)

    async def keep(self) -> None:
        """Wait, and do what is decided."""
        program = os.pidfd_open(self.charge.program)
        directory = self.charge.store.directory
        with near(directory, SOCKET) as path:
            listener = await anyio.create_unix_listener(path, mode=0o600)
            async with listener, create_task_group() as answering:
                async with create_task_group() as tasks:
                    tasks.start_soon(listener.serve, self._answer, answering)
                    tasks.start_soon(self._end_early)
                    tasks.start_soon(self._follow_program)
                    self._note(self.notes)
                    parts = [before.part.name for before in self.befores]
                    _send(self.channel, {**self.notes.to_json(), "parts": parts})
                    await self._wait(program)
                    tasks.cancel_scope.cancel()
                os.unlink(path)
                self._ended.set()
                _send(self.channel, self.notes.to_json())
                answering.cancel_scope.deadline = anyio.current_time() + _FAREWELL

    async def _wait(self, program: int) -> None:
        with anyio.move_on_after(self.charge.seconds):
            await self._decided.wait()
        self._decide("rolling back", f"not confirmed within {self.charge.seconds:g} s")
        if self.notes.state == "rolling back":
            await self._stop(program)
            await self._roll_back()

    def _decide(self, state: str, reason: str = "") -> None:
        """The first word counts."""
        if not self._decided.is_set():
            self._note(evolve(self.notes, state=state, reason=reason))
            self._decided.set()

    def _note(self, notes: Notes) -> None:
        self.notes = notes
        notes.save(self.charge.store.directory)

    async def _answer(self, client: SocketStream) -> None:
        """Answer one who confirms, or asks."""
        async with client:
            try:
                pid, uid = peer_of(client.extra(SocketAttribute.raw_socket))  # noqa: S610 - no Django's
                if uid not in {0, os.geteuid()}:
                    answer: dict[str, Any] = {"error": f"uid {uid} (pid {pid}) may not ask"}
                else:
                    reader = BufferedByteReceiveStream(client)
                    word = await reader.receive_until(b"\n", _LONGEST_WORD)
                    answer = await self._answer_to(word.decode("ascii", "replace"))
                await client.send(json.dumps(answer).encode() + b"\n")
            except (*_LEFT, OSError):
                return

    async def _answer_to(self, word: str) -> dict[str, Any]:
        if word == "confirm":
            if self.notes.state == "applying":
                return {"error": f"{self.notes.file} is still being applied: confirm it afterwards"}
            self._decide("confirmed")
            if self.notes.state != "confirmed":
                return {"error": f"too late: it is {self.notes.state}: {self.notes.reason}"}
        elif word == "rollback":
            self._decide("rolling back", "asked to")
            await self._ended.wait()
        elif word != "status":
            return {"error": "expected confirm, rollback or status"}
        return self.notes.to_json()

    async def _end_early(self) -> None:
        """Whoever ends this process in good order, ends the waiting."""
        with anyio.open_signal_receiver(signal.SIGTERM) as signals:
            async for _ in signals:
                self._decide("rolling back", "the guard was told to end (SIGTERM)")

    async def _follow_program(self) -> None:
        """Hear what the program says, and whether it lives."""
        heard = b""
        while not self._decided.is_set():
            await anyio.wait_readable(self.channel)
            data = self.channel.recv(4096)
            if not data:
                if self.notes.state == "applying":
                    self._decide("rolling back", "the apply did not come to its end")
                return
            *lines, heard = (heard + data).split(b"\n")
            for line in lines:
                self._hear(*line.decode().partition(" ")[::2])

    def _hear(self, word: str, reason: str) -> None:
        if word == "applied" and self.notes.state == "applying":
            self._note(evolve(self.notes, state="waiting"))
        elif word in {"confirmed", "unchanged"}:
            self._decide(word, reason)
        elif word == "back":
            self._decide("rolling back", reason)
            self.charge = evolve(self.charge, program=0)

    async def _stop(self, program: int) -> None:
        """End the program where it still applies: two must not write at once."""
        if not self.charge.program or self.notes.state == "waiting":
            return
        with anyio.move_on_after(_DEATH):
            try:
                signal.pidfd_send_signal(program, signal.SIGKILL)
            except ProcessLookupError:
                return
            await anyio.wait_readable(program)

    async def _roll_back(self) -> None:
        self.tell(f"{self.notes.file}: {self.notes.reason}: rolling back")
        losses: dict[str, list[Loss]] = {}
        for _ in range(_ROUNDS):
            for before in reversed(self.befores):
                losses[before.part.name] = await _put_back(before, self.charge.store)
        lost = [each for part in losses.values() for each in part]
        told = tuple({"key": each.key, "message": each.message} for each in lost)
        self._note(evolve(self.notes, state="rolled back", lost=told))
        for each in lost:
            self.tell(f"{self.notes.file}: could not be restored: {each}")
        if not lost:
            self.tell(f"{self.notes.file}: rolled back: all is as it was before")


async def _put_back(before: Before, store: HostStore) -> list[Loss]:
    try:
        return await put_back(before, store)
    except Exception as error:  # the other parts are to be put back whatever happens
        await to_thread.run_sync(traceback.print_exc)
        return [Loss(before.part.name, f"{type(error).__name__}: {error}")]


def _send(channel: socket.socket, message: dict[str, Any]) -> None:
    try:
        channel.sendall(json.dumps(message).encode() + b"\n")
    except OSError:
        return  # nobody listens any more
