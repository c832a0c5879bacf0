"""The elements of a set, as an author writes them down."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence, Sized
from typing import Any, Final

from attrs import evolve, field, frozen

from ..._core.checks import wrong
from .concatenations import to_fields
from .data import to_data
from .datatypes import DataType
from .element import Element
from .elements import CATCHALL, PLAIN, Elements, Rest
from .form import Form, packed
from .keys import KeyType
from .names import check_name
from .quick import quick_keys, quick_ranges
from .ranges import Placed, of_ranges
from .values import to_range

__all__ = ["Entries", "elements_of", "entries_of", "to_elements"]

_ALL_ELSE: Final = "*"
_MOST_KNOWN: Final = 1 << 16
"""So many values of a part of concatenations are looked up rather than read again."""


@frozen
class Entries:
    """What an author wrote, checked as far as it can be without a look at other elements.

    Attributes:
        form: What the elements are like.
        values: The values, in their order.
        rests: What each is besides; None where all are `form.plain`.
        label: What to call the value at a place.
    """

    form: Form
    values: Sequence[Any]
    rests: Sequence[Rest] | None
    label: Callable[[int], str] = field(eq=False)

    def keyed(self) -> dict[bytes, Rest]:
        """Elements of a set whose elements are kept by key."""
        form = self.form
        types = form.types
        found: list[bytes] | None = None
        if types is not None and len(types) == 1:
            found = quick_keys(self.values, types[0], self._key)
        elif types is not None:
            found = self._joined(types)
        keys = [self._key(place) for place in range(len(self.values))] if found is None else found
        if self.rests is None:
            return dict.fromkeys(keys, form.plain)
        made = dict(zip(keys, self.rests, strict=True))
        if len(made) < len(keys):
            self._check_twice(keys, made)
        return made

    def _joined(self, types: tuple[DataType, ...]) -> list[bytes] | None:
        """The keys of concatenations part by part; None where not all are tuples of their parts."""
        if set(map(type, self.values)) != {tuple} or set(map(len, self.values)) != {len(types)}:
            return None
        columns = [
            self._column(values, kind, place)
            for place, (values, kind) in enumerate(
                zip(zip(*self.values, strict=True), types, strict=True), 1
            )
        ]
        firsts = [first for first, _ in columns]
        lasts = [last for _, last in columns] if self.form.interval else []
        return [PLAIN + b"".join(parts) for parts in zip(*firsts, *lasts, strict=True)]

    def _column(
        self, values: tuple[Any, ...], kind: DataType, column: int
    ) -> tuple[list[bytes], list[bytes]]:
        """A part of all keys, of the first key and of the last one of each range."""
        interval, padding = self.form.interval, bytes(-kind.length & 3)
        known: dict[tuple[type, object], tuple[bytes, bytes]] = {}

        def ends(place: int) -> tuple[bytes, bytes]:
            value = values[place]
            plain = isinstance(value, str | int)
            if plain and (found := known.get((type(value), value))) is not None:
                return found
            what = f"{self.label(place)}, part {column}"
            span = to_range(value, kind, what, interval=interval)
            first, last = (packed(each, kind, big=interval) + padding for each in span)
            if plain and len(known) < _MOST_KNOWN:
                known[type(value), value] = first, last
            return first, last

        quick = None if interval else quick_keys(values, kind, lambda at: PLAIN + ends(at)[0])
        if quick is not None:
            end = 1 + kind.length
            parts = [each[1:end] + padding for each in quick]
            return parts, parts
        both = [ends(place) for place in range(len(values))]
        return [first for first, _ in both], [last for _, last in both]

    def _check_twice(self, keys: list[bytes], made: dict[bytes, Rest]) -> None:
        places: dict[bytes, int] = {}
        for place, key in enumerate(keys):
            first = places.setdefault(key, place)
            if first != place and self.rests is not None and self.rests[place] != self.rests[first]:
                raise wrong(
                    self.told(place),
                    f"is declared already, by {self.told(first)}, with something else",
                )

    def ranges(self) -> tuple[list[Placed], Rest | None]:
        """Where ranges begin and end, and what there is for all else."""
        kind, others = self.form.scalar, list[Rest]()

        def one(place: int) -> Placed | None:
            value = self.values[place]
            if value == _ALL_ELSE:
                others.append(self.rest(place))
                return None
            first, last = to_range(value, kind, self.label(place), interval=True)
            return first, -place, last

        found = quick_ranges(self.values, kind, one)
        if found is None:
            several = (one(place) for place in range(len(self.values)))
            found = [each for each in several if each is not None]
        return found, others[0] if others else None

    def rest(self, place: int) -> Rest:
        """What the element at a place is besides its key."""
        return self.form.plain if self.rests is None else self.rests[place]

    def told(self, place: int) -> str:
        """The place of a value, and the value."""
        return f"{self.label(place)}, {self.values[place]!r:.100}"

    def told_of(self, key: bytes) -> str:
        """The same of the first value with that key."""
        return next(
            self.told(place) for place in range(len(self.values)) if self._key(place) == key
        )

    def _key(self, place: int) -> bytes:
        """The key of the element at a place."""
        value, form = self.values[place], self.form
        if isinstance(value, str) and value == _ALL_ELSE:
            return CATCHALL
        what, types = self.label(place), form.types
        if types is None:
            if isinstance(value, bytes) and len(value) == form.key.length:
                return PLAIN + value + (value if form.key.fields else b"")
            number, length = form.key.number, form.key.length
            raise wrong(what, f"expected {length} bytes of datatype {number}, got {value!r:.100}")
        fields = to_fields(value, types, what, interval=form.interval)
        if len(types) == 1:
            return PLAIN + packed(fields[0][0], types[0], big=False)
        ends = (0, 1) if form.interval else (0,)
        parts = [
            packed(each[end], kind, big=form.interval)
            for end in ends
            for each, kind in zip(fields, types, strict=True)
        ]
        return PLAIN + b"".join(part + bytes(-len(part) & 3) for part in parts)


def to_elements(
    value: Any,
    key: KeyType,
    data: KeyType | None,
    objects: int | None,
    *,
    interval: bool,
    auto_merge: bool = False,
    timeouts: bool = False,
    timeout_ms: int | None = None,
    expressions: bytes = b"",
) -> Elements:
    """Elements of what an author wrote.

    Args:
        value: The elements.
        key: What their keys are.
        data: What a map has for each; None for a set.
        objects: Of which kind the objects are that a map has for each; None where it has none.
        interval: Whether they may be ranges.
        auto_merge: Whether ranges that touch are joined.
        timeouts: Whether they may have a time to go.
        timeout_ms: The time that they have where they do not say.
        expressions: The statements that each has.

    Raises:
        DesiredStateError: One is wrong; the message says which.
    """
    if isinstance(value, Elements):
        return value
    if isinstance(value, Sized) and not isinstance(value, str | bytes) and not len(value):
        return Elements()
    form = Form(key, data, objects, interval, auto_merge, timeouts, timeout_ms, expressions)
    return Elements(elements_of(entries_of(value, form)))


def elements_of(entries: Entries) -> dict[bytes, Rest]:
    """The elements of a set that has these entries and no others.

    Raises:
        DesiredStateError: One is wrong, or overlaps another.
    """
    form = entries.form
    if not form.in_ranges:
        return entries.keyed()
    kind = form.scalar
    found, other = entries.ranges()
    merge = form.auto_merge and not form.is_map
    made = of_ranges(found, entries.rests, form.plain, kind.length, kind.most, merge, entries.told)
    if other is not None:
        made[CATCHALL] = other
    return made


def entries_of(value: Any, form: Form, what: str = "elements") -> Entries:
    """What an author wrote, as values and what each is besides.

    Raises:
        DesiredStateError: It is no list or mapping, or an element has what it cannot have.
    """
    if isinstance(value, str | bytes) or not isinstance(value, Iterable):
        raise wrong(what, f"expected a list or a mapping of elements, got {value!r:.100}")
    if isinstance(value, Mapping):
        values = list(value)
        rests = _Rests(form)
        listed = [rests.of(besides, f"{what}[{key!r:.100}]") for key, besides in value.items()]
        for key, besides in value.items():
            if isinstance(besides, Element) and besides.value is not None:
                raise wrong(f"{what}[{key!r:.100}].value", "is given already, as the key")
        return Entries(form, values, listed, lambda place: f"{what}[{values[place]!r:.100}]")
    values = list(value)
    if not form.is_map and Element not in set(map(type, values)):
        return Entries(form, values, None, lambda place: f"{what}[{place}]")
    rests = _Rests(form)
    listed = [
        rests.of(each if isinstance(each, Element) else None, f"{what}[{place}]")
        for place, each in enumerate(values)
    ]
    values = [each.value if isinstance(each, Element) else each for each in values]
    return Entries(form, values, listed, lambda place: f"{what}[{place}]")


class _Rests:
    """What elements are besides their keys; the same for the same, of which there are many."""

    def __init__(self, form: Form) -> None:
        self._form = form
        self._data: dict[tuple[type, Any], Rest] = {}

    def of(self, value: Any, what: str) -> Rest:
        """What an element is besides, of an `Element`, or of what a map has for it."""
        form = self._form
        said = value if isinstance(value, Element) else None
        plain = form.plain
        if form.is_map:
            plain = self._mapped(value if said is None else said.data, what)
        elif said is None:
            if value is not None:
                raise wrong(what, f"a set has nothing for its elements, got {value!r:.100}")
        elif said.data is not None:
            raise wrong(f"{what}.data", "a set has none; a map has, by data= or objects=")
        if said is None:
            return plain
        time = said.timeout_ms
        if time is not None and not form.timeouts:
            raise wrong(f"{what}.timeout_ms", "needs a set with timeouts=True")
        if time is None and said.comment is None:
            return plain
        time = None if time == form.timeout_ms else time
        return evolve(plain, timeout_ms=time, comment=said.comment)

    def _mapped(self, value: Any, what: str) -> Rest:
        if value is None:
            raise wrong(what, "a map needs something for each key: write {key: data}")
        known = (type(value), value)
        try:
            return self._data[known]
        except (KeyError, TypeError):
            rest = self._new(value, what)
        if type(value).__hash__ is not None and isinstance(value, str | int | bytes):
            self._data[known] = rest
        return rest

    def _new(self, value: Any, what: str) -> Rest:
        if self._form.data is None:
            return evolve(self._form.plain, object=check_name(value, what))
        return evolve(self._form.plain, data=to_data(value, self._form.data, what))
