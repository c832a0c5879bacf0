"""Sysctl values: from Python to the text that is written, and when two texts are the same."""

from __future__ import annotations

import re
from collections.abc import Sequence
from ipaddress import IPv6Address
from typing import TypeAlias

from .._core.errors import DesiredStateError
from .._flat.values import same_numbers, same_ranges

__all__ = ["Value", "decoded", "same", "text_of"]

Value: TypeAlias = int | bool | str | Sequence[int]
"""What a sysctl may be set to: an integer, a flag, text, or several integers."""

_TEXT = frozenset({"kernel.hostname", "kernel.domainname", "kernel.core_pattern"})
"""Text where 010 and 8 are two things."""

_DECIMALS = re.compile(r"-?[0-9]{1,20}(?:\s+-?[0-9]{1,20})*\Z", re.ASCII)
_FASTOPEN_KEY = "net.ipv4.tcp_fastopen_key"
_LARGEST = 2**64
_LONGEST = 4095
"""Bytes: a write takes less than a page (fs/proc/proc_sysctl.c gives the handler one buffer)."""


def text_of(key: str, value: Value) -> str:
    """The text to write.

    Raises:
        DesiredStateError: The value is of no such type, or has a newline or a NUL in it.
    """
    match value:
        case bool():
            return str(int(value))
        case int():
            return _number(key, value)
        case str():
            return _checked(key, value)
        case bytes() | bytearray() | memoryview():
            pass
        case Sequence() if value and all(type(item) is int for item in value):
            return " ".join(_number(key, int(item)) for item in value)
    raise DesiredStateError(
        f"{key}: expected an integer, a boolean, text or a list of integers, got {value!r}"
    )


def _number(key: str, value: int) -> str:
    if not -_LARGEST < value < _LARGEST:
        shown = max(-(_LARGEST**2), min(value, _LARGEST**2))  # Python refuses to print some
        raise DesiredStateError(f"{key}: the kernel has no integer of more than 64 bits: {shown}")
    # Not str(value), which would be the name of a member of an enumeration.
    return str(int(value))


def _checked(key: str, text: str) -> str:
    if any(char in text for char in "\n\0"):
        raise DesiredStateError(f"{key}: a newline or NUL in the value {text!r}")
    try:
        size = len(text.encode("utf-8", "surrogateescape"))
    except UnicodeEncodeError as error:
        raise DesiredStateError(f"{key}: the value {text!r} cannot be encoded: {error}") from None
    if size > _LONGEST:
        raise DesiredStateError(
            f"{key}: the value is longer than the {_LONGEST} bytes the kernel takes"
        )
    return text


def same(key: str, text: str, value: str) -> bool:
    """Whether a value that was read is what that text means.

    Tabs and spaces between integers are the same, `0x10` is 16, and `0,1` is `0-1`; keys and
    secrets are the same with all their zeros.
    """
    if text == value:
        return True
    if key in _TEXT:
        return False
    if key == _FASTOPEN_KEY:
        return _groups(text) == _groups(value)
    if key.endswith("stable_secret"):
        return _address(text) == _address(value)
    return same_numbers(text, value) or same_ranges(text, value)


def _groups(text: str) -> list[str]:
    return [group.lower().lstrip("0") for group in text.replace(",", "-").split("-")]


def _address(text: str) -> IPv6Address | str:
    try:
        return IPv6Address(text)
    except ValueError:
        return text


def decoded(key: str, value: str) -> int | str | tuple[int, ...]:
    """A value that was read, as Python has it: an integer, several, or text."""
    if key in _TEXT or not _DECIMALS.match(value):
        return value
    integers = tuple(map(int, value.split()))
    return integers[0] if len(integers) == 1 else integers
