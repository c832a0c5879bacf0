"""Cgroup limits: from Python to the text that is written, and when two texts are the same."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import TypeAlias

from .._core.errors import DesiredStateError
from .._flat.values import encodable, number, same_numbers, same_ranges
from .._kernel.cgroupfs import PAGE_SIZE

__all__ = ["Scalar", "Value", "left_out", "pieces", "same", "text_of", "undo"]

Scalar: TypeAlias = int | bool | str | None
"""A limit: an integer, a flag, `"max"` or None for max, or text like `"256M"`."""
Value: TypeAlias = Scalar | Sequence[Scalar] | Mapping[str, "Scalar | Mapping[str, Scalar]"]
"""What an interface file may be set to.

A scalar; several, as cpu.max wants them; or a mapping, for files with a line a device: to a scalar
(`io.weight`), or to another mapping (`io.max`).
"""

_SIZE = re.compile(r"(?<![^\s=])([0-9]+)(?:\.([0-9]+))?([KMGTP])(?:i?B)?(?!\S)", re.IGNORECASE)
_POWERS: dict[str, int] = {letter: 1 << 10 * power for power, letter in enumerate("KMGTP", 1)}
_DIGITS = re.compile(r"(?<![^\s=])[0-9]+(?!\S)")
_DECIMAL = re.compile(r"[0-9]{1,20}(?:\.[0-9]{1,20})?\Z")
_HUGE_PAGE = re.compile(r"hugetlb\.([0-9]+)([KMG])B\.")
_MOST = 2**64 - 1
_LONG_MAX = 2**63 - 1
_INT_MAX = 2**31 - 1
_UINT_MAX = 2**32 - 1
_MAX = "max"
_WITH_FRACTIONS = ("cpu.uclamp.", "io.cost.")
_AS_MAX = {
    "cgroup.max.depth": _INT_MAX,
    "cgroup.max.descendants": _INT_MAX,
    "cpu.uclamp.max": 100,
    "cpu.uclamp.min": 100,
    "io.latency target": 0,
    "io.max rbps": _MOST,
    "io.max riops": _UINT_MAX,
    "io.max wbps": _MOST,
    "io.max wiops": _UINT_MAX,
}
"""The number that the kernel shows as `max`, by key and field."""


def text_of(key: str, value: Value) -> str:
    """The text to write: a line a device where the value is a mapping.

    Raises:
        DesiredStateError: The value is of no such type, negative, larger than the kernel's
            numbers, empty, or has a newline in it.
    """
    match value:
        case str() | int() | None:
            return _scalar(key, value)
        case bytes() | bytearray() | memoryview():
            pass
        case Mapping() if value:
            return "\n".join(_line(key, name, inner) for name, inner in sorted(value.items()))
        case Sequence() if value:
            return " ".join(_scalar(key, item) for item in value)
    raise DesiredStateError(
        f"{key}: expected an integer, 'max', None, text like '256M', a tuple or a mapping, "
        f"got {value!r}"
    )


def _line(key: str, name: str, value: Scalar | Mapping[str, Scalar]) -> str:
    if not _is_word(name):
        raise DesiredStateError(f"{key}: expected a device like '8:0', got {name!r}")
    if not isinstance(value, Mapping):
        return f"{name} {_scalar(key, value)}"
    if not value:
        raise DesiredStateError(f"{key}: nothing is said of {name!r}")
    pairs = []
    for field, inner in value.items():
        if not _is_word(field) or "=" in field:
            raise DesiredStateError(f"{key}: {name}: expected a name like 'rbps', got {field!r}")
        pairs.append(f"{field}={_scalar(key, inner)}")
    return " ".join([name, *pairs])


def _is_word(name: object) -> bool:
    """Whether a mapping's key may be part of a line."""
    return (
        isinstance(name, str)
        and name != ""
        and not any(char.isspace() or char == "\0" for char in name)
        and encodable(name)
    )


def _scalar(key: str, value: Scalar) -> str:
    match value:
        case None:
            return _MAX
        case bool():
            return str(int(value))
        case int():
            if value < 0 and key != "cpu.weight.nice":
                raise DesiredStateError(f"{key}: expected zero or more, got {value!r}")
            # Python refuses to print integers of thousands of digits.
            return _checked_number(key, str(int(min(value, _MOST**2))))
        case str():
            return _sized(key, value)
    raise DesiredStateError(f"{key}: expected an integer, text, 'max' or None, got {value!r}")


def _sized(key: str, text: str) -> str:
    if any(char in text for char in "\n\0"):
        raise DesiredStateError(f"{key}: a newline or NUL in the value {text!r}")
    if not encodable(text):
        raise DesiredStateError(f"{key}: the value {text!r} cannot be encoded")
    # Most files take an empty text for 0; those of cpuset take it for none of their own.
    if not text.strip() and not key.startswith("cpuset."):
        raise DesiredStateError(f"{key}: expected a value, got {text!r}")
    return _checked_number(key, _SIZE.sub(lambda size: _in_bytes(key, size), text.strip()))


def _in_bytes(key: str, size: re.Match[str]) -> str:
    whole, fraction, letter = size.groups()
    scaled = int(whole + (fraction or "")) * _POWERS[letter.upper()]
    count, rest = divmod(scaled, 10 ** len(fraction or ""))
    if rest:
        raise DesiredStateError(f"{key}: {size[0]!r} is not a whole number of bytes")
    return str(count)


