"""A lone error out of a task group, without the group around it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["ungrouped"]


@contextmanager
def ungrouped() -> Iterator[None]:
    """Put around a task group of ours: a single error leaves it as itself; more stay a group."""
    try:
        yield
    except BaseExceptionGroup as group:
        lone = group.exceptions[0]
        if len(group.exceptions) == 1 and isinstance(lone, Exception):
            raise lone from lone.__cause__
        raise
