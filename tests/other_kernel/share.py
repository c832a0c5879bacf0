"""A pytest plugin for runs side by side: --share 1/2 takes the first of every two tests."""

from __future__ import annotations

import argparse
import re

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--share", type=share, metavar="K/N", help="the K-th of every N tests alone")


def share(text: str) -> tuple[int, int]:
    """Which of how many, from 1."""
    found = re.fullmatch(r"([1-9]\d*)/([1-9]\d*)", text)
    if not found or int(found[1]) > int(found[2]):
        raise argparse.ArgumentTypeError(f"must be K/N with K from 1 to N, not {text!r}")
    return int(found[1]), int(found[2])


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Last of all, so that the shares are equal in size whatever else is deselected."""
    if (chosen := config.getoption("--share")) is None:
        return
    number, of = chosen
    config.hook.pytest_deselected(
        items=[item for place, item in enumerate(items) if place % of != number - 1]
    )
    items[:] = items[number - 1 :: of]
