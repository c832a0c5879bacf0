"""`linx install-unit`: writes the unit file, or shows it."""

from __future__ import annotations

import os

import click

from .entry import CONVERGED, ERROR
from .output import complain, say, shade, show_json
from .unit import Unit, UnitError

__all__ = ["install"]


def install(file: str, directory: str | None, name: str, *, force: bool, as_json: bool) -> int:
    """Write the unit for a file to a directory, or to standard output; the exit code."""
    path = directory and os.path.join(directory, name)
    head = {"command": "install-unit", "path": path}
    try:
        unit = Unit.of(file, name)
        written = directory is not None and unit.write(directory, force=force)
    except UnitError as error:
        if as_json:
            show_json({**head, "written": False, "text": None, "error": str(error)})
        else:
            complain(str(error))
        return ERROR
    if as_json:
        show_json({**head, "written": written, "text": str(unit), "error": None})
    elif path is None:
        click.echo(str(unit), nl=False, color=False)
    elif written:
        say(f"{shade(path, bold=True)}: written; to have it run, now and at boot:")
        say(shade(f"  systemctl daemon-reload && systemctl enable --now {name}"))
    else:
        say(f"{shade(path, bold=True)}: nothing to do")
    return CONVERGED
