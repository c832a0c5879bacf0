"""What goes first, so that parts of a table can be made anew: pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..observed import ObservedRule, ObservedTable
from ..ops import (
    DeleteChain,
    DeleteFlowtable,
    DeleteObject,
    DeleteRule,
    DeleteSet,
    FlushChain,
    NetfilterOp,
)
from .anew import Anew

__all__ = ["give_way", "rules_in_the_way"]


def rules_in_the_way(observed: ObservedTable, anew: Anew) -> dict[str, Sequence[ObservedRule]]:
    """The rules that use what is made anew, by chain: all of a chain that is itself."""
    if not anew:
        return {}
    found: dict[str, Sequence[ObservedRule]] = {}
    for name, chain in observed.chains.items():
        rules = [rule for rule in chain.rules if anew.needs(rule.rule)]
        if name in anew.chains or len(rules) * 2 > len(chain.rules):
            found[name] = chain.rules
        elif rules:
            found[name] = rules
    return found


def give_way(
    observed: ObservedTable, anew: Anew, going: Mapping[str, Sequence[ObservedRule]]
) -> list[NetfilterOp]:
    """The ops that delete what is made anew, each after what uses it.

    Args:
        observed: What is there.
        anew: What of it is made anew.
        going: The rules that use it, by chain.
    """
    ops: list[NetfilterOp] = []
    for name in sorted(going):
        rules = going[name]
        if len(rules) == len(observed.chains[name].rules):
            ops += [FlushChain(name, len(rules))] if rules else []
        else:
            ops += [DeleteRule(name, each.handle, each.rule) for each in rules]
    ops += [DeleteSet(observed.sets[name].set) for name in anew.sets]
    ops += [DeleteChain(observed.chains[name].head.chain) for name in anew.chains]
    ops += [DeleteObject(observed.objects[key].object) for key in anew.objects]
    ops += [DeleteFlowtable(observed.flowtables[name].flowtable) for name in anew.flowtables]
    return ops
