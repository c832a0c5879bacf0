"""TOML text of values: keys, strings, arrays and tables, all escaped."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from .._core.errors import DesiredStateError

__all__ = [
    "comment",
    "dotted_key",
    "entries",
    "header",
    "key_text",
    "long_text",
    "setting",
    "toml",
    "value_text",
]

_BARE: Final = re.compile(r"[A-Za-z0-9_-]+")
_ESCAPES: Final = {
    **{code: f"\\u{code:04X}" for code in (*range(0x20), 0x7F)},
    ord('"'): '\\"',
    ord("\\"): "\\\\",
    8: "\\b",
    9: "\\t",
    10: "\\n",
    12: "\\f",
    13: "\\r",
}
"""What a basic string cannot have as it is (TOML 1.0, String)."""
_IN_LONG: Final = {**_ESCAPES, 10: "\n", ord('"'): '"'}
_NOT_LITERAL: Final = re.compile(r"'''|'\Z|[\x00-\x08\x0b-\x1f\x7f]")
_LARGEST: Final = 1 << 63
"""Integers of more bits need not be read by others (TOML 1.0, Integer)."""


def key_text(name: str) -> str:
    """A key, in quotes where it needs them.

    Raises:
        DesiredStateError: It is no Unicode text.
    """
    return name if _BARE.fullmatch(name) else _string(name)


def dotted_key(name: str) -> str:
    """A key with dots in it: without quotes where each of its parts needs none.

    Raises:
        DesiredStateError: It is no Unicode text.
    """
    return name if all(map(_BARE.fullmatch, name.split("."))) else _string(name)


def value_text(value: Any) -> str:
    """A value on one line: text, a number, a flag, a list or a table of those.

    Raises:
        DesiredStateError: TOML has no such value.
    """
    match value:
        case bool():
            return "true" if value else "false"
        case int() if -_LARGEST <= value < _LARGEST:
            return str(int(value))
        case float() if math.isfinite(value):
            return repr(float(value))
        case float():
            return str(float(value))
        case str():
            return _string(value)
        case Mapping():
            inner = ", ".join(setting(name, each) for name, each in value.items())
            return f"{{ {inner} }}" if inner else "{}"
        case bytes() | bytearray() | memoryview():
            pass
        case Sequence():
            return f"[{', '.join(map(value_text, value))}]"
    raise DesiredStateError(f"TOML has no value like {value!r:.200}")


def setting(name: str, value: Any) -> str:
    """A key with its value, on one line.

    Raises:
        DesiredStateError: TOML has no such key or value.
    """
    return f"{key_text(name)} = {value_text(value)}"


def header(path: Sequence[str]) -> str:
    """The header of a table.

    Raises:
        DesiredStateError: A key is no Unicode text.
    """
    return f"[{'.'.join(map(key_text, path))}]"


def long_text(name: str, text: str) -> str:
    """A key with text of several lines, as it is where TOML allows it.

    Raises:
        DesiredStateError: It is no Unicode text.
    """
    _check(text)
    if _NOT_LITERAL.search(text) is None:
        return f"{key_text(name)} = '''\n{text}'''"
    escaped = text.translate(_IN_LONG).replace('"""', '""\\"')
    if escaped.endswith('"'):
        escaped = f'{escaped[:-1]}\\"'
    return f'{key_text(name)} = """\n{escaped}"""'


def comment(text: str) -> list[str]:
    """Lines of comment; what a comment cannot have is escaped."""
    return [f"# {_shown(line)}".rstrip() for line in text.split("\n")]


def entries(name: str, items: Sequence[tuple[Any, str]]) -> list[str]:
    """The lines of a list with an entry a line, each with a remark, which may be empty.

    Raises:
        DesiredStateError: TOML has no such value.
    """
    lines = [f"{key_text(name)} = ["]
    for value, remark in items:
        said = f"  # {_shown(remark)}" if remark else ""
        lines.append(f"  {value_text(value)},{said}")
    return [*lines, "]"]


def toml(document: Mapping[str, Any]) -> str:
    """The text of a whole document.

    Raises:
        DesiredStateError: TOML has no such key or value.
    """
    return "\n".join([*_table((), document), ""])


def _table(path: tuple[str, ...], table: Mapping[str, Any]) -> Iterator[str]:
    inner = {name: value for name, value in table.items() if isinstance(value, Mapping)}
    if path and (len(inner) < len(table) or not table):
        yield header(path)
    for name, value in table.items():
        if name not in inner:
            yield setting(name, value)
    for name, value in inner.items():
        yield from _table((*path, name), value)


def _string(text: str) -> str:
    _check(text)
    return f'"{text.translate(_ESCAPES)}"'


def _check(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise DesiredStateError(f"TOML is UTF-8, and has no way to say {text!r:.200}") from None


def _shown(text: str) -> str:
    clean = text.encode("utf-8", "backslashreplace").decode()
    return "".join(
        char if char.isprintable() or char == "\t" else repr(char)[1:-1] for char in clean
    )
