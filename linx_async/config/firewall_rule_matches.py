"""What a rule says of a field: what it is compared with, looked up in, or set to."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, Final, TypeVar

from .._core.errors import DesiredStateError
from ..netfilter.build import Field, Key, Match, Settable, Term, object_reference
from .firewall_rule_fields import Fib, Given, Subject, subject_of
from .firewall_rule_names import Mistake, Notes, bare, verdict_of
from .firewall_rule_values import (
    BITS,
    is_set_name,
    key_value,
    masked,
    source_of,
    unknown,
    value_of,
)
from .problems import Path

__all__ = ["Placed", "terms_of"]

T = TypeVar("T")

Placed = tuple[Path, Term]
"""A match or a statement, and where it is."""

_WORDS: Final = {"==": "eq", "!=": "ne", "<": "lt", "<=": "le", ">": "gt", ">=": "ge", "!": "not"}
"""Signs, and the words that nft takes for them as well."""
_ORDERS: Final[Mapping[str, Callable[[Any, Any], Match]]] = {
    "lt": lambda field, value: field < value,
    "le": lambda field, value: field <= value,
    "gt": lambda field, value: field > value,
    "ge": lambda field, value: field >= value,
}
_MATCHES: Final = ("eq", "ne", *_ORDERS, "not", "in", "not_in")
_DOES: Final = (*_MATCHES, "vmap", "set")
_ROUTES: Final = ("exists", "missing")


def terms_of(
    path: Path, words: str, subject: Subject, value: Any, notes: Notes
) -> Iterator[Placed]:
    """The matches and statements about one field, or several together.

    Args:
        path: Where it is.
        words: What the file calls it.
        subject: It.
        value: What is said of it.
        notes: Where to note what is used, and what is wrong.
    """
    try:
        if isinstance(subject, Given):
            yield path, _given(path, words, subject.kind, value, notes)
        elif isinstance(subject, Fib):
            yield from _of_fib(path, subject, value, notes)
        else:
            yield from _of_key(path, subject, value, notes)
    except Mistake as mistake:
        notes.mistakes.append(mistake)
    except DesiredStateError as error:
        notes.mistakes.append(Mistake(path, str(error)))


def _given(path: Path, words: str, kind: str, value: Any, notes: Notes) -> Term:
    if not isinstance(value, Mapping) or tuple(value) != ("set",):
        raise Mistake(path, f"expected what it is set to, {words.replace(' ', '.')}.set = NAME")
    place = (*path, "set")
    if not isinstance(value["set"], Mapping):
        return object_reference(kind, notes.names.object_name(place, kind, value["set"]))
    named = partial(notes.names.object_name, place, kind)
    return _built(place, None, object_reference, kind, source_of(place, value["set"], notes, named))


def _of_fib(path: Path, subject: Fib, value: Any, notes: Notes) -> Iterator[Placed]:
    if value not in _ROUTES or not subject.field.name.endswith(" oif"):
        yield from _of_key(path, subject.field, value, notes)
    else:
        found = subject.lookup
        yield path, found.exists() if value == "exists" else found.missing()


def _of_key(path: Path, key: Key, value: Any, notes: Notes) -> Iterator[Placed]:
    if not isinstance(value, Mapping):
        yield path, _matched(path, key, "", value, notes)
        return
    whole, idle = key, not value
    for word, inner in value.items():
        place, meant = (*path, word), _WORDS.get(word, word)
        try:
            if word in BITS:
                key, idle = masked(place, key, word, inner), True
            elif meant in _MATCHES:
                idle = False
                yield place, _matched(place, key, meant, inner, notes)
            elif word == "vmap":
                idle = False
                yield place, _vmap(place, key, inner, notes)
            elif word == "set":
                yield place, _set(place, whole, inner, notes)
            else:
                idle = False
                notes.mistakes.append(Mistake(place, _not_known(word)))
        except Mistake as mistake:
            notes.mistakes.append(mistake)
    if idle:
        raise Mistake(path, f"expected what becomes of it: {', '.join(_DOES)}")


def _not_known(word: str) -> str:
    if word == "map":
        return "a map is what something is set to: meta.mark.set = { tcp.dport.map = { … } }"
    return unknown(word, (*_DOES, "and", "or", "xor", *_WORDS))


def _matched(path: Path, key: Key, word: str, value: Any, notes: Notes) -> Match:
    """A match.

    Args:
        path: Where it is.
        key: What is looked at.
        word: How it compares; empty where it is just a value.
        value: What it is compared with.
        notes: Where to note what is used.
    """
    negated = word in ("ne", "not", "not_in")
    if isinstance(value, Mapping):
        raise Mistake(path, f"expected a value, a list of several, or a set, got {value!r:.100}")
    if is_set_name(value) and word not in _ORDERS:
        name = notes.set_name(path, value)
        return _built(path, key, key.not_in_set if negated else key.in_set, name)
    if word in _ORDERS:
        return _built(path, key, _ORDERS[word], key, value_of(value))
    flags = isinstance(key, Field) and key.has_flags
    if isinstance(key, Field) and flags and word in ("", "not"):
        several = value if isinstance(value, list) else [value]
        return _of_several(path, key, key.none_of if negated else key.any_of, several)
    if word in ("in", "not_in") and not isinstance(value, list):
        raise Mistake(path, f'expected a list of values, or "@NAME" of a set, got {value!r:.100}')
    if isinstance(value, list) and not (flags and word in ("eq", "ne")):
        several = [key_value(key, each) for each in value]
        return _of_several(path, key, key.not_in if negated else key.in_, several)
    if isinstance(key, Field):
        return _built(path, key, _compared, key, value_of(value), negated)
    return _built(path, key, key.not_in if negated else key.in_, key_value(key, value))


def _of_several(path: Path, key: Key, make: Callable[..., Match], values: list[Any]) -> Match:
    for number, value in enumerate(values):
        if is_set_name(value):
            raise Mistake((*path, number), f'a set stands alone: "{value}", in no list')
    try:
        return make(*values)
    except DesiredStateError as error:
        for number, value in enumerate(values):
            _built((*path, number), key, make, value)
        raise Mistake(path, _told(error, key)) from None


def _compared(field: Field, value: Any, negated: bool) -> Match:
    found: Match = field != value if negated else field == value
    return found


def _vmap(path: Path, key: Key, verdicts: Any, notes: Notes) -> Term:
    if is_set_name(verdicts):
        return _built(path, key, key.vmap, notes.set_name(path, verdicts))
    if not isinstance(verdicts, Mapping) or not verdicts:
        message = f'expected a table of verdicts, or "@NAME" of a map, got {verdicts!r:.100}'
        raise Mistake(path, message)
    found = {
        key_value(key, each): verdict_of((*path, each), verdict, notes.names)
        for each, verdict in verdicts.items()
    }
    return _built(path, key, key.vmap, found)


def _set(path: Path, key: Key, value: Any, notes: Notes) -> Term:
    if not isinstance(key, Settable):
        raise Mistake(path, f"{key.name} cannot be set")
    known: Any = value_of(value)
    if isinstance(value, Mapping) or _is_field(value):
        known = source_of(path, value, notes, value_of)
    return _built(path, key, key.set, known)


def _is_field(value: Any) -> bool:
    return isinstance(value, str) and isinstance(subject_of(value), Field | Fib)


def _built(path: Path, key: Key | None, make: Callable[..., T], *given: Any) -> T:
    """What a builder makes, or what it says is wrong, at its place."""
    try:
        return make(*given)
    except DesiredStateError as error:
        raise Mistake(path, _told(error, key)) from None


def _told(error: DesiredStateError, key: Key | None) -> str:
    """What a builder says is wrong with a key."""
    name = key.name if isinstance(key, Key) else ""
    message = bare(error, f"{name} vmap", f"{name} map", name)
    if isinstance(key, Field) and key.type.name == "iface_index":
        return f"{message}; {key.name} goes by the index, {key.name}name by the name"
    return message
