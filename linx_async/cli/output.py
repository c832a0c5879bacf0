"""How the command writes: lines for people, or JSON, and errors to standard error."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Mapping
from typing import Any

import click

from ..config.problems import printable

__all__ = ["complain", "counted", "has_screen", "say", "shade", "show_json", "tally"]


def _colour() -> bool | None:
    """Whether to colour: None leaves it to click, which does for terminals alone."""
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    return False if plain else None


def shade(text: str, colour: str | None = None, *, bold: bool = False, dim: bool = False) -> str:
    """A text without what a terminal would obey, in a colour."""
    return click.style(printable(text), fg=colour, bold=bold or None, dim=dim or None)


def say(line: str) -> None:
    """Write a line; what is not from `shade` must be known to be printable."""
    click.echo(line, color=_colour())


def complain(message: str) -> None:
    """Write an error to standard error."""
    for line in message.splitlines():
        click.echo(f"{shade('linx:', 'red')} {printable(line)}", err=True, color=_colour())


def show_json(value: Mapping[str, Any]) -> None:
    """Write one JSON object on one line."""
    click.echo(json.dumps(value), color=False)


def counted(number: int, thing: str) -> str:
    """`1 change`, `2 changes`."""
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def tally(words: Iterable[str]) -> str:
    """How often there is each word, by the alphabet: `3 converged, 1 error`."""
    there = sorted(words)
    return ", ".join(f"{there.count(word)} {word}" for word in dict.fromkeys(there))


def has_screen() -> bool:
    """Whether standard output is a terminal on which one can write over what is there."""
    is_terminal = sys.stdout is not None and sys.stdout.isatty()
    return is_terminal and os.environ.get("TERM", "dumb") != "dumb"
