"""From a table or a short array of the file to the value that it stands for."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any, Final, Protocol

from attrs import define, field

from .._core.errors import DesiredStateError
from .problems import Path, dotted
from .reading import closest

__all__ = ["Find", "Shape"]


class Find(Protocol):
    """Notes what is wrong."""

    def __call__(self, path: Path, message: str, lacking: str = "") -> None:
        """Note it.

        Args:
            path: Where it is.
            message: What it is.
            lacking: The field that is not there, and had better be.
        """


_FOR_ALL: Final = "protocol"
_OBSERVED: Final = frozenset({"flags", "unknown", "encap", _FOR_ALL})
"""Fields of what the kernel shows, and bytes, which a file has not, or not in each entry."""
_LEANED_ON: Final = frozenset(
    {
        *("kind", "prefix_length", "valid_lifetime", "gateway", "interface", "nexthops", "family"),
        *("nexthop_id", "type", "table", "action", "goto", "fwmark", "l3mdev", "source"),
        *("destination", "proxy", "lladdr", "blackhole", "group"),
    }
)
"""Fields that the checks of others look at: without one of them, another may seem to be wrong."""
_SUBJECT: Final = re.compile(r"(\w+)((?:\[\d+\])*): (.*)", re.DOTALL)


@define
class Shape:
    """What an entry may say.

    Attributes:
        kind: The class of the value.
        nested: Shapes of the entries of fields that are lists, by field.
        without: Fields that a file has not.
    """

    kind: Callable[..., Any]
    nested: Mapping[str, Shape] = field(factory=dict)
    without: Collection[str] = _OBSERVED
    _parameters: Mapping[str, inspect.Parameter] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._parameters = {
            name: parameter
            for name, parameter in inspect.signature(self.kind).parameters.items()
            if name not in self.without
        }

    @property
    def fields(self) -> tuple[str, ...]:
        """The names of its fields."""
        return tuple(self._parameters)

    @property
    def positional(self) -> tuple[str, ...]:
        """The names of those that an array has, in their order."""
        return tuple(
            name
            for name, parameter in self._parameters.items()
            if parameter.kind is parameter.POSITIONAL_OR_KEYWORD
        )

    def of_entry(
        self, path: Path, entry: Any, find: Find, given: Mapping[str, Any]
    ) -> Iterator[Any]:
        """The value of a table, of an array of the first fields, or of the first field alone.

        Args:
            path: Where it is.
            entry: It.
            find: What notes what is wrong.
            given: The fields that are known from where it stands.
        """
        first = [name for name in self.positional if name not in given]
        if isinstance(entry, Mapping):
            yield from self.of_table(path, entry, find, given)
        elif isinstance(entry, list | str):
            values = entry if isinstance(entry, list) else [entry]
            if len(values) > len(first):
                find(path, f"expected at most {len(first)}: [{', '.join(first)}]; or a table")
            else:
                fields = dict(zip(first, values, strict=False))
                yield from self.of_table(path, fields, find, given)
        else:
            find(path, f"expected a table, or an array [{', '.join(first)}], got {entry!r}")

    def of_table(
        self,
        path: Path,
        table: Mapping[str, Any],
        find: Find,
        given: Mapping[str, Any],
        more: Collection[str] = (),
    ) -> Iterator[Any]:
        """The value of a table; nothing where something is wrong with it.

        Args:
            path: Where it is.
            table: It.
            find: What notes what is wrong.
            given: The fields that are known from where it stands.
            more: What else may be in it.
        """
        known = [name for name in self._parameters if name not in given]
        strangers = [name for name in table if name not in known]
        for name in strangers:
            find((*path, name), _unknown((*path, name), table[name], (*known, *more)))
        missing = [name for name in known if self.needs(name) and name not in table]
        if missing:
            meant = {closest(name, known) for name in strangers}
            untold = [name for name in missing if name not in meant]
            if untold:
                find(path, f"lacks {' and '.join(untold)}")
            return
        fields = {name: table[name] for name in table if name in known}
        if self._with_nested(path, fields, find):
            value = self._made(path, fields, find, given, surely=not strangers)
            if value is not None and not strangers:
                yield value

    def _made(
        self,
        path: Path,
        fields: dict[str, Any],
        find: Find,
        given: Mapping[str, Any],
        *,
        surely: bool,
    ) -> Any:
        """The value of fields that are known; None where something is wrong.

        All that is wrong is told: each field that stands alone is left out once it was told.
        """
        right = True
        while True:
            try:
                value = self.kind(**{**given, **{n: _frozen(v) for n, v in fields.items()}})
            except DesiredStateError as error:
                name, places, message = _told(str(error), self._parameters)
                if name in fields:
                    find((*path, name, *places), message)
                elif surely:  # else it may be there under a name that is not known
                    find(path, message, name)
                if name not in fields or not self._stands_alone(name):
                    return None
                right = False
                del fields[name]
            else:
                return value if right else None

    def _with_nested(self, path: Path, fields: dict[str, Any], find: Find) -> bool:
        """Put values in the place of the entries of lists; tells whether all is well with them."""
        for name in self.nested.keys() & fields.keys():
            entries = fields[name]
            if not isinstance(entries, list):
                find((*path, name), f"expected a list, got {entries!r}")
                return False
            fields[name] = list(self._made_nested((*path, name), entries, find))
            if len(fields[name]) != len(entries):
                return False
        return True

    def _made_nested(self, path: Path, entries: list[Any], find: Find) -> Iterator[Any]:
        shape = self.nested[str(path[-1])]
        for number, entry in enumerate(entries):
            yield from shape.of_entry((*path, number), entry, find, {})

    def needs(self, name: str) -> bool:
        """Whether a field has to be said."""
        return self._parameters[name].default is inspect.Parameter.empty

    def _stands_alone(self, name: str) -> bool:
        return not self.needs(name) and name not in _LEANED_ON


def _told(message: str, known: Collection[str]) -> tuple[str, list[int], str]:
    """The field that an error is about, empty where it is about all; where in it; what it says."""
    found = _SUBJECT.fullmatch(message)
    if found is None or found[1] not in known:
        return "", [], message
    return found[1], [int(place) for place in re.findall(r"\d+", found[2])], found[3]


def _unknown(path: Path, value: Any, known: Collection[str]) -> str:
    name = str(path[-1])
    if name == _FOR_ALL and path[0] == "rtnl":
        return "one tag goes for all: [{above}rtnl] protocol"
    near = closest(name, known)
    if near is not None:
        return f"unknown field; did you mean {near}?"
    if isinstance(value, Mapping) and path[-3:-2] == ("links",):
        whole = dotted((*path[:-2], f"{path[-2]}.{name}"))
        return f"unknown field; a name with a dot in it is quoted: [{{above}}{whole}]"
    return f"unknown field; known are {', '.join(known)}"


def _frozen(value: Any) -> Any:
    """A value with tuples in the place of lists, as the constructors have them."""
    if isinstance(value, list):
        return tuple(map(_frozen, value))
    return value
