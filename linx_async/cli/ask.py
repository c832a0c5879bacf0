"""The other side of the control socket: asks a running `linx run`, and shows what it answers."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any

from .entry import CHANGES, CONVERGED, ERROR
from .output import complain, counted, say, shade, show_json
from .place import ControlError, ControlPlace
from .requests import Request

__all__ = ["ask", "refused", "standing", "tell"]

_PATIENCE = {"reconcile": 150.0, "pause": 150.0}
"""Seconds to wait for an answer; one that takes a pass may take long."""
_USUAL_PATIENCE = 15.0
_COLOURS = {"converged": "green", "starting": "cyan"}


def ask(state_dir: str | None, request: Request) -> dict[str, Any]:
    """What the `linx run` of that state directory answers; blocks.

    Raises:
        ControlError: None is running, it does not answer, or it refuses.
    """
    place = ControlPlace.below(state_dir)
    patience = _PATIENCE.get(request.do, _USUAL_PATIENCE)
    with place.connect(patience) as connection, connection.makefile("rb") as lines:
        try:
            with suppress(BrokenPipeError):  # it may have answered already
                connection.sendall(request.line())
            answer = json.loads(lines.readline() or b"null")
        except TimeoutError:
            raise ControlError(f"{place.path}: no answer within {patience:g} s") from None
        except OSError as error:
            raise ControlError(f"{place.path}: {error.strerror or error}") from error
        except ValueError:
            answer = None
    if not isinstance(answer, dict) or not isinstance(answer.get("parts", []), list):
        raise ControlError(f"{place.path}: it hung up without an answer")
    if not answer.get("ok"):
        raise ControlError(str(answer.get("error")))
    return answer


def tell(state_dir: str | None, request: Request, *, as_json: bool) -> int:
    """Ask, show the answer, and give the exit code."""
    try:
        answer = ask(state_dir, request)
        code, lines = _understood(request, answer)
    except ControlError as error:
        if as_json:
            show_json({"command": request.do, "parts": [], "error": str(error)})
        else:
            complain(str(error))
        return ERROR
    del answer["ok"]
    if as_json:
        show_json({"command": request.do, **answer, "error": None})
    for line in () if as_json else lines:
        say(line)
    return code


def _understood(request: Request, answer: Mapping[str, Any]) -> tuple[int, list[str]]:
    """The exit code, and the lines for people; a `linx run` of another version may say others."""
    try:
        return _code(request, answer["parts"]), list(_lines(request, answer))
    except (LookupError, TypeError, ValueError) as error:
        message = "the `linx run` that answers is of another version than this command: restart it"
        raise ControlError(message) from error


def _code(request: Request, parts: list[dict[str, Any]]) -> int:
    if request.do in {"pause", "resume"}:
        return CONVERGED
    if request.do == "reconcile" and any(part["error"] for part in parts):
        return ERROR
    return CONVERGED if all(part["converged"] for part in parts) else CHANGES


def _lines(request: Request, answer: Mapping[str, Any]) -> Iterator[str]:
    if request.do == "status":
        yield from _head(answer)
    for part in answer["parts"]:
        yield from _reconciled(part) if request.do == "reconcile" else _status(part)
    if not answer["parts"]:
        yield shade("no parts", dim=True)


def _head(answer: Mapping[str, Any]) -> Iterator[str]:
    since = datetime.fromisoformat(answer["since"]).strftime("%Y-%m-%d %H:%M:%S")
    file = shade(answer["file"], bold=True)
    yield f"{file}: kept by pid {int(answer['pid'])} since {since}"
    yield from refused(answer)


def refused(answer: Mapping[str, Any]) -> Iterator[str]:
    """Why the last reload was refused; nothing where it was not."""
    if answer["errors"]:
        yield shade("  the last reload was refused, and what was before goes on:", "red")
    for error in answer["errors"]:
        place = ":".join(str(error[name]) for name in ("file", "line") if error[name] is not None)
        section = f"[{error['section']}]" if error["section"] else ""
        what = " ".join(filter(None, [section, error["key"]]))
        yield shade("  " + ": ".join(filter(None, [place, what, error["message"]])), "red")


def _status(part: Mapping[str, Any]) -> Iterator[str]:
    told = [shade(part["state"], _COLOURS.get(part["state"], "yellow"))]
    told += [shade("paused", "yellow")] if part["paused"] else []
    told += ["has left the file"] if part["left"] else []
    last = part["last_pass"]
    if last:
        time = datetime.fromisoformat(last["time"]).strftime("%H:%M:%S")
        took = f" ({shade(last['trigger'])}, {last['pass_ms']:g} ms)" if last["trigger"] else ""
        told.append(f"last pass {time}{took}")
    told += [counted(part["restarts"], "restart")] if part["restarts"] else []
    told += [f"at work for {part['busy_s']:.0f} s"] if part["busy_s"] >= 1 else []
    yield f"{shade(part['part'], bold=True)}: {', '.join(told)}"
    yield from standing(part)


def standing(part: Mapping[str, Any]) -> Iterator[str]:
    """What a part has that is not as it should be."""
    if part["error"]:
        yield shade(f"  error: {part['error']}", "red")
    for key in part["flapping"]:
        yield shade(f"  flapping: {key}", "magenta")
    yield from _lasting(part, "due" if part["paused"] else "not tried")


def _reconciled(part: Mapping[str, Any]) -> Iterator[str]:
    name = shade(part["part"], bold=True)
    if part["error"]:
        yield f"{name}: {shade('error: ' + part['error'], 'red')}"
        return
    state = "converged" if part["converged"] else "not converged"
    yield f"{name}: {shade(state, _COLOURS.get(state, 'yellow'))}"
    for op in part["ops"]:
        yield shade(f"  {op['text']}", "green")
    yield from _lasting(part, "not tried")


def _lasting(part: Mapping[str, Any], pending: str) -> Iterator[str]:
    for each in part["pending"]:
        yield shade(f"  {pending}: {each['text']}", "yellow")
    for each in part["failed"]:
        yield shade(f"  failed: {each['text']}", "red")
    for kind, items in (("waiting", part["waiting"]), ("conflict", part["conflicts"])):
        for each in items:
            colour = "yellow" if kind == "waiting" else "magenta"
            yield shade(f"  {kind}: {each['key']}: {each['reason']}", colour)
