"""From a file, or a directory, to a host's desired state, or to all that is wrong with it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from .host import HostConfig
from .origins import Origin, Origins
from .problems import ConfigError, Finding, Problem, dotted
from .sections import checked
from .text import decoded, parsed, read

__all__ = ["load", "load_texts", "parse", "parse_texts"]

_STANDARD_INPUT: Final = "/dev/stdin"
_NOTHING: Final = (
    "nothing came, as where a program fails that was to write it; where nothing is desired, say so"
    " by a comment"
)
"""Else all that is kept would be let go."""


def load(file: str | os.PathLike[str]) -> HostConfig:
    """Read and check a file, or a directory. Blocks: call it in a thread where there is a loop.

    Of a directory, the files `*.toml` are merged in the order of their names; those whose names
    begin with a dot are passed over.

    Args:
        file: A TOML file of at most 16 MiB, in UTF-8; or a directory of such.

    Raises:
        ConfigError: It cannot be read, or is wrong; every problem is named.
    """
    name = os.fspath(file)
    files = _files(name)
    texts, problems = _read(files)
    return _checked(name, files, texts, problems)


def load_texts(file: str | os.PathLike[str]) -> dict[str, str]:
    """The texts of a file or of those in a directory, by name, for `parse_texts`. Blocks.

    Raises:
        ConfigError: One cannot be read.
    """
    texts, problems = _read(_files(os.fspath(file)))
    if problems:
        raise ConfigError(problems)
    return texts


def parse_texts(name: str, texts: Mapping[str, str]) -> HostConfig:
    """Check the texts of files, as `load` does of what it has read.

    Args:
        name: What they are called together.
        texts: The texts by file.

    Raises:
        ConfigError: Something is wrong with them.
    """
    return _checked(name, list(texts), texts, [])


def _read(files: Iterable[str]) -> tuple[dict[str, str], list[Problem]]:
    texts: dict[str, str] = {}
    problems: list[Problem] = []
    for each in files:
        try:
            texts[each] = decoded(each, read(each))
        except ConfigError as error:
            problems.extend(error.problems)
        else:
            if each == _STANDARD_INPUT and not texts[each]:
                problems.append(Problem(each, _NOTHING))
    return texts, problems


def parse(text: str, *, file: str = "<text>") -> HostConfig:
    """Check the text of a file. Blocks where it has text in nft's syntax, which nft compiles.

    Args:
        text: The TOML.
        file: What the problems name as the file; other files that it names are from its directory.

    Raises:
        ConfigError: It is wrong; every problem is named.
    """
    return _checked(file, [file], {file: text.replace("\r\n", "\n")}, [])


def _files(name: str) -> list[str]:
    try:
        names = os.listdir(name)
    except (OSError, ValueError):  # no directory, or none that may be read: as reading will tell
        return [name]
    found = sorted(each for each in names if each.endswith(".toml") and not each.startswith("."))
    if not found:
        message = "this directory has no file *.toml; an empty one says that nothing is desired"
        raise ConfigError([Problem(name, message)])
    return [os.path.join(name, each) for each in found]


def _checked(
    name: str, files: Sequence[str], texts: Mapping[str, str], problems: Iterable[Problem]
) -> HostConfig:
    """What the texts of files say, where nothing is wrong with them, nor with others of them."""
    results = {file: parsed(file, text) for file, text in texts.items()}
    origins = Origins(
        (Origin(file, _folder(file), result.text) for file, result in results.items()),
        (result.document for result in results.values()),
    )
    wrong = [problem for result in results.values() for problem in result.problems]
    config, findings = checked(name, origins)
    # What lacks something may lack just a statement that is wrong.
    cut = tuple(f"{each.section}.{each.key}" for each in wrong)
    sound = [each for each in findings if not _is_above(dotted(each.path), cut)]
    told = [*problems, *wrong, *origins.problems, *_located(origins, sound)]
    if told:
        # What is wrong with other files than these comes last.
        order = {each: number for number, each in enumerate(files)}
        raise ConfigError(
            sorted(told, key=lambda one: (order.get(one.file, len(order)), one.line or sys.maxsize))
        )
    return config


def _folder(file: str) -> Path:
    return Path() if file == _STANDARD_INPUT else Path(file).parent


def _is_above(path: str, others: Iterable[str]) -> bool:
    return any(other.startswith(f"{path}.") for other in others)


def _located(origins: Origins, findings: Iterable[Finding]) -> Iterator[Problem]:
    for finding in findings:
        if finding.file:
            line, column = finding.inside or (None, None)
            yield Problem(finding.file, finding.message, line, column, exact=True)
            continue
        section = dotted(finding.path[: finding.table])
        key = finding.key or dotted(finding.path[finding.table :])
        file, found = origins.find(finding.path)
        message = finding.message.replace("{other}", _other(origins, finding, file))
        place = finding.inside and origins.inside(finding.path, *finding.inside)
        if place:
            yield Problem(file, message, *place, section, key, exact=True)
            continue
        if finding.inside:
            message = f"line {finding.inside[0]}, column {finding.inside[1]}: {message}"
        line, column = found or (None, None)
        yield Problem(file, message, line, column, section, key)


def _other(origins: Origins, finding: Finding, file: str) -> str:
    """Where that is which it does not go together with."""
    if finding.other is None:
        return ""
    other, place = origins.find(finding.other)
    if place is None:
        return ""
    return (
        f", first on line {place[0]}"
        if other == file
        else f", first at {other}:{place[0]}:{place[1]}"
    )
