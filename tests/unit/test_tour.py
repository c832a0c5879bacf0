"""The tour shows everything: what is public is compared with what its snippets use."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from types import ModuleType

import attrs
import pytest

import linx_async
from linx_async import Hooks, Loop, Report, Source, Verb, cgroup, netfilter, rtnl, sysctl

TOUR = (Path(__file__).parents[2] / "docs/tour.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.DOTALL | re.MULTILINE)
TREES = [
    compile(block, "tour.md", "exec", ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    for block in BLOCK.findall(TOUR)
]
CHAPTERS = [
    "The model",
    "The subsystems",
    "Single-shot, by hand",
    "Reports",
    "Diff alone",
    "Subscribe alone",
    "The loop",
    "The plug-in contract",
    "The composite stays with you",
    "Beyond",
    "What is left",
]
BEYOND = 10
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
SUPERVISORS = {"run_once", "until_stop", "end"}
"""What of a loop is there for its supervisor alone."""


def nodes() -> Iterator[ast.AST]:
    for tree in TREES:
        yield from ast.walk(tree)


def names() -> set[str]:
    return {node.id for node in nodes() if isinstance(node, ast.Name)}


def attributes(of: str | None = None) -> set[str]:
    """The attributes that are used: of all there is, or of what has that name."""
    return {
        node.attr
        for node in nodes()
        if isinstance(node, ast.Attribute) and of in {None, ast.unparse(node.value)}
    }


def options(of: str) -> set[str | None]:
    """The keywords that are given in calls of that."""
    calls = [node for node in nodes() if isinstance(node, ast.Call)]
    return {word.arg for call in calls if ast.unparse(call.func) == of for word in call.keywords}


def members(of: type) -> set[str]:
    return {name for name in vars(of) if not name.startswith("_")}


def chapter(title: str) -> str:
    return TOUR.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def rows(title: str) -> str:
    """The first cells of the tables in a chapter."""
    return "\n".join(re.findall(r"^\| (.*?) \|", chapter(title), re.MULTILINE))


def functions(module: ModuleType) -> set[str]:
    return {name for name in module.__all__ if inspect.isfunction(getattr(module, name))}


def test_it_goes_from_the_model_to_what_is_beyond_in_this_order() -> None:
    assert re.findall(r"^## (.*)", TOUR, re.MULTILINE) == CHAPTERS


def test_each_of_the_ten_things_beyond_has_a_snippet() -> None:
    starts = [match.start() for match in re.finditer(r"^### \d+\. ", TOUR, re.MULTILINE)]
    assert len(starts) == BEYOND
    assert all(BLOCK.search(TOUR, *section) for section in pairwise([*starts, len(TOUR)]))


def test_every_snippet_is_run() -> None:
    assert "<!-- skip" not in TOUR
    assert TREES


def test_every_public_name_is_used() -> None:
    assert set(linx_async.__all__) - names() == set()


@pytest.mark.parametrize("subsystem", [netfilter, rtnl, sysctl, cgroup])
def test_every_verb_of_a_subsystem_is_used(subsystem: ModuleType) -> None:
    name = subsystem.__name__.removeprefix("linx_async.")
    assert functions(subsystem) - attributes(name) == set()
    assert "Source" in attributes(name)


def test_every_diff_of_a_network_is_used() -> None:
    assert set(rtnl.diff.__all__) - attributes("rtnl.diff") == set()


def test_every_option_of_a_loop_is_shown_at_work_and_is_in_the_table() -> None:
    known = set(inspect.signature(Loop).parameters)
    assert known - options("Loop") == set()
    assert {option for option in known if f"`{option}`" not in rows("The loop")} == set()


def test_everything_that_can_be_asked_of_a_loop_is_shown() -> None:
    calls = members(Loop) - SUPERVISORS
    assert calls - attributes() == set()
    assert {call for call in calls - {"run"} if call not in rows("The loop")} == set()


def test_every_field_of_a_report_is_in_the_table() -> None:
    fields = {each.name for each in attrs.fields(Report)}
    assert {field for field in fields if f"`{field}`" not in rows("Reports")} == set()


@pytest.mark.parametrize("shown", [Source, Hooks])
def test_every_method_that_one_may_write_is_written(shown: type) -> None:
    written = {node.name for node in nodes() if isinstance(node, FUNCTIONS)}
    assert members(shown) - written - attributes("self") == set()


def test_every_verb_of_an_op_is_used_or_seen() -> None:
    assert {verb for verb in Verb if verb.name not in attributes("Verb")} <= {Verb.RELEASE}
