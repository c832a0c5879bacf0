"""The reference has all that is public, and says of each what it takes and where it comes from."""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from linx_async.config.schema import schema

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
MODULES = [
    "linx_async",
    "linx_async.cgroup",
    "linx_async.config",
    "linx_async.metrics",
    "linx_async.netfilter",
    "linx_async.netfilter.build",
    "linx_async.rtnl",
    "linx_async.rtnl.diff",
    "linx_async.sysctl",
]
KERNELS = [
    f"linx_async.{name}"
    for name in ("cgroup", "netfilter", "netfilter.build", "rtnl", "rtnl.diff", "sysctl")
]
SOURCE = re.compile(
    r"\w\(\d\)|RFC \d|\b[A-Z]{2,}[A-Z0-9]*_[A-Z_*]+"
    r"|\b(net|fs|kernel|include|Documentation)/[\w./-]+"
)
"""A page of the manual, an RFC, a constant of the kernel's, or a file of its source."""


def pages() -> dict[Path, str]:
    return {each: each.read_text(encoding="utf-8") for each in DOCS.glob("**/*.md")}


def public(module: ModuleType) -> Iterator[tuple[str, Any]]:
    for name in module.__all__:
        found = getattr(module, name)
        if inspect.isclass(found) or inspect.isfunction(inspect.unwrap(found)):
            yield name, found


def of(names: list[str], *, classes: bool = True) -> list[Any]:
    return [
        pytest.param(found, id=f"{name}.{what}")
        for name in names
        for what, found in public(importlib.import_module(name))
        if classes or not inspect.isclass(found)
    ]


@pytest.mark.parametrize(
    "module", [*MODULES, "linx_async.metrics.otel", "linx_async.metrics.prometheus"]
)
def test_a_public_module_has_a_page(module: str) -> None:
    directive = re.compile(rf"^\.\. automodule:: {re.escape(module)}$", re.MULTILINE)
    assert len([page for page, text in pages().items() if directive.search(text)]) == 1


@pytest.mark.parametrize("found", of(MODULES))
def test_what_is_public_is_documented_and_so_is_each_of_its_members(found: Any) -> None:
    assert inspect.getdoc(found)
    if inspect.isclass(found):
        bare = [
            name
            for name, member in vars(found).items()
            if not name.startswith("_")
            and (inspect.isfunction(member) or isinstance(member, property | classmethod))
            and not inspect.getdoc(getattr(found, name))
        ]
        assert not bare


@pytest.mark.parametrize("function", of(MODULES, classes=False))
def test_a_public_function_says_what_it_takes(function: Any) -> None:
    names = list(inspect.signature(function).parameters)
    said = inspect.getdoc(function) or ""
    if len(names) > 1:
        missing = [name for name in names if not re.search(rf"^ +{name}: ", said, re.MULTILINE)]
        assert not missing


@pytest.mark.parametrize("function", of(KERNELS, classes=False))
def test_what_asks_or_changes_the_kernel_says_where_that_is_written(function: Any) -> None:
    assert SOURCE.search(inspect.getdoc(function) or "")


def test_every_table_of_the_file_is_listed() -> None:
    listed = set(re.findall(r"\{file-fields\} (\S+)", pages()[DOCS / "reference" / "config.md"]))
    tables = schema()["definitions"]["table"]["anyOf"][0]["properties"]
    parts = {
        f"netfilter.inet.*.{name}.*"
        for name, part in tables.items()
        if part.get("additionalProperties", {}).get("properties")
    }
    lists = {
        f"rtnl.{name}"
        for name, part in schema()["definitions"]["rtnl"]["properties"].items()
        if part.get("type") == "array"
    }
    assert parts
    assert lists
    assert parts | lists <= listed
