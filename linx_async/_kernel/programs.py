"""Programs of the system: where they are, and which version is there."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import Final

from attrs import frozen

from .._core.errors import SourceError

__all__ = ["Program", "find", "version"]

# The PATH of an ordinary user may lack them.
_ADMINISTRATION: Final = ("/usr/local/sbin", "/usr/sbin", "/sbin")
_LIMIT: Final = 5.0
"""Seconds for a program to tell its version."""


@frozen
class Program:
    """A program that is installed, and which one: an update changes what stands here.

    Attributes:
        path: Where it is.
        changed: st_mtime, in nanoseconds.
        size: Bytes.
    """

    path: str
    changed: int
    size: int


def find(name: str, cure: str) -> Program:
    """Look a program up on PATH, and where administrators' programs are. Blocks.

    Args:
        name: Its name, or a path with a slash.
        cure: What to do where it is missing.

    Raises:
        SourceError: There is none.
    """
    places = os.pathsep.join((os.environ.get("PATH", os.defpath), *_ADMINISTRATION))
    found = shutil.which(name, path=places)
    if found is None:
        where = name if "/" in name else f"{name} on PATH or in {', '.join(_ADMINISTRATION)}"
        raise SourceError(f"there is no program {where}: {cure}")
    path = os.path.abspath(found)
    status = os.stat(path)
    return Program(path, status.st_mtime_ns, status.st_size)


def version(program: Program) -> str:
    """What it says to `--version`, in one line; empty where it does not say. Blocks."""
    try:
        told = subprocess.run(
            [program.path, "--version"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            check=False,
            timeout=_LIMIT,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return told.stdout.decode("utf-8", "replace").strip().partition("\n")[0]
