"""The half of the demo that starts the other, shows what it tells, and looks after the machine."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from attrs import frozen

import linx_async

from ..entry import ERROR, INTERRUPTED
from ..output import complain, has_screen
from .inside import SCENES
from .view import Event, JsonView, PlainView, View

__all__ = ["perform"]

_ROOT = Path(linx_async.__file__).parents[1]
_INSIDE = """
import sys
sys.path.append(sys.argv[1])
from linx_async.cli.demo.inside import main
sys.exit(main(sys.argv[2], int(sys.argv[3]), float(sys.argv[4])))
"""
_PATIENCE = 5.0
"""Seconds for the other half to end when it is told to."""


@frozen
class _Machine:
    """What the machine has of its own that the demo has too, in its namespaces."""

    values: Mapping[str, str]
    links: frozenset[str]

    @classmethod
    def look(cls) -> _Machine:
        values = {}
        for file in (file for scene in SCENES for file in scene.machine):
            with suppress(OSError):
                values[file] = Path(file).read_text(encoding="utf-8", errors="replace").strip()
        return cls(values, frozenset(name for _, name in socket.if_nameindex()))

    def compared_to(self, before: _Machine) -> Event:
        """What differs now, as an event."""
        files = before.values.keys() | self.values.keys()
        changed = [file for file in files if before.values.get(file) != self.values.get(file)]
        return {
            "event": "machine",
            "sysctls": len(before.values),
            "links": len(before.links),
            "changed": [*sorted(changed), *sorted(before.links ^ self.links)],
        }


def perform(backend: str, rounds: int, pause: float, *, as_json: bool, plain: bool) -> int:
    """Show the demo; gives the exit code."""
    before = _Machine.look()
    troubles: list[str] = []
    try:
        with _interrupted_by_sigterm(), _inside(backend, rounds, pause) as process:
            with _view(as_json, plain) as view:
                for event in _events(process):
                    view.show(event)
                    troubles.extend(_troubles(event))
                    if event["event"] == "summary":
                        view.show(_Machine.look().compared_to(before))
            code = process.wait()
    except KeyboardInterrupt:
        complain("interrupted; its namespaces are gone, and nothing else was touched")
        return INTERRUPTED
    for trouble in troubles:
        complain(trouble)
    if code < 0:
        complain(f"the demo was ended by {signal.Signals(-code).name}")
    return ERROR if code < 0 or troubles else code


def _troubles(event: Event) -> list[str]:
    match event["event"]:
        case "error":
            return [event["text"]]
        case "unavailable" if os.geteuid() == 0:
            return [f"the demo needs namespaces of its own: {event['reason']}"]
        case "unavailable":
            program = Path(sys.argv[0]).absolute()
            command = program if program.name == "linx" else f"{sys.executable} -m linx_async"
            return [
                f"the demo needs namespaces of its own: {event['reason']}",
                f"root may make them: sudo {command} demo",
            ]
    return []


def _view(as_json: bool, plain: bool) -> View:
    if as_json:
        return JsonView()
    if plain or not has_screen():
        return PlainView()
    try:
        from .live import LiveView  # late: it takes rich, and time
    except ModuleNotFoundError:
        return PlainView()
    return LiveView()


def _events(process: subprocess.Popen[str]) -> Iterator[Event]:
    for line in process.stdout or ():
        yield json.loads(line)


@contextmanager
def _inside(backend: str, rounds: int, pause: float) -> Iterator[subprocess.Popen[str]]:
    """The other half: a fresh process, since only a lone thread may enter a user namespace."""
    # Not `-m`, which would look for modules in the working directory first.
    command = [sys.executable, "-P", "-c", _INSIDE, str(_ROOT), backend, str(rounds), str(pause)]
    # In a session of its own Ctrl-C does not reach it; it is told to end, or hears that we did.
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        start_new_session=True,
    )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout:
            process.stdout.close()


@contextmanager
def _interrupted_by_sigterm() -> Iterator[None]:
    """Let SIGTERM do what SIGINT does, so that the terminal gets its cursor back."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
