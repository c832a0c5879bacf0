"""The statements of a rule: what it does besides matching, each by nft's word for it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial, wraps
from typing import Any, Final

from attrs import Factory, field, frozen

from .._core.errors import DesiredStateError
from ..netfilter import build
from ..netfilter.build import Mapped, Term
from .entries import Shape
from .firewall_rule_names import Mistake, Notes, bare, verdict_of
from .firewall_rule_values import is_set_name, source_of, unknown, value_of
from .problems import Path

__all__ = ["STATEMENTS", "statement_of"]

_PORTS: Final = re.compile(r":?(\d{1,9})(?:-(\d{1,9}))?", re.ASCII)
_QUEUES: Final = re.compile(r"\Aqueue (?:number|last): ")
_WITH_PORTS: Final = re.compile(r"(?:\[([^\]]+)\]|([^:\[\]]+)):(\d.*)", re.DOTALL)


def _ports(value: Any, what: str) -> Any:
    """Ports as the builders have them: from `80`, `"80-90"`, `":80"` as well."""
    found = _PORTS.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        if isinstance(value, str):
            raise DesiredStateError(f"{what}: expected a port, or two as 80-90, got {value!r:.100}")
        return value
    return int(found[1]) if found[2] is None else (int(found[1]), int(found[2]))


def _log(
    prefix: str | None = None,
    level: str | None = None,
    flags: str | Iterable[str] = (),
    group: int | None = None,
    snaplen: int | None = None,
    queue_threshold: int | None = None,
) -> Term:
    if not isinstance(flags, str | tuple):
        raise DesiredStateError(f"flags: expected a list of words, got {flags!r:.100}")
    return build.log(
        prefix,
        level=level,
        flags=(flags,) if isinstance(flags, str) else flags,
        group=group,
        snaplen=snaplen,
        queue_threshold=queue_threshold,
    )


def _masquerade(
    to: Any = None,
    port: Any = None,
    random: bool = False,
    fully_random: bool = False,
    persistent: bool = False,
) -> Term:
    return build.masquerade(
        port=_one_port(to, port), random=random, fully_random=fully_random, persistent=persistent
    )


def _redirect(
    to: Any = None, port: Any = None, random: bool = False, persistent: bool = False
) -> Term:
    return build.redirect(_one_port(to, port), random=random, persistent=persistent)


def _one_port(to: Any, port: Any) -> Any:
    if to is not None and port is not None:
        raise DesiredStateError("port: give either to or port")
    return _ports(port, "port") if to is None else _ports(to, "to")


def _snat(
    to: Any,
    port: Any = None,
    random: bool = False,
    fully_random: bool = False,
    persistent: bool = False,
) -> Term:
    address, ports = _addresses(to, port)
    return build.snat(
        address, port=ports, random=random, fully_random=fully_random, persistent=persistent
    )


def _dnat(to: Any, port: Any = None, random: bool = False, persistent: bool = False) -> Term:
    address, ports = _addresses(to, port)
    return build.dnat(address, port=ports, random=random, persistent=persistent)


def _addresses(to: Any, port: Any) -> tuple[Any, Any]:
    """Where to, as nft writes it: `192.0.2.1-192.0.2.9:80-90`, `[2001:db8::1]:80`."""
    found = _WITH_PORTS.fullmatch(to) if isinstance(to, str) else None
    if found is not None:
        if port is not None:
            raise DesiredStateError("port: is in 'to' already")
        to, port = found[1] or found[2], _ports(found[3], "to")
    elif port is not None:
        port = _ports(port, "port")
    if isinstance(to, str) and to.count("-") == 1:
        to = tuple(part.strip() for part in to.split("-"))
    if not isinstance(to, str | Mapped) and not (
        isinstance(to, tuple) and len(to) == 2 and all(isinstance(each, str) for each in to)
    ):
        raise DesiredStateError(f"to: expected an address, two, or a network, got {to!r:.100}")
    return to, port


def _queue(to: Any = 0, bypass: bool = False, fanout: bool = False) -> Term:
    found = _ports(to, "to")
    several: tuple[Any, ...] = found if isinstance(found, tuple) and len(found) == 2 else (found,)
    try:
        return build.queue(*several, bypass=bypass, fanout=fanout)
    except DesiredStateError as error:
        raise DesiredStateError(_QUEUES.sub("to: ", str(error))) from None


def _told_by_field(word: str, kind: Callable[..., Term], meant: str) -> Callable[..., Term]:
    """A builder whose errors name a field as the file does: `log level` is `level`.

    Args:
        word: nft's word for it.
        kind: The builder.
        meant: The field that is meant where an error names just the word.
    """

    @wraps(kind)
    def made(*args: Any, **fields: Any) -> Term:
        try:
            return kind(*args, **fields)
        except DesiredStateError as error:
            message = str(error)
            if meant and message.startswith(f"{word}: "):
                raise DesiredStateError(f"{meant}{message[len(word) :]}") from None
            raise DesiredStateError(message.removeprefix(f"{word} ")) from None

    return made


@frozen
class Statement:
    """What a rule may say by a word.

    Attributes:
        word: The word.
        kind: What makes it of the fields of a table; None where there are none.
        alone: Whether it may stand alone, as `true`.
        refers: The kind of the object of the table that it may name.
        meant: The field that a builder means that names just the word.
        mapped: The fields that a map may have.
    """

    word: str
    kind: Callable[..., Term] | None = None
    alone: bool = True
    refers: str | None = None
    meant: str = ""
    mapped: tuple[str, ...] = ()
    shape: Shape | None = field(
        init=False,
        default=Factory(
            lambda self: (
                self.kind and Shape(_told_by_field(self.word, self.kind, self.meant), without=())
            ),
            takes_self=True,
        ),
    )

    def terms(self, path: Path, value: Any, notes: Notes) -> Iterator[Term]:
        """What it is, as far as nothing is wrong with it."""
        if value is True and self.alone:
            yield from self._of_fields(path, {}, notes)
        elif isinstance(value, Mapping) and self.refers and "name" in value:
            yield self._reference(path, value, notes)
        elif isinstance(value, Mapping) and self.shape:
            yield from self._of_fields(path, value, notes)
        elif isinstance(value, Mapping) and self.refers and value:
            word = next(iter(value))
            raise Mistake((*path, word), unknown(word, ("name",)))
        else:
            raise Mistake(path, f"expected {self._expected()}, got {value!r:.100}")

    def _expected(self) -> str:
        ways = ["true"] if self.alone else []
        if self.shape:
            ways.append(f"a table with {', '.join(self.shape.fields)}")
        if self.refers:
            ways.append(f"{{ name = … }} of a {self.refers}")
        return ", or ".join(ways)

    def _of_fields(self, path: Path, table: Mapping[str, Any], notes: Notes) -> Iterator[Term]:
        if self.shape is None:
            yield getattr(build, self.word)()
            return

        def find(path: Path, message: str, lacking: str = "") -> None:
            told = message.removeprefix(f"{self.word}: ")
            notes.mistakes.append(Mistake(path, f"{lacking}: {told}" if lacking else told))

        fields = dict(table)
        for name in self.mapped:
            if isinstance(fields.get(name), Mapping):
                fields[name] = source_of((*path, name), fields[name], notes, _joined)
        yield from self.shape.of_table(path, fields, find, {})

    def _reference(self, path: Path, table: Mapping[str, Any], notes: Notes) -> Term:
        kind, name = str(self.refers), table.get("name")
        others = [each for each in table if each != "name"]
        if others:
            raise Mistake((*path, others[0]), f"a {kind} by its name has nothing else")
        place = (*path, "name")
        named = partial(notes.names.object_name, place, kind)
        if not isinstance(name, Mapping):
            return build.object_reference(kind, named(name))
        source = source_of(place, name, notes, named)
        if not isinstance(source, Mapped):
            raise Mistake(place, "expected the name of an object, or a map of such")
        return build.object_reference(kind, source)


def _joined(value: Any) -> Any:
    """An address, or one with a port: as an array, or as nft has it, `192.0.2.1 . 80`."""
    if isinstance(value, str) and " . " in value:
        return tuple(part.strip() for part in value.split(" . "))
    return value_of(value)


def _flow(path: Path, value: Any, notes: Notes) -> Term:
    if not isinstance(value, Mapping) or tuple(value) != ("add",) or not is_set_name(value["add"]):
        raise Mistake(path, f'expected {{ add = "@NAME" }} of a flowtable, got {value!r:.100}')
    name = value["add"].removeprefix("@")
    place = (*path, "add")
    known = notes.names.flowtables
    return build.flow_add(notes.names.check(place, "flowtable", name, known))


def _reject(path: Path, value: Any) -> Term:
    if value is True:
        return build.reject()
    if not isinstance(value, Mapping) or tuple(value) != ("with",):
        raise Mistake(path, f'expected true, or {{ with = "tcp reset" }}, got {value!r:.100}')
    try:
        return build.reject(value["with"])
    except DesiredStateError as error:
        raise Mistake((*path, "with"), bare(error, "reject with_")) from None


_TABLES: Final = {
    each.word: each
    for each in (
        Statement("counter", refers="counter"),
        Statement("limit", build.limit, alone=False, refers="limit"),
        Statement("quota", build.quota, alone=False, refers="quota", meant="number"),
        Statement("log", _log),
        Statement("masquerade", _masquerade),
        Statement("redirect", _redirect, mapped=("to", "port")),
        Statement("snat", _snat, alone=False, meant="to", mapped=("to",)),
        Statement("dnat", _dnat, alone=False, meant="to", mapped=("to",)),
        Statement("notrack"),
        Statement("queue", _queue),
        Statement("synproxy", alone=False, refers="synproxy"),
    )
}
STATEMENTS: Final = ("verdict", "flow", "reject", *_TABLES)
"""The words that begin a statement."""


def statement_of(path: Path, value: Any, notes: Notes) -> Iterator[Term]:
    """A statement; nothing where something is wrong with it, which is noted.

    Args:
        path: Where it is; its last key is its word.
        value: What the file says of it.
        notes: Where to note what is used, and what is wrong.
    """
    word = str(path[-1])
    try:
        if word == "verdict":
            yield verdict_of(path, value, notes.names)
        elif word == "flow":
            yield _flow(path, value, notes)
        elif word == "reject":
            yield _reject(path, value)
        else:
            yield from _TABLES[word].terms(path, value, notes)
    except Mistake as mistake:
        notes.mistakes.append(mistake)
    except DesiredStateError as error:
        notes.mistakes.append(Mistake(path, str(error)))
