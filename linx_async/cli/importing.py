"""`linx import`: files of sysctl.d(5) and of nft(8) as a file of desired state."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

import anyio

from ..config import ConfigError, Problem
from ..config.importing import Imported
from ..config.text import read
from ..config.writing import comment
from .entry import CHANGES, CONVERGED
from .output import complain, show_json
from .show import problems_json

__all__ = ["import_nft", "import_sysctl", "told"]

_SYSTEM: Final = ("etc", "run", "usr/local/lib", "usr/lib")
"""Where sysctl.d is, the first of all first (sysctl.d(5))."""


def import_sysctl(
    paths: Sequence[str], *, system: bool, root: str, backend: str = "asyncio"
) -> Imported:
    """What files and directories of sysctls come to.

    Args:
        paths: Files and directories; the files of an earlier directory take the place of those of
            the same name in later ones, and files are read after directories.
        system: Whether to read the directories of the system first.
        root: Below which those are.
        backend: The event loop: `asyncio` or `trio`.

    Raises:
        ConfigError: A file or directory cannot be read.
        SourceError: The sysctls that there are cannot be listed.
    """
    from ..config.importing_sysctl import assignments, imported_sysctls, masked
    from ..sysctl.keys import location
    from ..sysctl.verbs import list_keys

    problems: list[Problem] = []
    notes: list[Problem] = []
    directories = [Path(root, place, "sysctl.d") for place in _SYSTEM] if system else []
    directories = [each for each in directories if each.is_dir()]
    directories += [Path(path) for path in paths if os.path.isdir(path)]
    listed = [_files(directory, problems) for directory in directories]
    files = []
    for file, others in masked(listed):
        files.append(file)
        notes += [Problem(other, f"{file} takes its place") for other in others]
    files += [path for path in paths if not os.path.isdir(path)]
    if system:
        _note_old(Path(root, "etc/sysctl.conf"), files, notes)
    said = []
    for file in files:
        try:
            text = read(file).decode("utf-8", "surrogateescape")
        except ConfigError as error:
            problems += error.problems
        else:
            found, wrong = assignments(file, text)
            said += found
            problems += wrong
    if unread := [each for each in problems if each.line is None]:
        raise ConfigError(unread)
    keys = anyio.run(list_keys, backend=backend)
    imported = imported_sysctls(said, ["/".join(location(key)) for key in keys])
    imported.problems[:0] = problems
    imported.notes[:0] = notes
    return imported


def _files(directory: Path, problems: list[Problem]) -> dict[str, str]:
    """The files of a directory by name."""
    try:
        names = os.listdir(directory)
    except OSError as error:
        problems.append(Problem(str(directory), f"cannot be read: {error.strerror}"))
        return {}
    return {name: str(directory / name) for name in names if name.endswith(".conf")}


def _note_old(old: Path, files: Iterable[str], notes: list[Problem]) -> None:
    """Say of /etc/sysctl.conf that it is read at no boot, unless it is linked to."""
    if old.exists() and not any(
        os.path.samefile(old, each) for each in files if os.path.exists(each)
    ):
        message = (
            "systemd-sysctl does not read it, and it was not imported: name it, to have it too"
        )
        notes.append(Problem(str(old), message))


def import_nft(file: str) -> Imported:
    """What a file in nft's syntax comes to.

    Raises:
        ConfigError: It cannot be read, or nft does not take it.
    """
    from .._kernel.interfaces import interfaces
    from ..config.importing_nft import imported_nft

    return imported_nft(file, interfaces())


def told(what: str, imported: Imported, *, as_json: bool) -> int:
    """Write what was imported, and tell what was not; to the exit code."""
    lines = [*comment(f"Made of {what} by linx import."), ""]
    for word, problems in (("Not imported", imported.problems), ("Note", imported.notes)):
        lines += [line for each in problems for line in comment(f"{word}: {each}")]
    text = "\n".join([*lines, *imported.lines, ""])
    if as_json:
        show_json(_json_of(imported, text))
    else:
        import click

        click.echo(text, nl=False, color=False)
        for each in imported.problems:
            complain(f"not imported: {each}")
        for each in imported.notes:
            complain(f"note: {each}")
    return CHANGES if imported.problems else CONVERGED


def _json_of(imported: Imported, text: str) -> dict[str, Any]:
    return {
        "command": "import",
        "config": text,
        "problems": problems_json(imported.problems),
        "notes": problems_json(imported.notes),
        "errors": [],
    }
