"""What the reader of the file says about a text."""

from __future__ import annotations

import pytest

from linx_async.config import ConfigError, Problem, parse

__all__ = ["error_of", "lines_of_problems", "problems_in", "told_of"]


def error_of(text: str, file: str = "host.toml") -> ConfigError:
    """The error of a text that is not taken."""
    with pytest.raises(ConfigError) as caught:
        parse(text, file=file)
    return caught.value


def told_of(text: str) -> list[str]:
    """The lines in which the error of a text that is not taken is told."""
    return str(error_of(text)).splitlines()


def problems_in(text: str) -> tuple[Problem, ...]:
    """What is wrong with a text, if anything is."""
    try:
        parse(text)
    except ConfigError as error:
        return error.problems
    return ()


def lines_of_problems(text: str) -> set[int | None]:
    """The lines of a text in which something is wrong."""
    return {problem.line for problem in problems_in(text)}
