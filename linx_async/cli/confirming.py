"""`linx apply --confirm` and `linx confirm`: an apply is rolled back unless it is confirmed."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Final

import anyio

from .._core.errors import LinxError
from .beside import refuse_beside_others
from .entry import CHANGES, CONVERGED, ERROR
from .guarding import Guard
from .output import complain, say, shade, show_json
from .passes import Passes
from .results import PartResult
from .signals import until_signal
from .waiting import Notes, ask, gone, is_held, notes_in

__all__ = ["apply_guarded", "confirm", "show_confirmation"]


_MINUTE: Final = 60.0


def apply_guarded(
    passes: Passes, seconds: float | None, check: str | None, backend: str
) -> tuple[signal.Signals | None, Notes]:
    """Apply under a guard.

    Args:
        passes: What to apply.
        seconds: How long the guard waits for confirmation, from before the first change on; None
            is a minute.
        check: A command that confirms where it ends with 0, and else has all rolled back.
        backend: The event loop, of the guard too: `asyncio` or `trio`.

    Returns:
        The signal that came meanwhile, if one did, and what the guard told last.

    Raises:
        LinxError: There would be no way back; or the guard is gone.
    """
    refuse_beside_others(passes.store.directory)
    guard = Guard.start(passes, _MINUTE if seconds is None else seconds, backend)
    try:
        came = anyio.run(until_signal, passes.apply, backend=backend)
    except KeyboardInterrupt:
        came = signal.SIGINT
    except BaseException as error:
        guard.decide("back", f"the apply failed: {error}")
        raise
    if came is not None:
        return came, guard.decide("back", f"interrupted by {came.name}")
    if not any(_may_have_changed(result, guard) for result in passes.results):
        return None, guard.decide("unchanged")
    guard.applied()
    if check is None:
        return None, guard.notes
    try:
        why = guard.check(check)
    except KeyboardInterrupt:
        return signal.SIGINT, guard.decide("back", "interrupted by SIGINT")
    return None, guard.decide("back", why) if why else guard.decide("confirmed")


def _may_have_changed(result: PartResult, guard: Guard) -> bool:
    """Whether there is something to confirm; of a pass that broke off nobody knows."""
    broke_off = result.error and result.part.name in guard.parts
    return bool(result.ops or result.failed or broke_off)


def show_confirmation(notes: Notes, directory: str | None, *, as_json: bool) -> None:
    """Tell people how to confirm what was applied, or what became of it.

    Args:
        notes: What the guard told.
        directory: The state directory, where it is not the usual one.
        as_json: Whether to tell what went wrong alone.
    """
    file = shade(notes.file, bold=True)
    if notes.state == "rolled back":
        complain(f"{notes.file}: {notes.reason}: rolled back")
        for each in notes.lost:
            complain(f"could not be restored: {each['key']}: {each['message']}")
    elif as_json:
        return
    elif notes.state == "applying":
        command = f"linx confirm --state-dir {directory}" if directory else "linx confirm"
        text = f"rolled back after {notes.time} unless you say: {command}"
        say(f"{file}: {shade(text, 'yellow')}")
    elif notes.state == "confirmed":
        say(f"{file}: {shade('confirmed', 'green')}")


def confirm(directory: Path, word: str, *, as_json: bool) -> int:
    """`linx confirm`, to the exit code.

    Args:
        directory: The state directory.
        word: `confirm`, `rollback` or `status`.
        as_json: Whether to write JSON.

    Raises:
        LinxError: Nothing waits, or no guard answers.
    """
    try:
        if word == "status":
            return _status(directory, as_json=as_json)
        notes = ask(directory, word)
    except LinxError as error:
        if as_json:
            show_json({"state": None, "error": str(error)})
        raise
    if as_json:
        show_json({**notes.to_json(), "error": None})
    else:
        _show(notes)
    return CHANGES if notes.lost else CONVERGED


def _status(directory: Path, *, as_json: bool) -> int:
    notes = notes_in(directory)
    alive = is_held(directory)
    trouble = gone(notes) if notes is not None and notes.is_open and not alive else None
    if as_json:
        told = notes.to_json() if notes else {"state": None}
        show_json({**told, "guarded": alive, "error": trouble})
    elif notes is None:
        say("nothing waits for confirmation")
    else:
        _show(notes)
    if trouble is not None:
        complain(trouble)
        return ERROR
    return CHANGES if notes is not None and notes.is_open else CONVERGED


def _show(notes: Notes) -> None:
    colours = {"confirmed": "green", "unchanged": "green"}
    state = f"{notes.state} (until {notes.time})" if notes.is_open else notes.state
    why = f": {notes.reason}" if notes.reason else ""
    text = shade(f"{state}{why}", colours.get(notes.state, "yellow"))
    say(f"{shade(notes.file, bold=True)}: {text}")
    for each in notes.lost:
        say(shade(f"  could not be restored: {each['key']}: {each['message']}", "red"))
