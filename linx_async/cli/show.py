"""How the results of `linx plan` and `linx apply` are shown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from attrs import asdict, frozen

from .._core.model import Op, Verb
from ..config import Problem
from .output import complain, counted, say, shade, show_json
from .results import PartResult, past

__all__ = ["APPLY", "PLAN", "Words", "results_json", "show_results"]

_COLOURS = {Verb.DELETE: "red", Verb.REVERT: "yellow", Verb.RELEASE: "cyan"}


@frozen
class Words:
    """What differs between a pass that was worked out and one that was made.

    Attributes:
        command: The command's name.
        changes: What the changes are.
        releases: What the releases are.
        failed: What is said of what cannot be done.
        done: Whether it was made.
    """

    command: str
    changes: str
    releases: str
    failed: str
    done: bool


PLAN = Words("plan", "due", "to release", "will fail", done=False)
APPLY = Words("apply", "made", "released", "failed", done=True)


def show_results(words: Words, file: str, results: Sequence[PartResult]) -> None:
    """Write them for people; errors go to standard error."""
    for result in results:
        if result.error:
            complain(f"{result.part.name}: {result.error}")
            continue
        lines = list(_lines(words, result))
        name = shade(result.part.name, bold=True)
        say(f"{name}:" if lines else f"{name}: {shade('nothing to do', dim=True)}")
        for line in lines:
            say(f"  {line}")
    say(f"{shade(file, bold=True)}: {_summary(words, results)}")


def results_json(
    words: Words, file: str, results: Sequence[PartResult], problems: Sequence[Problem] = ()
) -> dict[str, Any]:
    """What `--json` writes: one object, whatever happened."""
    converged = not problems and all(result.converged for result in results)
    return {
        "command": words.command,
        "file": file,
        "converged": converged,
        "parts": [result.to_json() for result in results],
        "errors": [asdict(problem, filter=lambda field, _: field.repr) for problem in problems],
    }


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


def _summary(words: Words, results: Sequence[PartResult]) -> str:
    releases = sum(len(result.ops) - result.changes for result in results)
    counts = [
        (sum(result.changes for result in results), "change", words.changes),
        (releases, "key", words.releases),
        (sum(len(result.failed) for result in results), "key", words.failed),
        (sum(len(result.pending) for result in results), "key", "not tried"),
        (sum(len(result.waiting) for result in results), "key", "waiting"),
        (sum(len(result.conflicts) for result in results), "conflict", ""),
        (sum(bool(result.error) for result in results), "error", ""),
    ]
    told = ", ".join(
        f"{counted(number, thing)} {what}".rstrip() for number, thing, what in counts if number
    )
    if all(result.converged for result in results):
        return shade(f"converged{': ' if told else ''}{told}", "green")
    return shade(f"not converged: {told}", "yellow")
