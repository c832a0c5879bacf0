"""Sets and chains under another name, which do the work while others are changed: pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Final

from attrs import evolve

from ..codec.abi import DataAttribute, Verdict, VerdictAttribute
from ..codec.expression_abi import Immediate
from ..codec.expressions import canonical, joined, renamed
from ..codec.forms import pack
from ..codec.words import be32
from ..desired import Chain, Rule, Set, Table
from ..desired.chain import with_rules
from ..desired.keys import VERDICT
from ..desired.names import LONGEST_NAME
from ..desired.rule import compiled
from ..desired.sets import with_name
from ..observed import ObservedTable
from .anew import Anew
from .parts import set_changes
from .shutting import SHUT, is_shut
from .slow import is_slow_rule, is_slow_set

__all__ = [
    "can_be_early",
    "next_names",
    "referenced_sets",
    "stand_ins_of",
    "with_chains",
    "with_sets",
]

_SUFFIXES: Final = (".next", ".next2")
_COMMENT: Final = "until the rules behind it hold"


def with_sets(desired: Table, observed: ObservedTable, anew: Anew) -> Table:
    """What to head for where rules use sets that are made anew and may not be without for a moment.

    While a set has another one standing in for it, no rule uses it, and it can be made anew by
    itself; then the rules come back to it. Each of these is a round of the pass.

    Args:
        desired: What should be there in the end.
        observed: What is.
        anew: What of it has to be made anew.

    Returns:
        The desired table itself where no set needs that, or none does any more.
    """
    due = [each for each in desired.sets if each.name in anew.sets and can_be_early(each, anew)]
    used = referenced_sets(each.rule for each in observed.rules)
    due = [each for each in due if each.name in used]
    if not due:
        return desired
    slow = {name for chain in desired.chains if _has_slow(chain) for name in _uses(chain)}
    names: dict[str, str] = {}
    for each in due:
        if not is_slow_set(each) and each.name not in slow:
            continue
        name = _free(each.name, desired.sets, partial(_fits, observed, each))
        if name:
            names[each.name] = name
    if not names:
        return desired
    sets = [observed.sets[each.name].set if each.name in names else each for each in desired.sets]
    more = [with_name(each, names[each.name]) for each in desired.sets if each.name in names]
    chains = [_renamed(chain, names) for chain in desired.chains]
    return evolve(desired, sets=[*sets, *more], chains=chains)


def with_chains(
    target: Table, observed: ObservedTable, wanting: Iterable[str]
) -> tuple[Table, frozenset[str]]:
    """What to head for where the rules of chains may not change by themselves.

    A chain with the same rules stands in: it is filled while nothing uses it, then the chain goes
    to it at once, and has what it should have behind that; then it goes there no more. Each of
    these is a round of the pass.

    Args:
        target: What to head for otherwise.
        observed: What is there.
        wanting: The names of those chains.

    Returns:
        What to head for, and the chains that have another one standing in.
    """
    chains: list[Chain] = []
    guarded: set[str] = set()
    for chain in target.chains:
        shut = (SHUT,) if is_shut(chain) else ()
        rules = (*compiled(chain), *shut)
        name = ""
        if chain.name in wanting:
            name = _free(chain.name, target.chains, partial(_holds, observed, rules))
        if not name:
            chains.append(chain)
            continue
        guarded.add(chain.name)
        chains += [with_rules(chain, (_goto(name), *chain.rules)), Chain(name, rules)]
    return evolve(target, chains=chains), frozenset(guarded)


def next_names(name: str) -> list[str]:
    """The names that what stands in for something may have, as far as the kernel takes them."""
    names = (name + suffix for suffix in _SUFFIXES)
    return [at for at in names if len(at.encode()) <= LONGEST_NAME]


def stand_ins_of(desired: Table, *names: Iterable[str]) -> dict[str, str]:
    """Which sets stand in for which.

    Args:
        desired: What should be there in the end.
        names: The names of the sets that are there, and of those that are headed for.
    """
    own = {each.name for each in desired.sets}
    stems = {at: name for name in own for at in next_names(name) if at not in own}
    return {name: stems[name] for each in names for name in each if name in stems}


def referenced_sets(rules: Iterable[Rule]) -> frozenset[str]:
    """The names of the sets that rules use."""
    return frozenset(name for rule in rules for name in _named(rule))


def _named(rule: Rule) -> Iterable[str]:
    yield from canonical(rule.body).references.sets
    for chain in rule.chains:
        yield from _uses(chain)


def _uses(chain: Chain) -> Iterable[str]:
    for rule in compiled(chain):
        yield from _named(rule)


def _has_slow(chain: Chain) -> bool:
    return any(map(is_slow_rule, compiled(chain)))


def can_be_early(value: Set, anew: Anew) -> bool:
    """Whether a set can be made while what its elements may name is not made anew yet."""
    names_chains, names_objects = value.data == VERDICT, value.objects is not None
    return not (anew.chains and names_chains) and not (anew.objects and names_objects)


def _free(name: str, desired: Iterable[Set] | Iterable[Chain], fits: Callable[[str], bool]) -> str:
    """A name for what stands in; empty where there is none."""
    taken = {each.name for each in desired}
    return next((at for at in next_names(name) if at not in taken and fits(at)), "")


def _fits(observed: ObservedTable, wanted: Set, name: str) -> bool:
    """Whether a set of that name is not there, or can stand in."""
    there = observed.sets.get(name)
    if there is None:
        return True
    missing = wanted.elements.items_by_key.keys() - there.set.elements.items_by_key.keys()
    return not missing and not any(set_changes(wanted, there.set))


def _holds(observed: ObservedTable, rules: tuple[Rule, ...], name: str) -> bool:
    """Whether a chain of that name is not there, or can stand in."""
    there = observed.chains.get(name)
    return there is None or rules == tuple(each.rule for each in there.rules)


def _renamed(chain: Chain, names: Mapping[str, str]) -> Chain:
    rules = tuple(_with_names(rule, names) for rule in compiled(chain))
    return with_rules(chain, rules)


def _with_names(rule: Rule, names: Mapping[str, str]) -> Rule:
    if not any(name in names for name in _named(rule)):
        return rule
    chains = [_renamed(chain, names) for chain in rule.chains]
    return evolve(rule, body=renamed(rule.body, names), chains=chains)


def _goto(name: str) -> Rule:
    code = pack(VerdictAttribute.CODE, be32(Verdict.GOTO & 0xFFFFFFFF))
    chain = pack(VerdictAttribute.CHAIN, name.encode() + b"\0")
    verdict = pack(Immediate.DATA, pack(DataAttribute.VERDICT, code + chain))
    body = joined([("immediate", pack(Immediate.DREG, be32(0)) + verdict)])
    return Rule(canonical(body).body, _COMMENT, text=f'goto {name} comment "{_COMMENT}"')
