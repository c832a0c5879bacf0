"""How the results of `linx plan` and `linx apply` are shown."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

from attrs import frozen

from .._core.errors import LinxError
from .._core.model import Op, Verb
from ..config import ConfigError, Problem
from .output import complain, counted, say, shade
from .passes import Passes
from .results import PartResult, past
from .turns import link_awaited
from .why import created, explained

if TYPE_CHECKING:
    from .._kernel.netns import NetworkNamespace

__all__ = [
    "APPLY",
    "PLAN",
    "Words",
    "errors_json",
    "problems_json",
    "results_json",
    "show_results",
]

_PROBLEM = ("file", "line", "column", "section", "key", "message")
_COLOURS = {Verb.DELETE: "red", Verb.REVERT: "yellow", Verb.RELEASE: "cyan"}

_Links: TypeAlias = "Mapping[NetworkNamespace | None, Container[str]]"
"""Those that a plan makes, by their namespaces."""


@frozen
class Words:
    """What differs between a pass that was worked out and one that was made.

    Attributes:
        command: The command's name.
        changes: What the changes are.
        releases: What the releases are.
        failed: What is said of what cannot be done.
        converged: What is said of all where nothing is left to do.
        otherwise: What is said of it where something is.
        done: Whether it was made.
    """

    command: str
    changes: str
    releases: str
    failed: str
    converged: str
    otherwise: str
    done: bool


PLAN = Words("plan", "due", "to release", "will fail", "nothing to do", "", done=False)
APPLY = Words("apply", "made", "released", "failed", "converged", "not converged", done=True)


def show_results(words: Words, passes: Passes) -> None:
    """Write what came of it for people; errors go to standard error."""
    to_come = _links_to_come(passes)
    for result in passes.results:
        if result.ops or not result.error:
            _show_part(words, result, to_come)
    if passes.trouble:
        complain(passes.trouble)
    for result in passes.results:
        if result.error:
            complain(f"{result.part.name}: {result.error}")
    if words.done:
        from .table import rows_of, table_lines, terminal_width

        rows = [row for result in passes.results for row in rows_of(result)]
        for line in table_lines(rows, terminal_width()):
            say(line)
    say(f"{shade(passes.config.file, bold=True)}: {_summary(words, passes, to_come)}")


def _show_part(words: Words, result: PartResult, to_come: _Links) -> None:
    made = created(result.ops)
    lines = [shade(_told(words, op, made), _COLOURS.get(op.verb, "green")) for op in result.ops]
    if not words.done:
        lines += _held_up(words, result, to_come.get(result.part.netns, ()))
    name = shade(result.part.name, bold=True)
    if lines:
        say(f"{name}:")
    else:
        nothing = "nothing to do" if result.converged else "nothing done"
        say(f"{name}: {shade(nothing, dim=True)}")
    for line in lines:
        say(f"  {line}")


def results_json(words: Words, passes: Passes) -> dict[str, Any]:
    """What came of it, for `--json`."""
    file = passes.config.file
    problems = [Problem(file, passes.trouble)] if passes.trouble else []
    return {
        "command": words.command,
        "file": file,
        "converged": not problems and all(result.converged for result in passes.results),
        "parts": [result.to_json() for result in passes.results],
        "errors": problems_json(problems),
    }


def problems_json(problems: Iterable[Problem]) -> list[dict[str, Any]]:
    """What is wrong with a file, for `--json`."""
    return [{name: getattr(each, name) for name in _PROBLEM} for each in problems]


def errors_json(file: str, error: LinxError) -> list[dict[str, Any]]:
    """What an error says, for `--json`; of a file, where it says nothing of others."""
    return problems_json(
        error.problems if isinstance(error, ConfigError) else [Problem(file, str(error))]
    )


def _held_up(words: Words, result: PartResult, links: Container[str]) -> Iterator[str]:
    """What a plan cannot do, or not yet."""
    for error in result.failed:
        yield shade(f"{words.failed}: {error}", "red")
    for wait in result.waiting:
        if link := link_awaited(result.part, wait, links):
            yield shade(f"once {link} is there: {wait.key}", "cyan")
        else:
            yield shade(f"waiting: {wait.key}: {wait.reason}", "yellow")
    for conflict in result.conflicts:
        yield shade(f"conflict: {conflict.key}: {conflict.reason}", "magenta")


def _links_to_come(passes: Passes) -> _Links:
    """The links that a plan makes, wherever it does."""
    found: dict[NetworkNamespace | None, set[str]] = {}
    for result in passes.results:
        if result.due and result.part.kind == "rtnl":
            from .links import names_made

            found.setdefault(result.part.netns, set()).update(names_made(result.ops))
    return found


def _told(words: Words, op: Op, made: Container[str]) -> str:
    return past(op) if words.done else explained(op, made)


def _summary(words: Words, passes: Passes, to_come: _Links) -> str:
    results = passes.results
    errors = sum(bool(result.error) for result in results) + bool(passes.trouble)
    releases = sum(len(result.ops) - result.changes for result in results)
    waiting = sum(len(result.waiting) for result in results)
    coming = sum(
        bool(link_awaited(result.part, wait, to_come.get(result.part.netns, ())))
        for result in results
        for wait in result.waiting
    )
    counts = [
        (sum(result.changes for result in results), "change", words.changes),
        (releases, "key", words.releases),
        (sum(len(result.failed) for result in results), "key", words.failed),
        (sum(len(result.pending) for result in results), "key", "not tried"),
        (coming, "key", "to follow"),
        (waiting - coming, "key", "waiting"),
        (sum(len(result.conflicts) for result in results), "conflict", ""),
        (errors, "error", ""),
    ]
    told = ", ".join(
        f"{counted(number, thing)} {what}".rstrip() for number, thing, what in counts if number
    )
    converged = not errors and all(result.converged for result in results)
    verdict = words.converged if converged else words.otherwise
    return shade(": ".join(filter(None, [verdict, told])), "green" if converged else "yellow")
