"""Values in a rule: of fields, of maps, and of what is set to another field."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from .._core.errors import DesiredStateError
from ..netfilter.build import Concatenation, Field, Key, Mapped
from .firewall_rule_fields import Fib, Subject, begins, next_words, subject_of
from .firewall_rule_names import Mistake, Notes, bare
from .problems import Path
from .reading import closest

__all__ = [
    "BITS",
    "is_set_name",
    "key_value",
    "masked",
    "source_of",
    "unknown",
    "value_of",
    "walked",
]

BITS: Final[Mapping[str, Callable[[Field, Any], Field]]] = {
    "and": lambda field, value: field & value,
    "&": lambda field, value: field & value,
    "or": lambda field, value: field | value,
    "|": lambda field, value: field | value,
    "xor": lambda field, value: field ^ value,
    "^": lambda field, value: field ^ value,
}
"""What changes the bits of a field before it is looked at, by nft's words."""
_JOINED: Final = " . "


def is_set_name(value: Any) -> bool:
    """Whether it stands for a set of the table."""
    return isinstance(value, str) and value.startswith("@")


def value_of(value: Any) -> Any:
    """A value as the builders have it: what is several together is a tuple."""
    return tuple(map(value_of, value)) if isinstance(value, list) else value


def key_value(key: Key, value: Any) -> Any:
    """One value of a key; of several fields as an array, or as text with ` . ` in between."""
    if isinstance(key, Concatenation) and isinstance(value, str) and value != "*":
        return tuple(part.strip() for part in value.split(_JOINED))
    return value_of(value)


def masked(path: Path, field: Key, word: str, value: Any) -> Field:
    """A field, some of its bits changed.

    Raises:
        Mistake: It has none, or the value is wrong.
    """
    if not isinstance(field, Field):
        raise Mistake(path, f"{word!r} is for one field, and {field.name} is several")
    try:
        return BITS[word](field, value_of(value))
    except DesiredStateError as error:
        raise Mistake(path, bare(error, field.name)) from None


def walked(path: Path, words: str, value: Any) -> Iterator[tuple[Path, str, Subject, Any]]:
    """What nested tables are about, key by key: `{tcp = {dport = 22}}` is about `tcp dport`.

    Args:
        path: Where the value is.
        words: The words that lead to it.
        value: It.

    Raises:
        Mistake: A word leads nowhere.
    """
    try:
        subject = subject_of(words) if words else None
    except DesiredStateError as error:
        raise Mistake(path, str(error)) from None
    if subject is not None:
        yield path, words, subject, value
        return
    if words and not begins(words):
        *before, last = words.split()
        raise Mistake(path, unknown(last, next_words(" ".join(before))))
    if not isinstance(value, Mapping) or not value:
        known = ", ".join(next_words(words))
        raise Mistake(path, f"expected a table with one of {known}; got {value!r:.100}")
    for key, inner in value.items():
        if not key.strip():
            raise Mistake((*path, key), unknown(key, next_words(words)))
        yield from walked((*path, key), f"{words} {key}".strip(), inner)


def unknown(word: str, known: tuple[str, ...]) -> str:
    """What to say of a word that is none of those known."""
    near = closest(word, known)
    return f"unknown; did you mean {near}?" if near else f"unknown; known are {', '.join(known)}"


def source_of(path: Path, value: Any, notes: Notes, data: Callable[[Any], Any]) -> Field | Mapped:
    """What something is set to that is not a value: another field, or what a map has.

    Args:
        path: Where it is.
        value: nft's words for a field; or a table of one field, with `and`, `or` and `xor`, or
            with `map`.
        notes: Where to note what is used.
        data: Makes what the map has of what stands there.

    Raises:
        Mistake: It is neither.
    """
    found = list(walked(path, "", value)) if isinstance(value, Mapping) else []
    if isinstance(value, str):
        found = list(walked(path, value, {})) if subject_of(value) is not None else []
    if len(found) != 1:
        raise Mistake(path, f"expected one field, with and, or, xor or map; got {value!r:.100}")
    place, words, subject, does = found[0]
    key = subject.field if isinstance(subject, Fib) else subject
    if not isinstance(key, Key):
        raise Mistake(place, f"{words} is nothing to look at")
    if not isinstance(does, Mapping):
        raise Mistake(place, f"expected a table with and, or, xor or map; got {does!r:.100}")
    mapped: Mapped | None = None
    for word, inner in does.items():
        inside = (*place, word)
        if mapped is not None or word not in {*BITS, "map"}:
            raise Mistake(inside, unknown(word, ("and", "or", "xor", "map")))
        if word == "map":
            mapped = _mapped(inside, key, inner, notes, data)
        else:
            key = masked(inside, key, word, inner)
    if mapped is not None:
        return mapped
    if not isinstance(key, Field):
        raise Mistake(place, "several fields together need a map")
    return key


def _mapped(path: Path, key: Key, values: Any, notes: Notes, data: Callable[[Any], Any]) -> Mapped:
    try:
        if is_set_name(values):
            return key.map(notes.set_name(path, values))
        if not isinstance(values, Mapping) or not values:
            raise Mistake(path, f'expected a table, or "@NAME" of a map, got {values!r:.100}')
        return key.map({key_value(key, each): data(it) for each, it in values.items()})
    except DesiredStateError as error:
        raise Mistake(path, bare(error, f"{key.name} map", key.name)) from None
