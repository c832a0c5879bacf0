"""When two texts are the same value: pure comparisons of what was wanted and what was read."""

from __future__ import annotations

import re

__all__ = [
    "close_enough",
    "encodable",
    "number",
    "numbers",
    "same_numbers",
    "same_ranges",
    "stripped",
]

_NUMBER = re.compile(r"[+-]?(?:0[xX][0-9a-fA-F]+|[0-9]+)\Z")
_RANGES = re.compile(r"[0-9]{1,20}(?:-[0-9]{1,20})?(?:,[0-9]{1,20}(?:-[0-9]{1,20})?)*\Z")
_MOST_RANGES = 4096


def stripped(raw: bytes) -> str:
    """A kernel file's content as a value: the last newline is not part of it."""
    return raw.decode("utf-8", "surrogateescape").removesuffix("\n")


def encodable(text: str) -> bool:
    """Whether a file can be given that text: one that was read can, and most that was typed."""
    try:
        text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return False
    return True


def number(text: str) -> int | None:
    """An integer as the kernel reads it (decimal, 0x hexadecimal, 0 octal), else None."""
    if not _NUMBER.match(text) or len(text) > 64:
        return None
    digits = text.lstrip("+-")
    base = 16 if digits[:2] in {"0x", "0X"} else 8 if digits[0] == "0" and digits != "0" else 10
    try:
        value = int(digits, base)
    except ValueError:
        return None
    return -value if text.startswith("-") else value


def numbers(text: str) -> list[int] | None:
    """A list of integers between tabs or spaces, else None."""
    values = [number(token) for token in text.split()]
    return None if not values or None in values else [v for v in values if v is not None]


def same_numbers(one: str, other: str) -> bool:
    """Whether both are the same integers, whatever is between them."""
    values = numbers(one)
    return values is not None and values == numbers(other)


def same_ranges(one: str, other: str) -> bool:
    """Whether both are lists like `0-3,8` of the same integers.

    Two lone numbers are no lists: here 010 is 10, and there 8.
    """
    if not any(char in one or char in other for char in ",-"):
        return False
    first = _ranges(one)
    return first is not None and first == _ranges(other)


def close_enough(wanted: str, read: str) -> bool:
    """Whether `read` can be what the kernel rounded a large `wanted` to: within a hundredth."""
    goal, value = number(wanted), number(read)
    if goal is None or value is None:
        return False
    return abs(goal) >= 1000 and abs(goal - value) * 100 <= abs(goal)


def _ranges(text: str) -> list[tuple[int, int]] | None:
    """Sorted and merged, so that equality means the same set."""
    if not _RANGES.match(text) or text.count(",") > _MOST_RANGES:
        return None
    ends = [part.partition("-") for part in text.split(",")]
    spans = sorted((int(first), int(last or first)) for first, _, last in ends)
    merged: list[tuple[int, int]] = []
    for low, high in spans:
        if merged and low <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(high, merged[-1][1]))
        else:
            merged.append((low, high))
    return merged
