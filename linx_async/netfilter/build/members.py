"""Matches of one value out of several, and what maps have for values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from attrs import evolve, frozen

from ..._core.checks import Checked, wrong
from ..codec.key_abi import MetaKey
from ..desired.names import check_name
from ..desired.sets import Set
from . import wire
from .lookups import check_named, load_key, own_map, own_set
from .matches import Match, comparison, meta_key
from .terms import Term
from .verdicts import Verdict

if TYPE_CHECKING:
    from .drafting import Drafting
    from .fields import Field
    from .keys import Key

__all__ = ["Lookup", "Membership", "VerdictMap", "membership"]


@frozen(eq=False)
class Membership(Match):
    """A field, or several, is one of some values, or none of them."""

    key: Key
    own: Set
    negated: bool = False

    def draft(self, drafting: Drafting) -> None:
        """Add it to a rule."""
        found = load_key(self.key, self.own, drafting)
        drafting.look(*found, wire.lookup(drafting.own(self.own), negated=self.negated))
        if not self.negated and len(self.key.parts()) == 1:
            learn_any(self.key.parts()[0], drafting)

    def __invert__(self) -> Match:
        return evolve(self, negated=not self.negated)


@frozen(init=False, eq=False)
class Lookup(Match, Checked):
    """A field, or several, is in a set of the table, or not."""

    key: Key
    set: str
    negated: bool

    def __init__(self, key: Key, set: str, negated: bool = False) -> None:
        self.__attrs_init__(key, check_name(set, f"{key.name}: name of a set"), negated)

    def draft(self, drafting: Drafting) -> None:
        """Add it to a rule."""
        declared = drafting.declared(self.set, self.key.name)
        check_named(self.key, declared)
        if declared.is_map:
            raise wrong(self.key.name, f"{self.set!r} is a map, not a set")
        found = load_key(self.key, declared, drafting)
        drafting.look(*found, wire.lookup(self.set, negated=self.negated))
        if not self.negated and len(self.key.parts()) == 1:
            learn_any(self.key.parts()[0], drafting)

    def __invert__(self) -> Match:
        return Lookup(self.key, self.set, not self.negated)


@frozen(init=False, eq=False)
class VerdictMap(Term, Checked):
    """A verdict for each value of a field."""

    key: Key
    verdicts: str | Set

    def __init__(self, key: Key, verdicts: Mapping[Any, Verdict] | str) -> None:
        what = f"{key.name} vmap"
        if isinstance(verdicts, str):
            self.__attrs_init__(key, check_name(verdicts, what))
            return
        if not isinstance(verdicts, Mapping) or not verdicts:
            raise wrong(what, f"expected verdicts or a map's name, got {verdicts!r:.200}")
        for verdict in verdicts.values():
            if not isinstance(verdict, Verdict):
                raise wrong(what, f"expected verdicts, got {verdict!r:.200}")
        self.__attrs_init__(key, own_map(key, verdicts.items(), "verdict"))

    def draft(self, drafting: Drafting) -> None:
        """Add it to a rule."""
        if isinstance(self.verdicts, str):
            used = drafting.declared(self.verdicts, self.key.name)
            check_named(self.key, used, "verdict")
            found, name = load_key(self.key, used, drafting), self.verdicts
        else:
            used = self.verdicts
            found, name = load_key(self.key, used, drafting), drafting.own(used)
        drafting.act(*found, wire.lookup(name, verdict=True))


def membership(key: Key, values: tuple[Any, ...], negated: bool) -> Match:
    """A field, or several, is one of some values.

    Raises:
        DesiredStateError: There is none, or one is wrong.
    """
    if not values:
        raise wrong(key.name, "expected at least one value")
    if len(values) == 1 and len(key.parts()) == 1:
        return comparison(key.parts()[0], "!=" if negated else "==", values[0])
    return Membership(key, own_set(key, values), negated)


def learn_any(field: Field, drafting: Drafting) -> None:
    """What is known where it is one of several: that there is a transport protocol."""
    if field.teaches == "protocol" or meta_key(field) == MetaKey.L4PROTO:
        drafting.layers.has_transport = True
