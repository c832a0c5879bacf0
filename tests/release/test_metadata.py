"""What pyproject.toml says of the project, against what there is."""

from __future__ import annotations

import ast
import re
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from tests import lowest

ROOT = Path(__file__).parents[2]
LATER = {"pytest"}
"""What only programs import that are there already: a plugin of pytest."""


def imported() -> set[str]:
    """The modules that the library imports, wherever in its code, by their first names."""
    names = set()
    for file in (ROOT / "linx_async").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
                names.add(node.module.partition(".")[0])
    return names - sys.stdlib_module_names - {"linx_async"}


def test_all_that_the_library_imports_is_required_by_it_or_by_an_extra() -> None:
    distributions = packages_distributions()
    required = {
        re.split(r"[^\w.-]", requirement)[0]
        for extra, requirements in lowest.requirements().items()
        for requirement in requirements
        if extra != "dev"
    }
    # Several distributions may share a name, as those of OpenTelemetry do.
    providers = {
        name: {provider.lower().replace("_", "-") for provider in distributions[name]}
        for name in imported() - LATER
    }
    assert {name for name, of_name in providers.items() if not of_name & required} == set()


def test_every_requirement_has_a_lower_bound_and_no_upper_one() -> None:
    assert len(lowest.constraints()) == len({line.split("==")[0] for line in lowest.constraints()})


@pytest.mark.parametrize("wrong", ["anyio", "anyio>=4,<5", "anyio==4.15", "anyio~=4.15"])
def test_another_kind_of_bound_is_refused(monkeypatch: pytest.MonkeyPatch, wrong: str) -> None:
    monkeypatch.setattr(lowest, "requirements", lambda: {"": [wrong]})
    with pytest.raises(ValueError, match=re.escape(wrong)):
        lowest.constraints()


def test_the_readme_names_every_extra_for_users() -> None:
    installing = (ROOT / "README.md").read_text(encoding="utf-8").partition("## What it is for")[0]
    extras = set(lowest.requirements()) - {"", "dev"}
    assert [extra for extra in extras if not re.search(rf"[\[`]{extra}[\]`]", installing)] == []


def test_the_changelog_begins_with_the_version() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    newest = re.search(r"^## (\S+?),? ", changelog, re.MULTILINE)
    assert newest is not None
    assert newest[1] == lowest.project()["version"]
