"""The examples of one file each, as a newcomer meets them."""

from __future__ import annotations

import pytest

from tests.kernel.example_program import run_example
from tests.kernel.program import ROOT

NAMES = sorted(file.stem for file in (ROOT / "examples").glob("*.py"))


@pytest.mark.parametrize("name", NAMES)
def test_each_tells_what_it_takes(name: str) -> None:
    done = run_example(name, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"usage: {name}.py [-h] ")


@pytest.mark.parametrize("name", NAMES)
def test_each_says_in_its_first_lines_how_to_run_it(name: str) -> None:
    text = (ROOT / "examples" / f"{name}.py").read_text()
    assert f"    python examples/{name}.py " in text.split('"""')[1]


@pytest.mark.parametrize("page", ["examples/README.md", "docs/examples.md"])
def test_all_are_listed(page: str) -> None:
    text = (ROOT / page).read_text()
    assert [name for name in NAMES if f"{name}.py" not in text] == []
