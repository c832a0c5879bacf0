"""Which parts of a table have to be made anew, and what has to give way for it: pure."""

from __future__ import annotations

from collections.abc import Container
from typing import TypeVar

from attrs import define, field

from ..codec.expressions import canonical
from ..desired import Rule, Table
from ..desired.keys import VERDICT
from ..desired.rule import compiled
from ..observed import ObservedTable
from .parts import chain_changes, object_changes, outgrows, set_changes, set_update

__all__ = ["Anew"]

T = TypeVar("T")


@define
class Anew:
    """The parts that are there, should be there, and have to be made anew.

    Attributes:
        chains: Why, by the chain's name.
        sets: Why, by the set's name; some of them should not be there any more.
        objects: Why, by the object's key.
        flowtables: Why, by the flowtable's name.
        passed_over: What differs and the kernel does not change, by key.
        unmoved: The names of sets that the kernel was told to change, and did not.
    """

    chains: dict[str, str] = field(factory=dict)
    sets: dict[str, str] = field(factory=dict)
    objects: dict[str, str] = field(factory=dict)
    flowtables: dict[str, str] = field(factory=dict)
    passed_over: dict[str, str] = field(factory=dict)
    unmoved: Container[str] = ()

    @classmethod
    def of(
        cls,
        desired: Table,
        observed: ObservedTable,
        *,
        recreate: bool,
        unmoved: Container[str] = (),
    ) -> Anew:
        """Those parts.

        Args:
            desired: What should be there.
            observed: What is.
            recreate: Whether what the kernel takes and passes over is made anew too.
            unmoved: The names of sets that the kernel was told to change, and did not.
        """
        anew = cls(unmoved=unmoved)
        for chain in desired.chains:
            if (old := observed.chains.get(chain.name)) is not None:
                why = chain_changes(chain, old.head.chain)
                anew._judge(chain.name, chain.key, anew.chains, why, recreate)
        for each in desired.sets:
            if (there := observed.sets.get(each.name)) is not None:
                why = set_changes(each, there.set)
                if each.name in unmoved and not any(why):
                    why = "", set_update(each, there.set)
                anew._judge(each.name, each.key, anew.sets, why, recreate)
                if each.constant and each.elements != there.set.elements:
                    anew.sets[each.name] = "it is constant, and has other elements"
                elif outgrows(each, there.set):
                    anew.sets[each.name] = f"it gets more elements than {there.set.size}"
        for thing in desired.objects:
            if (held := observed.objects.get(thing.key)) is not None:
                why = "", object_changes(thing, held)
                anew._judge(thing.key, thing.key, anew.objects, why, recreate)
        for table in desired.flowtables:
            found = observed.flowtables.get(table.name)
            if found is not None and table != found.flowtable:
                anew.flowtables[table.name] = "it has other devices, priority or flags"
        anew._take_maps(observed)
        return anew

    def __bool__(self) -> bool:
        return bool(self.chains or self.sets or self.objects or self.flowtables)

    def needs(self, rule: Rule) -> bool:
        """Whether a rule uses any of them, so that it has to give way."""
        names = canonical(rule.body).references
        return (
            any(name in self.sets for name in names.sets)
            or any(name in self.chains for name in names.chains)
            or any(name in self.flowtables for name in names.flowtables)
            or (bool(self.objects) and bool(names.objects))
            or (bool(self.chains) and any(each.data == VERDICT for each in rule.sets))
            or (bool(self.objects) and any(each.objects is not None for each in rule.sets))
            or any(self.needs(inner) for chain in rule.chains for inner in compiled(chain))
        )

    def _judge(
        self, name: str, key: str, anew: dict[str, str], why: tuple[str, str], recreate: bool
    ) -> None:
        must, ignored = why
        if must or (ignored and recreate):
            anew[name] = must or ignored
        elif ignored:
            self.passed_over[key] = ignored

    def _take_maps(self, observed: ObservedTable) -> None:
        """Maps whose elements may name a chain or an object that is made anew go with it.

        Those too that should not be there any more: they would go only after it.
        """
        jumped_to = any(not observed.chains[name].head.chain.is_base for name in self.chains)
        for name, there in observed.sets.items():
            if jumped_to and there.set.data == VERDICT:
                self.sets.setdefault(name, "a chain that it may name is made anew")
            elif self.objects and there.set.objects is not None:
                self.sets.setdefault(name, "an object that it may name is made anew")
