"""The rules of the house: who may import what, who may open files, and what no file may name."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Collection, Iterable, Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.project_files import project_files

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "linx_async"
SUBSYSTEMS = ("sysctl", "cgroup", "rtnl", "netfilter")
KERNEL_DOORS = ("os", "socket", "fcntl", "ctypes", "mmap", "select")
PURE = {"os.PathLike", "os.fspath", "os.strerror"}  # fine with `from os import …`
LATE_IMPORTS = (
    *("trio", "pyroute2", "rich", "click", "cattrs"),
    *("prometheus_client", "opentelemetry", "pytest", "hypothesis"),
)
LONGEST_MODULE = 300

# Spelt so that this file does not name them itself.
FORBIDDEN = re.compile(
    r"""
      /wor[k]/
    | /tm[p]/(?:venv|brief)
    | /roo[t]/\.
    | pypi\.or[g]
    | pythonhoste[d]\.org
    | \b(?:deb|ftp|security|snapshot)(?:\.\w+)?\.debia[n]\.org
    | registry\.(?:npmj[s]|yarnpk[g])\.
    | nodejs\.or[g]/dist
    """,
    re.VERBOSE,
)


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def packages() -> list[str]:
    """The packages that a user of the library imports."""
    there = [name for name in SUBSYSTEMS if (PACKAGE / name / "__init__.py").exists()]
    return ["linx_async", "linx_async.metrics", *(f"linx_async.{name}" for name in there)]


def place(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


def is_in(path: Path, *packages: str) -> bool:
    return path.relative_to(PACKAGE).parts[0] in packages


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def imports(path: Path) -> list[tuple[int, str]]:
    return list(imported(tree_of(path), path.relative_to(ROOT).parent.parts))


def imported(tree: ast.Module, package: tuple[str, ...]) -> Iterator[tuple[int, str]]:
    """Every module that is named in an import, absolute, wherever in the code the import is."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            base = ".".join([*above, *([node.module] if node.module else [])])
            # `from a import b` may mean the module a.b as well.
            yield from ((node.lineno, f"{base}.{alias.name}") for alias in node.names)


def names(name: str, *packages: str) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in packages)


def offences(paths: Iterable[Path], *packages: str, allowed: Collection[str] = ()) -> list[str]:
    return [
        f"{place(path)}:{line} imports {name}"
        for path in paths
        for line, name in imports(path)
        if names(name, *packages) and name not in allowed
    ]


def test_the_checks_see_relative_and_late_imports_too() -> None:
    tree = ast.parse(
        "import os.path\n"
        "from . import a\n"
        "from .._kernel import b\n"
        "def late(): from ..rtnl.diff import c\n"
    )
    assert list(imported(tree, ("linx_async", "sysctl"))) == [
        (1, "os.path"),
        (2, "linx_async.sysctl.a"),
        (3, "linx_async._kernel.b"),
        (4, "linx_async.rtnl.diff.c"),
    ]


def test_a_diff_is_pure() -> None:
    diffs = [path for path in modules() if path.name == "diff.py" or path.parent.name == "diff"]
    assert offences(diffs, "anyio", "os", "socket", "linx_async._kernel") == []


def may_touch_files(path: Path) -> bool:
    if is_in(path, "_core"):
        return path.name == "store.py"
    return is_in(path, "_kernel", "cli", "config", "testing")


def test_only_the_kernel_package_reaches_the_kernel() -> None:
    others = [path for path in modules() if not may_touch_files(path)]
    assert offences(others, *KERNEL_DOORS, allowed=PURE) == []


def test_only_the_kernel_package_opens_files() -> None:
    opens = [
        f"{place(path)}:{node.lineno} calls {ast.unparse(node.func)}()"
        for path in modules()
        if not may_touch_files(path)
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Call) and ast.unparse(node.func) in {"open", "io.open"}
    ]
    assert opens == []


def test_at_most_one_module_knows_pyroute2() -> None:
    users = {
        place(path) for path in modules() for _, name in imports(path) if names(name, "pyroute2")
    }
    assert len(users) <= 1, users


def test_no_event_loop_is_named_outside_the_testing_package() -> None:
    library = [path for path in modules() if not is_in(path, "testing")]
    assert offences(library, "asyncio", "trio") == []


def test_the_core_knows_no_other_package() -> None:
    strangers = [
        f"{place(path)}:{line} imports {name}"
        for path in modules()
        if is_in(path, "_core")
        for line, name in imports(path)
        if names(name, "linx_async") and not names(name, "linx_async._core")
    ]
    assert strangers == []


@pytest.mark.parametrize("subsystem", SUBSYSTEMS)
def test_no_subsystem_imports_another(subsystem: str) -> None:
    others = [f"linx_async.{other}" for other in SUBSYSTEMS if other != subsystem]
    assert offences((path for path in modules() if is_in(path, subsystem)), *others) == []


@pytest.mark.parametrize("package", ["_kernel", "_flat"])
def test_what_the_subsystems_share_imports_none_of_them(package: str) -> None:
    shared = [path for path in modules() if is_in(path, package)]
    assert offences(shared, *(f"linx_async.{subsystem}" for subsystem in SUBSYSTEMS)) == []


def test_modules_stay_short() -> None:
    lengths = {
        place(path): len(path.read_text(encoding="utf-8").splitlines()) for path in modules()
    }
    assert {name: length for name, length in lengths.items() if length > LONGEST_MODULE} == {}


def test_every_module_says_in_one_line_what_it_is() -> None:
    docstrings = {place(path): ast.get_docstring(tree_of(path)) or "" for path in modules()}
    assert [
        name
        for name, docstring in docstrings.items()
        if not docstring.endswith(".") or "\n" in docstring
    ] == []


@pytest.mark.parametrize("package", packages())
def test_an_import_loads_no_optional_package(package: str) -> None:
    code = f"import sys, {package}\nprint(*sys.modules, sep='\\n')"
    loaded = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout.split()
    assert sorted(set(LATE_IMPORTS) & set(loaded)) == []


def test_all_packages_are_imported_where_no_optional_one_is_installed() -> None:
    code = f"""
import sys
sys.modules.update(dict.fromkeys({LATE_IMPORTS!r}))
import linx_async.config, linx_async.testing, {", ".join(packages())}
"""
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


def test_no_file_names_a_machine_path_or_a_package_registry() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{number}: {match[0]}"
        for path in project_files()
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1)
        if (match := FORBIDDEN.search(line))
    ]
    assert found == []
