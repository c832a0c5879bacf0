"""How the results of `linx plan` and `linx apply` are shown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from attrs import frozen

from .._core.model import Op, Verb
from ..config import Problem
from .output import complain, counted, say, shade
from .passes import Passes
from .results import PartResult, past

__all__ = ["APPLY", "PLAN", "Words", "problems_json", "results_json", "show_results"]

_PROBLEM = ("file", "line", "column", "section", "key", "message")
_COLOURS = {Verb.DELETE: "red", Verb.REVERT: "yellow", Verb.RELEASE: "cyan"}


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
    if passes.trouble:
        complain(passes.trouble)
    for result in passes.results:
        if result.error:
            complain(f"{result.part.name}: {result.error}")
            continue
        lines = list(_lines(words, result))
        name = shade(result.part.name, bold=True)
        say(f"{name}:" if lines else f"{name}: {shade('nothing to do', dim=True)}")
        for line in lines:
            say(f"  {line}")
    say(f"{shade(passes.config.file, bold=True)}: {_summary(words, passes)}")


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


def _lines(words: Words, result: PartResult) -> Iterator[str]:
    for op in result.ops:
        yield shade(_told(words, op), _COLOURS.get(op.verb, "green"))
    for error in result.failed:
        yield shade(f"{words.failed}: {error}", "red")
    for op in result.pending:
        yield shade(f"not tried, as it depends on what failed: {op}", "red")
    for wait in result.waiting:
        yield shade(f"waiting: {wait.key}: {wait.reason}", "yellow")
    for conflict in result.conflicts:
        yield shade(f"conflict: {conflict.key}: {conflict.reason}", "magenta")


def _told(words: Words, op: Op) -> str:
    return past(op) if words.done else str(op)


def _summary(words: Words, passes: Passes) -> str:
    results = passes.results
    errors = sum(bool(result.error) for result in results) + bool(passes.trouble)
    releases = sum(len(result.ops) - result.changes for result in results)
    counts = [
        (sum(result.changes for result in results), "change", words.changes),
        (releases, "key", words.releases),
        (sum(len(result.failed) for result in results), "key", words.failed),
        (sum(len(result.pending) for result in results), "key", "not tried"),
        (sum(len(result.waiting) for result in results), "key", "waiting"),
        (sum(len(result.conflicts) for result in results), "conflict", ""),
        (errors, "error", ""),
    ]
    told = ", ".join(
        f"{counted(number, thing)} {what}".rstrip() for number, thing, what in counts if number
    )
    converged = not errors and all(result.converged for result in results)
    verdict = words.converged if converged else words.otherwise
    return shade(": ".join(filter(None, [verdict, told])), "green" if converged else "yellow")
