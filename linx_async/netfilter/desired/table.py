"""A whole table: chains of rules, and what the rules use."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, Protocol, TypeVar

from attrs import evolve, field, frozen

from ..._core.checks import Checked, between, check_flag, check_interface, or_none, wrong
from ..._core.errors import DesiredStateError
from .chain import Chain
from .families import check_family
from .flowtable import Flowtable
from .names import check_comment, check_name
from .objects import Object
from .rule import Rule, Text
from .sets import Set

__all__ = ["Table"]


class _Named(Protocol):
    @property
    def name(self) -> str: ...

    @property
    def key(self) -> str: ...


T = TypeVar("T", bound=_Named)

_LAST_INDEX: Final = 2**31 - 1


def _unordered(entries: tuple[_Named, ...]) -> frozenset[_Named]:
    """What entries are compared by: the kernel has them in the order in which they came."""
    return frozenset(entries)


@frozen(init=False)
class Table(Checked):
    """A table of nf_tables, all of it: what is not declared in it shall not be there.

    Two tables are equal whatever the order of their chains, sets, objects and flowtables.

    Args:
        family: `ip`, `ip6`, `inet`, `arp`, `bridge` or `netdev`.
        name: Its name.
        chains: Its chains.
        sets: Its sets and maps.
        objects: Its counters, quotas, limits and so on.
        flowtables: Its flowtables.
        comment: What nft shows with it.
        dormant: Whether its chains are off.
        userdata: What else libnftnl keeps with it.
        links: The indices of the interfaces that its rules name by index (`iif`, `oif`), by name,
            as they were where it was compiled: where one has another index, the table waits.
            `netfilter.parse` fills it in.

    Raises:
        DesiredStateError: A field is wrong, or two entries have one name; the message says which.
    """

    family: str
    name: str
    chains: tuple[Chain, ...] = field(eq=_unordered)
    sets: tuple[Set, ...] = field(eq=_unordered)
    objects: tuple[Object, ...] = field(eq=_unordered)
    flowtables: tuple[Flowtable, ...] = field(eq=_unordered)
    comment: str | None
    dormant: bool
    userdata: bytes
    links: tuple[tuple[str, int], ...] = field(eq=False)

    def __init__(
        self,
        family: str,
        name: str,
        chains: Iterable[Chain] = (),
        sets: Iterable[Set] = (),
        objects: Iterable[Object] = (),
        flowtables: Iterable[Flowtable] = (),
        *,
        comment: str | None = None,
        dormant: bool = False,
        userdata: bytes = b"",
        links: Mapping[str, int] | Iterable[tuple[str, int]] = (),
    ) -> None:
        check_family(family, "family")
        declared = _entries("sets", Set, sets)
        by_name = {each.name: each for each in declared}
        self.__attrs_init__(
            family,
            check_name(name, "name"),
            tuple(
                _within(chain, family, by_name, f"chains[{place}]")
                for place, chain in enumerate(_entries("chains", Chain, chains))
            ),
            declared,
            _entries("objects", Object, objects),
            tuple(
                each.within(family, f"flowtables[{place}]")
                for place, each in enumerate(_entries("flowtables", Flowtable, flowtables))
            ),
            or_none(comment, "comment", check_comment),
            check_flag(dormant, "dormant"),
            userdata,
            tuple(
                (check_interface(name, "links"), between(index, f"links: {name}", 1, _LAST_INDEX))
                for name, index in dict(links).items()
            ),
        )

    @property
    def key(self) -> str:
        """What tables are told apart by."""
        return f"table {self.family} {self.name}"

    @property
    def size(self) -> int:
        """How many rules and elements there are."""
        parts = [len(chain.rules) for chain in self.chains]
        return sum(parts) + sum(len(each.elements) for each in self.sets)

    @property
    def texts(self) -> tuple[str, ...]:
        """The rules that are still to be compiled, as nft's syntax has them, each once."""
        return tuple(
            dict.fromkeys(
                rule.text for chain in self.chains for rule in chain.rules if isinstance(rule, Text)
            )
        )

    def __str__(self) -> str:
        return f"{self.family} {self.name}"


def _within(chain: Chain, family: str, sets: Mapping[str, Set], what: str) -> Chain:
    chain = chain.within(family, what)
    rules: list[Rule | Text] = []
    for place, rule in enumerate(chain.rules):
        if isinstance(rule, Rule | Text):
            rules.append(rule)
            continue
        try:
            rules.append(rule.within(family, sets))
        except DesiredStateError as error:
            raise wrong(f"{what}.rules[{place}]", str(error)) from None
    same = all(new is old for new, old in zip(rules, chain.rules, strict=True))
    return chain if same else evolve(chain, rules=rules)


def _entries(what: str, kind: type[T], entries: Any) -> tuple[T, ...]:
    if isinstance(entries, str | Mapping) or not isinstance(entries, Iterable):
        raise wrong(what, f"expected a list, got {entries!r:.200}")
    found: list[Any] = []
    places: dict[str, int] = {}
    for place, entry in enumerate(entries):
        if not isinstance(entry, kind):
            raise wrong(f"{what}[{place}]", f"expected a {kind.__name__}, got {entry!r:.200}")
        check_name(entry.name, f"{what}[{place}].name")
        first = places.setdefault(entry.key, place)
        if first != place:
            raise wrong(f"{what}[{place}]", f"{entry.key} is declared already, by {what}[{first}]")
        found.append(entry)
    return tuple(found)
