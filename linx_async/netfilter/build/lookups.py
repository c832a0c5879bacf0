"""Sets and maps that a rule uses: its own ones, and those of the table."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from ipaddress import IPv4Network, IPv6Network
from typing import TYPE_CHECKING, Any, Final

from ..._core.checks import wrong
from ..desired.datatypes import to_data_type
from ..desired.elements import NOTHING, Elements, Rest
from ..desired.keys import VERDICT, KeyType
from ..desired.names import check_name
from ..desired.objects import object_type_name
from ..desired.sets import Set
from . import ranges, typeof, wire
from .data import data_of_value, data_order

if TYPE_CHECKING:
    from .drafting import Drafting
    from .fields import Field
    from .keys import Key

__all__ = [
    "check_movable",
    "check_named",
    "key_type",
    "load_key",
    "own_map",
    "own_object_map",
    "own_set",
]

_ALL_OTHERS: Final = "*"
_BITS: Final = 6  # of a datatype's number among several (TYPE_BITS in nftables' datatype.h)


def own_set(key: Key, values: Iterable[Any]) -> Set:
    """A set of the rule's own.

    Raises:
        DesiredStateError: A value is wrong.
    """
    given = tuple(values)
    entries = [(_spans(key, value), NOTHING) for value in given]
    interval = _is_interval(entries) or any(_has_prefix(key, value) for value in given)
    if interval and len(key.parts()) == 1:
        entries = ranges.merged(entries)
    userdata = typeof.of_set(key, interval=interval)
    return _made(key, entries, None, interval=interval, userdata=userdata)


def own_map(key: Key, items: Iterable[tuple[Any, Any]], data: str) -> Set:
    """A map of the rule's own.

    Args:
        key: What is looked up.
        items: Keys and what they have.
        data: What that is: nft's name of a datatype, or several, or `verdict`.

    Raises:
        DesiredStateError: A key or a value is wrong.
    """
    what = f"{key.name} map"
    kept = to_data_type(data, what)
    found = [(each, Rest(data=data_of_value(value, data, what))) for each, value in items]
    entries, default = _parted(key, found)
    interval = _is_interval(entries) or any(_has_prefix(key, value) for value, _ in found)
    userdata = typeof.of_map(key, data_order(data), data == "verdict", interval=interval)
    return _made(key, entries, default, interval=interval, userdata=userdata, data=kept)


def own_object_map(key: Key, items: Iterable[tuple[Any, Any]], kind: int) -> Set:
    """A map of the rule's own to stateful objects of a kind.

    Raises:
        DesiredStateError: A key or a name is wrong.
    """
    what = f"{key.name} map to {object_type_name(kind)}"
    found = [(each, Rest(object=check_name(name, what))) for each, name in items]
    entries, default = _parted(key, found)
    interval = _is_interval(entries) or any(_has_prefix(key, value) for value, _ in found)
    userdata = typeof.of_map(key, None, False, interval=interval)
    return _made(key, entries, default, interval=interval, userdata=userdata, objects=kind)


def _parted(key: Key, items: Iterable[tuple[Any, Rest]]) -> tuple[list[ranges.Entry], Rest | None]:
    """The entries of a map, and what there is for all other keys."""
    entries: list[ranges.Entry] = []
    default: Rest | None = None
    for value, rest in items:
        if value == _ALL_OTHERS:
            default = rest
        else:
            entries.append((_spans(key, value), rest))
    if len({spans for spans, _ in entries}) != len(entries):
        raise wrong(key.name, "has something for one value twice")
    return entries, default


def _spans(key: Key, value: Any) -> tuple[tuple[int, int], ...]:
    fields = key.parts()
    for field in fields:
        field.compared()
    if len(fields) == 1:
        return (_moved(fields[0], value),)
    if not isinstance(value, tuple) or len(value) != len(fields):
        raise wrong(key.name, f"expected a tuple of {len(fields)} values, got {value!r:.200}")
    return tuple(field.span(each) for field, each in zip(fields, value, strict=True))


def _moved(field: Field, value: Any) -> tuple[int, int]:
    first, last = field.span(value)
    # A field by itself stays where it is among the bits of its bytes.
    return first << field.shift, last << field.shift


def _has_prefix(key: Key, value: Any) -> bool:
    """Whether a network is among the values of a key: nft takes one of one address for a range."""
    parts = value if len(key.parts()) > 1 and isinstance(value, tuple) else (value,)
    return any(
        isinstance(part, IPv4Network | IPv6Network) or (isinstance(part, str) and "/" in part)
        for part in parts
    )


def _is_interval(entries: Iterable[ranges.Entry]) -> bool:
    return any(first != last for spans, _ in entries for first, last in spans)


def _made(
    key: Key,
    entries: list[ranges.Entry],
    default: Rest | None,
    *,
    interval: bool,
    userdata: bytes,
    data: KeyType | None = None,
    objects: int | None = None,
) -> Set:
    return Set(
        "",
        key_type(key, interval=interval),
        _elements(key, entries, default, interval=interval),
        data=data,
        objects=objects,
        interval=interval,
        constant=True,
        auto_merge=interval and data is None and objects is None,
        userdata=userdata,
    )


def _elements(
    key: Key, entries: list[ranges.Entry], default: Rest | None, *, interval: bool
) -> Elements:
    first, *others = key.parts()
    pack = partial(first.pack, ordered=interval)
    if others:
        packs = [pack, *(partial(field.pack, ordered=interval) for field in others)]
        return ranges.concatenations(entries, packs, default, interval=interval)
    if interval:
        most = (1 << first.length * 8) - 1
        return ranges.intervals(entries, pack, most, default, key.name)
    return ranges.singles(entries, pack, default)


def key_type(key: Key, *, interval: bool) -> KeyType:
    """What the keys of a set are in which it can be looked up."""
    fields = key.parts()
    if len(fields) == 1:
        return KeyType(fields[0].type.number, fields[0].length)
    number = 0
    for field in fields:
        number = number << _BITS | field.type.number
    lengths = tuple(field.length for field in fields)
    return KeyType(number, sum((each + 3) & ~3 for each in lengths), lengths if interval else ())


def load_key(key: Key, used: Set, drafting: Drafting) -> list[wire.Expression]:
    """What puts a key into registers as the set has it; it is made sure that it is there."""
    fields = key.parts()
    starts = [field.located(drafting) for field in fields]
    found: list[wire.Expression] = []
    index = 0
    for field, start in zip(fields, starts, strict=True):
        found += field.loaded(index, start, moved=len(fields) > 1 or not used.is_anonymous)
        if used.interval and field.swaps:
            found.append(wire.to_big_endian(index, field.length))
        index += (field.length + 3) // 4
    return found


def check_named(key: Key, used: Set, data: str | None = None) -> None:
    """Check that a set or map of the table is one of such keys, and of such data.

    Raises:
        DesiredStateError: It is not.
    """
    check_keys(key, used)
    if data is None:
        return
    found = None if used.data is None else (used.data.number, used.data.length)
    kept = VERDICT if data == "verdict" else to_data_type(data, key.name)
    if found != (kept.number, kept.length):
        raise wrong(key.name, f"map {used.name!r} has other data: it should be {data}")


def check_keys(key: Key, used: Set) -> None:
    """Check that a set or map of the table is one of such keys.

    Raises:
        DesiredStateError: It is not.
    """
    for field in key.parts():
        field.compared()
        check_movable(field)
    wanted = key_type(key, interval=used.interval)
    if (used.type.number, used.type.length) != (wanted.number, wanted.length):
        raise wrong(
            key.name,
            f"set {used.name!r} has other keys: they should be"
            f" {' . '.join(field.type.name for field in key.parts())}",
        )


def check_movable(field: Field) -> None:
    """Check that the value of a field can stand by itself in a register.

    Raises:
        DesiredStateError: Its bits lie across two bytes: the kernel shifts numbers of the machine,
            and nft 1.0.6 forgets to turn them.
    """
    if field.shift and field.length > 1:
        raise wrong(
            field.name, "can be compared, but not looked up in a set of the table or concat()"
        )
