"""An element of a set with what goes along with it."""

from __future__ import annotations

from typing import Any

from attrs import frozen

from ..._core.checks import U64, Checked, between, or_none
from .names import check_comment

__all__ = ["Element"]


@frozen(init=False)
class Element(Checked):
    """An element of a set or map that is more than its value.

    In a list it has its value; in a mapping that is what it is found by.

    Args:
        value: The value, the range, or the parts of a concatenation.
        data: What a map has for it.
        timeout_ms: How long it stays, in milliseconds, where that is not the set's default.
        comment: What nft shows with it.

    Raises:
        DesiredStateError: A field is wrong.
    """

    value: Any
    data: Any
    timeout_ms: int | None
    comment: str | None

    def __init__(
        self,
        value: Any = None,
        *,
        data: Any = None,
        timeout_ms: int | None = None,
        comment: str | None = None,
    ) -> None:
        self.__attrs_init__(
            value,
            data,
            or_none(timeout_ms, "timeout_ms", lambda time, what: between(time, what, 1, U64)),
            or_none(comment, "comment", check_comment),
        )
