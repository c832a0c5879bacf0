"""Checks of what an author writes; each error names the field and the value."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Final, TypeVar

from .errors import DesiredStateError

__all__ = [
    "U8",
    "U16",
    "U32",
    "U64",
    "Checked",
    "between",
    "check_flag",
    "check_interface",
    "check_text",
    "one_of",
    "or_none",
    "unchecked",
    "wrong",
]

U8: Final = 2**8 - 1
U16: Final = 2**16 - 1
U32: Final = 2**32 - 1
U64: Final = 2**64 - 1

T = TypeVar("T")

_LONGEST_NAME = 15  # IFNAMSIZ with its NUL
_NOT_IN_NAMES = re.compile(r"[\s/:\0]")


class Checked:
    """A value whose constructor checks what it is given, and then fills its fields."""

    __slots__ = ()

    if TYPE_CHECKING:
        # attrs makes it for a class with an __init__ of its own; not every type checker knows.
        def __attrs_init__(self, *fields: Any) -> None: ...


CheckedT = TypeVar("CheckedT", bound=Checked)


def wrong(what: str, message: str) -> DesiredStateError:
    """An error about a field, which it names."""
    return DesiredStateError(f"{what}: {message}")


def or_none(value: Any, what: str, check: Callable[[Any, str], T]) -> T | None:
    """What a check makes of a value; None stays None."""
    return None if value is None else check(value, what)


def check_interface(value: Any, what: str) -> str:
    """The name of a network interface, as dev_valid_name() in net/core/dev.c has it.

    Raises:
        DesiredStateError: It is none.
    """
    if not isinstance(value, str):
        raise wrong(what, f"expected the name of an interface, got {value!r}")
    try:
        length = len(value.encode())
    except UnicodeEncodeError:
        length = 0
    if value in {"", ".", ".."} or not 0 < length <= _LONGEST_NAME or _NOT_IN_NAMES.search(value):
        raise wrong(
            what,
            f"{value!r} is no name of an interface: 1 to {_LONGEST_NAME} bytes, without"
            " whitespace, '/' and ':'",
        )
    return value


def check_text(value: Any, what: str, longest: int) -> str:
    """Text of a limited length in bytes, without a NUL.

    Raises:
        DesiredStateError: It is none.
    """
    if not isinstance(value, str) or "\0" in value:
        raise wrong(what, f"expected text, got {value!r}")
    try:
        length = len(value.encode())
    except UnicodeEncodeError:
        raise wrong(what, f"{value!r} cannot be encoded") from None
    if length > longest:
        raise wrong(what, f"{value!r} is longer than {longest} bytes")
    return value


def between(value: Any, what: str, low: int, high: int) -> int:
    """An integer within limits; a bool is none.

    Raises:
        DesiredStateError: It is none, or outside.
    """
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise wrong(what, f"expected an integer from {low} to {high}, got {value!r}")
    return value


def check_flag(value: Any, what: str) -> bool:
    """True or False.

    Raises:
        DesiredStateError: It is neither.
    """
    if not isinstance(value, bool):
        raise wrong(what, f"expected True or False, got {value!r}")
    return value


def one_of(value: Any, what: str, known: Iterable[str]) -> str:
    """A word out of some.

    Raises:
        DesiredStateError: It is none of them.
    """
    words = tuple(known)
    if value not in words:
        raise wrong(what, f"expected one of {', '.join(words)}, got {value!r}")
    return str(value)


def unchecked(kind: type[CheckedT], *fields: Any) -> CheckedT:
    """A value made of fields that the kernel gave, all of them in their order, as they are."""
    made = object.__new__(kind)
    made.__attrs_init__(*fields)
    return made
