"""The lowest versions of all that pyproject.toml asks for, as constraints of pip."""

from __future__ import annotations

import re
import sys
import tomllib
from itertools import chain
from pathlib import Path

ROOT = Path(__file__).parents[1]
REQUIREMENT = re.compile(r"(?P<name>[\w.-]+)(?:\[[\w.,-]+\])?>=(?P<version>[\w.]+)")


def project() -> dict[str, object]:
    """The table `project` of pyproject.toml."""
    read: dict[str, object] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return read


def requirements() -> dict[str, list[str]]:
    """What is required by the name of the extra; what always is, by an empty name."""
    table = project()
    return {"": table["dependencies"], **table["optional-dependencies"]}  # type: ignore[dict-item]


def constraints() -> list[str]:
    """Each requirement of all extras at the lowest version that it allows.

    Raises:
        ValueError: One has no lower bound, or more than that.
    """
    lines = set()
    for requirement in chain.from_iterable(requirements().values()):
        if requirement.startswith("linx-async["):
            continue  # the extras, which are in turn
        found = REQUIREMENT.fullmatch(requirement)
        if found is None:
            raise ValueError(f"{requirement!r} is no lower bound alone: NAME>=VERSION")
        lines.add(f"{found['name']}=={found['version']}")
    return sorted(lines)


if __name__ == "__main__":
    sys.stdout.write("\n".join([*constraints(), ""]))
