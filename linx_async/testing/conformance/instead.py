"""A source of which one thing is done by somebody else."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, cast

from linx_async import Ownership

from .trial import AnySource

__all__ = ["Look", "eyes_of", "instead"]

Look = Callable[[Any, Ownership], Coroutine[Any, Any, Any]]


class _Instead:
    def __init__(self, source: AnySource, **methods: Callable[..., Awaitable[object]]) -> None:
        self._source = source
        self._methods = methods

    def __getattr__(self, name: str) -> Any:
        return self._methods[name] if name in self._methods else getattr(self._source, name)


def eyes_of(source: AnySource) -> dict[str, Look]:
    """The ways in which a source looks: by `observe`, and the one for a pass that applies."""
    names = ("observe", "observe_to_apply")
    return {name: getattr(source, name) for name in names if hasattr(source, name)}


def instead(source: AnySource, **methods: Callable[..., Awaitable[object]]) -> AnySource:
    """The same source with those methods in place of its own."""
    return cast("AnySource", _Instead(source, **methods))
