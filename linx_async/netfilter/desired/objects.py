"""Stateful objects of a table: counters, quotas, limits and what conntrack is given."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from attrs import field, frozen

from ..._core.checks import U32, Checked, between, one_of, or_none, wrong
from .names import check_comment, check_name

__all__ = ["OBJECT_TYPES", "Object", "object_type_name", "to_object_type"]

OBJECT_TYPES: Final[Mapping[str, int]] = {
    "counter": 1,
    "quota": 2,
    "ct helper": 3,
    "limit": 4,
    "connlimit": 5,
    "tunnel": 6,
    "ct timeout": 7,
    "secmark": 8,
    "ct expectation": 9,
    "synproxy": 10,
}
"""Kinds of objects by name (NFT_OBJECT_*)."""

_NAMES: Final = {number: name for name, number in OBJECT_TYPES.items()}


def to_object_type(value: Any, what: str) -> int:
    """The kind of an object, by name or number.

    Raises:
        DesiredStateError: It is none.
    """
    if isinstance(value, str):
        return OBJECT_TYPES[one_of(value, what, OBJECT_TYPES)]
    return between(value, what, 1, U32)


def object_type_name(number: int) -> str:
    """What nft calls objects of a kind."""
    return _NAMES.get(number, f"object of type {number}")


@frozen(init=False)
class Object(Checked):
    """A stateful object, which rules and maps name: a counter, a quota, a limit and so on.

    Args:
        name: Its name among those of its kind.
        type: Its kind: `counter`, `quota`, `limit`, `ct helper`…
        body: What it is told (NFTA_OBJ_DATA), canonical: counters and what a quota consumed are
            zero. `netfilter.build` has functions that make it.
        comment: What nft shows with it.
        userdata: What else libnftnl keeps with it.

    Raises:
        DesiredStateError: A field is wrong.
    """

    name: str
    type: int
    body: bytes = field(repr=False)
    comment: str | None
    userdata: bytes

    def __init__(
        self,
        name: str,
        type: str | int,
        body: bytes,
        comment: str | None = None,
        userdata: bytes = b"",
    ) -> None:
        if not isinstance(body, bytes):
            raise wrong("body", f"expected bytes of netlink attributes, got {body!r}")
        self.__attrs_init__(
            check_name(name, "name"),
            to_object_type(type, "type"),
            body,
            or_none(comment, "comment", check_comment),
            userdata,
        )

    @property
    def key(self) -> str:
        """What the objects of a table are told apart by."""
        return f"{object_type_name(self.type)} {self.name}"