def _checked_number(key: str, text: str) -> str:
    for digits in _DIGITS.findall(text):
        # The kernel would drop the upper bits (lib/cmdline.c, memparse): 2^64 bytes would be 0.
        if len(digits) > len(str(_MOST)) or int(digits) > _MOST:
            raise DesiredStateError(f"{key}: expected at most {_MOST} (2^64-1), got {digits}")
    return text


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
    if key.startswith("cpuset."):
        return same_ranges(",".join(text.replace(",", " ").split()), value)
    if _is_keyed(key, text) or _is_keyed(key, value):
        return _same_lines(key, text, value)
    wanted, found = text.split(), value.split()
    if key == "cpu.max" and len(wanted) == 1:
        found = found[:1]
    if len(wanted) != len(found):
        return False
    return all(map(lambda one, other: _same_scalar(key, one, other), wanted, found))


def _is_keyed(key: str, text: str) -> bool:
    """Whether it has lines of their own names: `8:0 rbps=1`, `default 100`."""
    if key.startswith("cpuset."):
        return False
    first = text.split("\n", 1)[0].split()
    return len(first) >= 2 and number(first[0]) is None and first[0] != _MAX


def _same_lines(key: str, text: str, value: str) -> bool:
    found = _lines(key, value)
    return all(
        _same_scalar(f"{key} {field}".rstrip(), wanted, _said(found, name, field))
        for name, fields in _lines(key, text).items()
        for field, wanted in fields.items()
    )


def _lines(key: str, text: str) -> dict[str, dict[str, str]]:
    """`8:0 rbps=1 wbps=max` as {'8:0': {'rbps': '1', …}}, `default 100` as {'default': {'': …}}.

    A lone `100` is the default too.
    """
    found: dict[str, dict[str, str]] = {}
    for line in text.splitlines() if _is_keyed(key, text) else [f"default {text}"]:
        name, *fields = line.split() or [""]
        for item in fields:
            field, equals, inner = item.partition("=")
            found.setdefault(name, {})[field if equals else ""] = inner if equals else item
    return found


def _said(lines: Mapping[str, Mapping[str, str]], name: str, field: str) -> str:
    """What is said of a device; where nothing is, it has no limit, or the default."""
    unsaid = _MAX if field else "default" if name != "default" else ""
    return lines.get(name, {}).get(field, unsaid)


def _same_scalar(what: str, wanted: str, found: str) -> bool:
    if wanted == found or same_numbers(wanted, found):
        return True
    if what.startswith(_WITH_FRACTIONS) and _DECIMAL.match(wanted) and _DECIMAL.match(found):
        return Decimal(wanted) == Decimal(found)
    goal = number(wanted)
    if goal is None:
        return wanted == _MAX and _is_endless(what, found)
    return found == _rounded(what, goal)


def _is_endless(key: str, found: str) -> bool:
    """Until somebody writes it, hugetlb shows the largest number, in pages."""
    return key.startswith("hugetlb.") and number(found) == _LONG_MAX // PAGE_SIZE * PAGE_SIZE


def _rounded(what: str, goal: int) -> str:
    """What the kernel makes of a number."""
    if what in {"io.max riops", "io.max wiops"}:
        goal = min(goal, _UINT_MAX)
    if goal == _AS_MAX.get(what):
        return _MAX
    page = _page(what)
    if page is None:
        return str(goal)
    return _MAX if goal // page >= _LONG_MAX // page else str(goal // page * page)


def _page(key: str) -> int | None:
    """What a size is rounded down to: a page, or a huge one; None for what is no size."""
    huge = _HUGE_PAGE.match(key)
    if huge:
        return int(huge[1]) * _POWERS[huge[2]]
    is_size = key.startswith("memory.") and key.rsplit(".", 1)[-1] in {"max", "high", "low", "min"}
    return PAGE_SIZE if is_size else None


def undo(key: str, ours: str | None, original: str) -> str:
    """What to write to put the original back: where a file has lines, those that we wrote."""
    if ours is None or not (_is_keyed(key, ours) or _is_keyed(key, original)):
        return original
    before = _lines(key, original)
    return _text(
        {
            name: {field: _said(before, name, field) for field in fields}
            for name, fields in _lines(key, ours).items()
        }
    )


def left_out(key: str, ours: str, text: str, value: str) -> str:
    """The lines, and fields, that we wrote, that a new text leaves out, and that are still ours."""
    if not _is_keyed(key, ours):
        return ""
    still, found = _lines(key, text), _lines(key, value)
    left = {
        name: {
            field: wanted
            for field, wanted in fields.items()
            if field not in still.get(name, {})
            and _same_scalar(f"{key} {field}".rstrip(), wanted, _said(found, name, field))
        }
        for name, fields in _lines(key, ours).items()
    }
    return _text({name: fields for name, fields in left.items() if fields})


def _text(lines: Mapping[str, Mapping[str, str]]) -> str:
    return "\n".join(
        " ".join([name, *(f"{f}={v}" if f else v for f, v in fields.items())])
        for name, fields in lines.items()
    )
