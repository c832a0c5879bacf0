"""From a file to a host's desired state, or to all that is wrong with it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from .host import HostConfig
from .locate import Places
from .problems import ConfigError, Finding, Problem, dotted
from .sections import checked_parts
from .text import decoded, parsed, read

__all__ = ["load", "parse"]

_STANDARD_INPUT: Final = "/dev/stdin"


def load(file: str | os.PathLike[str]) -> HostConfig:
    """Read and check a file. Blocks: call it in a thread where there is an event loop.

    Args:
        file: A TOML file of at most 1 MiB, in UTF-8.

    Raises:
        ConfigError: It cannot be read, or is wrong; every problem is named.
    """
    name = os.fspath(file)
    return parse(decoded(name, read(name)), file=name)


def parse(text: str, *, file: str = "<text>") -> HostConfig:
    """Check the text of a file. Blocks where it has text in nft's syntax, which nft compiles.

    Args:
        text: The TOML.
        file: What the problems name as the file; other files that it names are from its directory.

    Raises:
        ConfigError: It is wrong; every problem is named.
    """
    text = text.replace("\r\n", "\n")
    result = parsed(file, text)
    folder = Path() if file == _STANDARD_INPUT else Path(file).parent
    parts, findings = checked_parts(result.document, folder)
    problems = list(result.problems)
    # What lacks something may lack just a statement that is wrong.
    cut = tuple(f"{problem.section}.{problem.key}" for problem in problems)
    sound = [each for each in findings if not _is_above(dotted(each.path), cut)]
    if sound:
        problems.extend(_located(file, Places(result.text), sound))
    if problems:
        # What is wrong with other files comes last.
        raise ConfigError(
            sorted(problems, key=lambda each: (each.file != file, each.line or sys.maxsize))
        )
    return HostConfig(file, tuple(parts))


def _is_above(path: str, others: Iterable[str]) -> bool:
    return any(other.startswith(f"{path}.") for other in others)


def _located(file: str, places: Places, findings: Iterable[Finding]) -> Iterator[Problem]:
    for finding in findings:
        if finding.file:
            line, column = finding.inside or (None, None)
            yield Problem(finding.file, finding.message, line, column, exact=True)
            continue
        section = dotted(finding.path[: finding.table])
        key = finding.key or dotted(finding.path[finding.table :])
        other = finding.other and places.find(finding.other)
        where = f", first on line {other[0]}" if other else ""
        message = finding.message.replace("{other}", where)
        place = finding.inside and places.inside(finding.path, *finding.inside)
        if place:
            yield Problem(file, message, *place, section, key, exact=True)
            continue
        if finding.inside:
            message = f"line {finding.inside[0]}, column {finding.inside[1]}: {message}"
        line, column = places.find(finding.path) or (None, None)
        yield Problem(file, message, line, column, section, key)
