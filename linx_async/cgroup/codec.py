"""Cgroup limits: from Python to the text that is written, and when two texts are the same."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TypeAlias

from .._core.errors import DesiredStateError
from .._flat.values import number, same_numbers, same_ranges
from .._kernel.cgroupfs import PAGE_SIZE

__all__ = ["Scalar", "Value", "pieces", "same", "text_of", "undo"]

Scalar: TypeAlias = int | bool | str | None
"""A limit: an integer, a flag, `"max"` or None for max, or text like `"256M"`."""
Value: TypeAlias = Scalar | Sequence[Scalar] | Mapping[str, "Scalar | Mapping[str, Scalar]"]
"""What an interface file may be set to.

A scalar; several, as cpu.max wants them; or a mapping, for files with a line a device: to a scalar
(`io.weight`), or to another mapping (`io.max`).
"""

_SIZE = re.compile(r"([0-9]+)(?:\.([0-9]+))?([KMGTP])(?:i?B)?\Z", re.IGNORECASE)
_POWERS: dict[str, int] = {letter: 1 << 10 * power for power, letter in enumerate("KMGTP", 1)}
_HUGE_PAGE = re.compile(r"hugetlb\.([0-9]+)([KMG])B\.")
_LONG_MAX = 2**63 - 1
_INT_MAX = 2**31 - 1
_MAX = "max"


def text_of(key: str, value: Value) -> str:
    """The text to write: a line a device where the value is a mapping.

    Raises:
        DesiredStateError: The value is of no such type, negative, or has a newline in it.
    """
    match value:
        case str() | int() | None:
            return _scalar(key, value)
        case Mapping() if value:
            return "\n".join(_line(key, name, inner) for name, inner in sorted(value.items()))
        case Sequence() if value:
            return " ".join(_scalar(key, item) for item in value)
    raise DesiredStateError(
        f"{key}: expected an integer, 'max', None, text like '256M', a tuple or a mapping, "
        f"got {value!r}"
    )


def _line(key: str, name: str, value: Scalar | Mapping[str, Scalar]) -> str:
    if not isinstance(name, str) or not name or any(char.isspace() for char in name):
        raise DesiredStateError(f"{key}: expected a device like '8:0', got {name!r}")
    if not isinstance(value, Mapping):
        return f"{name} {_scalar(key, value)}"
    if not value:
        raise DesiredStateError(f"{key}: nothing is said of {name!r}")
    pairs = []
    for field, inner in value.items():
        if not isinstance(field, str) or not field or any(c.isspace() or c == "=" for c in field):
            raise DesiredStateError(f"{key}: {name}: expected a name like 'rbps', got {field!r}")
        pairs.append(f"{field}={_scalar(key, inner)}")
    return " ".join([name, *pairs])


def _scalar(key: str, value: Scalar) -> str:
    match value:
        case None:
            return _MAX
        case bool():
            return str(int(value))
        case int():
            if value < 0 and key != "cpu.weight.nice":
                raise DesiredStateError(f"{key}: expected zero or more, got {value!r}")
            return str(value)
        case str():
            return _sized(key, value)
    raise DesiredStateError(f"{key}: expected an integer, text, 'max' or None, got {value!r}")


def _sized(key: str, text: str) -> str:
    if any(char in text for char in "\n\0"):
        raise DesiredStateError(f"{key}: a newline or NUL in the value {text!r}")
    size = _SIZE.match(text.strip())
    if not size:
        return text.strip()
    whole, fraction, letter = size.groups()
    scaled = int(whole + (fraction or "")) * _POWERS[letter.upper()]
    count, rest = divmod(scaled, 10 ** len(fraction or ""))
    if rest:
        raise DesiredStateError(f"{key}: {text!r} is not a whole number of bytes")
    return str(count)


def pieces(text: str) -> list[str]:
    """The writes that a text takes: one a line; an empty write would do nothing."""
    return text.split("\n") if text else ["\n"]


def same(key: str, text: str, value: str) -> bool:
    """Whether a value that was read is what that text means, as the kernel rounds and completes it.

    Pages (mm/page_counter.c), `max` for what exceeds all, a cpu.max whose period was not said,
    lines and fields that were not declared, `0,1` as `0-1`.
    """
    if text == value:
        return True
    if _is_keyed(text) or _is_keyed(value):
        return _same_lines(key, text, value)
    wanted, found = text.split(), value.split()
    if key == "cpu.max" and len(wanted) == 1:
        found = found[:1]
    if len(wanted) != len(found):
        return same_ranges(text, value)
    return all(map(lambda one, other: _same_scalar(key, one, other), wanted, found))


def _is_keyed(text: str) -> bool:
    """Whether it has lines of their own names: `8:0 rbps=1`, `default 100`."""
    first = text.split("\n", 1)[0].split()
    return len(first) >= 2 and number(first[0]) is None and first[0] != _MAX


def _same_lines(key: str, text: str, value: str) -> bool:
    declared = _lines(text) if _is_keyed(text) else {"default": {"": text}}
    found = _lines(value)
    return all(
        _same_scalar(key, wanted, found.get(name, {}).get(field, _MAX))
        for name, fields in declared.items()
        for field, wanted in fields.items()
    )


def _lines(text: str) -> dict[str, dict[str, str]]:
    """Fields by line: `8:0 rbps=1` is {"8:0": {"rbps": "1"}}; a bare value has no name."""
    found: dict[str, dict[str, str]] = {}
    for line in text.splitlines():
        name, *fields = line.split() or [""]
        for item in fields:
            field, equals, inner = item.partition("=")
            found.setdefault(name, {})[field if equals else ""] = inner if equals else item
    return found


def _same_scalar(key: str, wanted: str, found: str) -> bool:
    if wanted == found or same_numbers(wanted, found) or same_ranges(wanted, found):
        return True
    goal = number(wanted)
    if goal is None:
        return wanted == _MAX and _is_endless(key, found)
    return found == _rounded(key, goal)


def _is_endless(key: str, found: str) -> bool:
    """Whether it is the largest number, in pages: hugetlb shows that until somebody writes it."""
    return key.startswith("hugetlb.") and number(found) == _LONG_MAX // PAGE_SIZE * PAGE_SIZE


def _rounded(key: str, goal: int) -> str:
    """What the kernel makes of a number."""
    if key.startswith("cgroup.max."):
        return _MAX if goal >= _INT_MAX else str(goal)
    page = _page(key)
    if page is None:
        return str(goal)
    return _MAX if goal // PAGE_SIZE >= _LONG_MAX // PAGE_SIZE else str(goal // page * page)


def _page(key: str) -> int | None:
    """What a size is rounded down to: a page, or a huge one; None for what is no size."""
    huge = _HUGE_PAGE.match(key)
    if huge:
        return int(huge[1]) * _POWERS[huge[2]]
    is_size = key.startswith("memory.") and key.rsplit(".", 1)[-1] in {"max", "high", "low", "min"}
    return PAGE_SIZE if is_size else None


def undo(_key: str, ours: str | None, original: str) -> str:
    """What to write to put the original back: where a file has lines, those that we wrote."""
    if ours is None or not _is_keyed(ours):
        return original
    before = _lines(original)
    lines = []
    for name, fields in _lines(ours).items():
        then = before.get(name, {})
        if "" in fields:
            lines.append(f"{name} {then.get('', 'default')}")
        else:
            lines.append(" ".join([name, *(f"{f}={then.get(f, _MAX)}" for f in fields)]))
    return "\n".join(lines)
