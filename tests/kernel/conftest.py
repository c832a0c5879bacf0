"""What tests of the real program share: a host with its file and records, and a link."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from linx_async.testing.links import add_veth, delete_link, links
from tests.kernel.program import Host

numbers = itertools.count(1)


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    """A host that says nothing yet; what it keeps is let go at the end."""
    host = Host(tmp_path)
    yield host
    host.let_go()


@pytest.fixture
def link() -> Iterator[str]:
    """A link that no other test has; its sysctls are at their defaults."""
    name = f"lnk{next(numbers)}"
    add_veth(name, f"{name}p")
    yield name
    if name in links():
        delete_link(name)
