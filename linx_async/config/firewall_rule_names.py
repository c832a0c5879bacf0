"""What the rules of a table may name, and what is wrong with a rule."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final

from attrs import define, field, frozen

from .._core.errors import DesiredStateError
from ..netfilter import Set
from ..netfilter.build import Verdict, accept, continue_, drop, goto, jump, return_
from .problems import Path

__all__ = ["Mistake", "Names", "Notes", "bare", "verdict_of"]

_VERDICTS: Final = {"accept": accept, "drop": drop, "continue": continue_, "return": return_}
_TO_CHAINS: Final = {"jump": jump, "goto": goto}


class Mistake(Exception):
    """What is wrong with a part of a rule.

    Attributes:
        path: Where it is.
        message: What it is.
    """

    def __init__(self, path: Path, message: str) -> None:
        self.path = path
        self.message = message
        super().__init__(message)


@frozen
class Names:
    """What a table has by name.

    Attributes:
        sets: Its sets and maps, of those that are right.
        wrong_sets: The names of the others.
        chains: Its chains.
        flowtables: Its flowtables.
        objects: The names of its objects by kind.
    """

    sets: Mapping[str, Set]
    wrong_sets: Collection[str]
    chains: Collection[str]
    flowtables: Collection[str]
    objects: Mapping[str, Collection[str]]

    def check(self, path: Path, kind: str, name: str, known: Collection[str]) -> str:
        """A name that the table has.

        Raises:
            Mistake: It has not.
        """
        if name in known:
            return name
        there = ", ".join(sorted(known)) or "none"
        raise Mistake(path, f"the table has no {kind} {name!r}; it has {there}")

    def set_name(self, path: Path, value: str) -> str:
        """The name of a set or map, written `@name`.

        Raises:
            Mistake: The table has none of that name.
        """
        name = value.removeprefix("@")
        return self.check(path, "set or map", name, {*self.sets, *self.wrong_sets})

    def object_name(self, path: Path, kind: str, value: Any) -> str:
        """The name of an object of a kind.

        Raises:
            Mistake: The table has none of that name.
        """
        if not isinstance(value, str):
            raise Mistake(path, f"expected the name of a {kind}, got {value!r:.100}")
        return self.check(path, kind, value, self.objects.get(kind, ()))


@define
class Notes:
    """What is noted while a rule is read.

    Attributes:
        names: What its table has by name.
        mistakes: What is wrong with it.
        uses_wrong: Whether it names a set that is wrong itself.
    """

    names: Names
    mistakes: list[Mistake] = field(factory=list)
    uses_wrong: bool = False

    def set_name(self, path: Path, value: str) -> str:
        """The name of a set or map, which is noted as used; see `Names`.

        Raises:
            Mistake: The table has none of that name.
        """
        name = self.names.set_name(path, value)
        self.uses_wrong = self.uses_wrong or name in self.names.wrong_sets
        return name


def bare(error: DesiredStateError, *subjects: str) -> str:
    """What is wrong, without the subject, which the place tells already."""
    message = str(error)
    for subject in subjects:
        message = message.removeprefix(f"{subject}: ")
    return message


def verdict_of(path: Path, value: Any, names: Names) -> Verdict:
    """A verdict: a word, and of `jump` and `goto` with the chain, as text or as a table.

    Raises:
        Mistake: It is none.
    """
    word, to = "", None
    if isinstance(value, str):
        word, _, rest = value.strip().partition(" ")
        to = rest.strip() or None
    elif isinstance(value, Mapping) and len(value) == 1:
        ((word, to),) = value.items()
        path = (*path, word)
    if to is None and word in _VERDICTS:
        return _VERDICTS[word]()
    if isinstance(to, str) and word in _TO_CHAINS:
        chain = names.check(path, "chain", to, names.chains)
        try:
            return _TO_CHAINS[word](chain)
        except DesiredStateError as error:
            raise Mistake(path, bare(error, word)) from None
    known = ", ".join((*_VERDICTS, '"jump CHAIN"', '"goto CHAIN"'))
    raise Mistake(path, f"expected one of {known}, got {value!r:.100}")
