"""What becomes of a command: its exit code, and what is said where it ends badly."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import sys

import click

from .._core.errors import LinxError
from .output import complain

__all__ = ["CHANGES", "CONVERGED", "ERROR", "INTERRUPTED", "ROLLED_BACK", "exit_code"]

CONVERGED, ERROR, CHANGES, ROLLED_BACK = 0, 1, 2, 3
INTERRUPTED = 130


def exit_code(command: click.Command) -> int:
    """Run a command with the arguments of this process."""
    _open_what_is_closed()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # Some terminals lack some characters; that is no reason to fail.
            stream.reconfigure(errors="backslashreplace")
    # What the library logs is told by the command in its own words.
    logging.getLogger("linx_async").addHandler(logging.NullHandler())
    try:
        code = _guarded(command)
        sys.stdout.flush()
    except BrokenPipeError:
        code = ERROR  # whoever read the output has left
    except OSError as error:
        complain(str(error))
        code = ERROR
    with contextlib.suppress(OSError):
        _drop_unwritten()
    return code


def _open_what_is_closed() -> None:
    """Open the standard streams that are closed, so that no other file gets their numbers."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115 - kept open


def _guarded(command: click.Command) -> int:
    try:
        code = command.main(standalone_mode=False)
    except click.exceptions.Exit as end:
        return end.exit_code
    except click.ClickException as error:
        # Of click's own codes, 2 means something else here.
        error.show()
        return ERROR
    except (click.Abort, KeyboardInterrupt):
        complain("interrupted")
        return INTERRUPTED
    except LinxError as error:
        complain(str(error))
        return ERROR
    return code if isinstance(code, int) else CONVERGED


def _drop_unwritten() -> None:
    """Where standard output takes nothing any more, let the interpreter's end not stumble on it."""
    try:
        sys.stdout.flush()
    except OSError:
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, sys.stdout.fileno())
        os.close(null)
