"""`linx plan` and `linx apply`, to the exit code."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING, Any

import anyio

from .._core.errors import LinxError
from ..config import load
from .entry import CHANGES, CONVERGED, ERROR, ROLLED_BACK
from .options import path_of
from .output import complain, show_json
from .passes import Passes
from .progress import has_terminal
from .show import Words, errors_json, results_json, show_results
from .signals import until_signal
from .state import HostStore

if TYPE_CHECKING:
    from .waiting import Notes

__all__ = ["one_pass"]


def one_pass(
    words: Words,
    file: str,
    revert_on_release: bool | None,
    state_dir: str | None,
    *,
    as_json: bool,
    backend: str,
    out: str | None = None,
    confirm: float | None = None,
    check: str | None = None,
) -> int:
    """Work out a pass over each part of a file, or make it.

    Args:
        words: Which of them.
        file: The file; `-` for standard input; of an apply also a saved plan.
        revert_on_release: Whether what left the file gets its value from before; None is as it
            says.
        state_dir: Where the records are; None is the usual place.
        as_json: Whether to write JSON.
        backend: The event loop: `asyncio` or `trio`.
        out: Where to save a plan; None for nowhere.
        confirm: Seconds after which an apply is rolled back unless it is confirmed; None is never,
            or a minute where there is a check.
        check: A command that confirms it, or not.

    Raises:
        LinxError: Nothing was done.
    """
    passes: Passes | None = None
    notes: Notes | None = None
    try:
        place = path_of(file)
        if words.done:
            passes = _to_apply(place, revert_on_release, state_dir, backend)
            passes.bar = not as_json and has_terminal()
            came, notes = _applied(passes, confirm, check, backend)
        elif out is None:
            passes = Passes(load(place), HostStore(state_dir), revert_on_release)
            came = anyio.run(until_signal, passes.plan, backend=backend)
        else:
            passes, came = _saved(out, place, revert_on_release, state_dir, backend)
    except LinxError as error:
        if as_json:
            head = {"command": words.command, "file": file, "converged": False}
            show_json({**head, "parts": [], "errors": errors_json(file, error)})
        raise
    _show(words, passes, notes, state_dir, as_json=as_json)
    return _code(passes, came, notes)


def _to_apply(
    place: str, revert_on_release: bool | None, state_dir: str | None, backend: str
) -> Passes:
    """What is to be applied, nothing of which has moved where it is a saved plan."""
    if not _is_saved(place):
        return Passes(load(place), HostStore(state_dir), revert_on_release)
    from .saved_plan import moved, read_saved

    passes, plan = read_saved(place, state_dir)
    if revert_on_release not in {None, passes.revert_on_release}:
        raise LinxError(f"{place}: was made without that --[no-]revert-on-release: make it anew")
    looked = Passes(passes.config, passes.store, passes.revert_on_release)
    came = anyio.run(until_signal, looked.plan, backend=backend)
    if came is not None:
        raise KeyboardInterrupt
    error = moved(place, looked, plan)
    if error is not None:
        raise error
    return passes


def _is_saved(file: str) -> bool:
    """Whether a file is a saved plan: no TOML begins like one. Standard input never is."""
    try:
        if not os.path.isfile(file):
            return False
        with open(file, "rb") as opened:
            return opened.read(1) == b"{"
    except OSError:
        return False


def _applied(
    passes: Passes, confirm: float | None, check: str | None, backend: str
) -> tuple[signal.Signals | None, Notes | None]:
    if confirm is not None or check is not None:
        from .confirming import apply_guarded

        return apply_guarded(passes, confirm, check, backend)
    from .beside import refuse_beside_others

    refuse_beside_others(passes.store.directory)
    return anyio.run(until_signal, passes.apply, backend=backend), None


def _saved(
    out: str, place: str, revert_on_release: bool | None, state_dir: str | None, backend: str
) -> tuple[Passes, signal.Signals | None]:
    """A plan that was worked out, and written to a file."""
    from ..config.load import parse_texts
    from .saved_plan import save, texts_of

    texts = texts_of(place)
    passes = Passes(parse_texts(place, texts), HostStore(state_dir), revert_on_release)
    came = anyio.run(until_signal, passes.plan, backend=backend)
    if came is None:
        save(out, passes, texts)
    return passes, came


def _show(
    words: Words, passes: Passes, notes: Notes | None, state_dir: str | None, *, as_json: bool
) -> None:
    if as_json:
        confirmation: dict[str, Any] = {} if notes is None else {"confirmation": notes.to_json()}
        show_json({**results_json(words, passes), **confirmation})
    else:
        show_results(words, passes)
    if notes is not None:
        from .confirming import show_confirmation

        show_confirmation(notes, state_dir, as_json=as_json)


def _code(passes: Passes, came: signal.Signals | None, notes: Notes | None) -> int:
    if came is not None:
        complain(f"interrupted by {came.name}: not every part had its turn")
        return 128 + came
    if notes is not None and notes.state == "rolled back":
        return ROLLED_BACK
    if passes.trouble or any(result.error for result in passes.results):
        return ERROR
    return CONVERGED if all(result.converged for result in passes.results) else CHANGES
