"""Values made of what an author writes in their place: a mapping of arguments, or a tuple."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar, cast

from ..._core.errors import DesiredStateError

__all__ = ["made_of"]

T = TypeVar("T")

_OBSERVED = {"flags", "unknown"}
"""Arguments that only the kernel gives."""


def made_of(kind: type[T], entry: Any) -> T:
    """A value of its arguments, or of the first one alone; one that is made is returned as it is.

    Raises:
        DesiredStateError: It is wrong as written; the message names the field.
    """
    if isinstance(entry, kind):
        return entry
    make = cast("Callable[..., T]", kind)
    try:
        if isinstance(entry, Mapping):
            return make(**entry)
        if isinstance(entry, tuple | list):
            return make(*entry)
        if isinstance(entry, str):
            return make(entry)
    except TypeError as error:
        given = (entry,) if isinstance(entry, str) else entry
        raise DesiredStateError(_misfit(kind, given) or f"{entry!r}: {error}") from None
    raise DesiredStateError(f"expected a {kind.__name__}, a mapping or a tuple, got {entry!r}")


def _misfit(kind: type[Any], given: Mapping[Any, Any] | Sequence[Any]) -> str:
    """How arguments do not go with a constructor; empty where they do."""
    parameters = inspect.signature(kind).parameters
    needed = [name for name, each in parameters.items() if each.default is each.empty]
    if isinstance(given, Mapping):
        for name in given:
            if name not in parameters:
                return f"{name}: unknown field; {_meant(str(name), parameters)}"
        said = list(map(str, given))
    else:
        first = [name for name, each in parameters.items() if each.kind is not each.KEYWORD_ONLY]
        if len(given) > len(first):
            return f"{given!r}: {', '.join(first)} can be given so; name all others in a mapping"
        said = first[: len(given)]
    lacking = [name for name in needed if name not in said]
    return f"{given!r}: lacks {', '.join(lacking)}" if lacking else ""


def _meant(name: str, parameters: Mapping[str, inspect.Parameter]) -> str:
    known = [each for each in parameters if each not in _OBSERVED]
    near = difflib.get_close_matches(name.lower(), known, n=1, cutoff=0.5)
    return f"did you mean {near[0]}?" if near else f"known are {', '.join(known)}"
