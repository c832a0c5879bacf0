"""What the tests that compare our codecs with pyroute2's need of it."""

from __future__ import annotations

from importlib.metadata import version

import pytest

needs_newer_pyroute2 = pytest.mark.skipif(
    tuple(map(int, version("pyroute2").split(".")[:3])) < (0, 9, 7),
    reason="pyroute2 before 0.9.7 lacks attributes of addresses, neighbours and routes",
)
"""For those alone: of the parameters of links, which the library has from it, older ones do."""
