"""From a file to a host's desired state, or to all that is wrong with it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator

from .host import HostConfig
from .locate import Places
from .problems import ConfigError, Finding, Problem, dotted
from .sections import checked_parts
from .text import decoded, parsed, read

__all__ = ["load", "parse"]


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
    """Check the text of a file.

    Args:
        text: The TOML.
        file: What the problems name as the file.

    Raises:
        ConfigError: It is wrong; every problem is named.
    """
    text = text.replace("\r\n", "\n")
    result = parsed(file, text)
    parts, findings = checked_parts(result.document)
    problems = list(result.problems)
    # What lacks something may lack just a statement that is wrong.
    cut = tuple(f"{problem.section}.{problem.key}" for problem in problems)
    sound = [each for each in findings if not _is_above(dotted(each.path), cut)]
    if sound:
        problems.extend(_located(file, Places(result.text), sound))
    if problems:
        raise ConfigError(sorted(problems, key=lambda problem: problem.line or sys.maxsize))
    return HostConfig(file, tuple(parts))


def _is_above(path: str, others: Iterable[str]) -> bool:
    return any(other.startswith(f"{path}.") for other in others)


def _located(file: str, places: Places, findings: Iterable[Finding]) -> Iterator[Problem]:
    for finding in findings:
        line, column = places.find(finding.path) or (None, None)
        section = dotted(finding.path[: finding.table])
        key = finding.key or dotted(finding.path[finding.table :])
        other = finding.other and places.find(finding.other)
        where = f", first on line {other[0]}" if other else ""
        message = finding.message.replace("{other}", where)
        yield Problem(file, message, line, column, section, key)
