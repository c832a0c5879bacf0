"""The diff of a whole table: pure."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from typing import Any

from attrs import evolve, field, frozen

from ..desired import Chain, Table
from ..desired.objects import OBJECT_TYPES
from ..desired.rule import compiled
from ..observed import ObservedRule, ObservedTable
from ..ops import (
    AddChain,
    AddElements,
    AddFlowtable,
    AddObject,
    AddRule,
    AddSet,
    DeleteChain,
    DeleteFlowtable,
    DeleteObject,
    DeleteSet,
    FlushChain,
    NetfilterOp,
    UpdateChain,
    UpdateObject,
    UpdateSet,
)
from .ahead import are_mixed, have_slow, put_ahead
from .anew import Anew
from .batch import Batch
from .chain_rules import draft_rules
from .early import early_ops
from .elements import draft_elements
from .giving_way import give_way, rules_in_the_way
from .parts import set_update
from .shutting import shut
from .slow import is_slow_table
from .stand_ins import stand_ins_of, with_chains, with_sets
from .written import written_sets

__all__ = ["Draft", "draft_contents", "draft_new"]


@frozen
class Draft:
    """What is to be done next about the contents of a table.

    Attributes:
        ops: The ops, as one transaction.
        passed_over: What differs and the kernel does not change, by key.
        interim: Whether the rest has to wait until these are done.
    """

    ops: list[NetfilterOp]
    passed_over: dict[str, str] = field(factory=dict)
    interim: bool = False


def draft_new(
    desired: Table, *, again: bool = False, instead: bool = False, stepwise: bool = True
) -> Draft:
    """The ops that fill a table in which nothing is.

    Args:
        desired: What should be there.
        again: Whether it takes the place of another of its name in the same transaction.
        instead: Whether it takes the place of another, which goes once its chains have hooks.
        stepwise: Whether to go step by step where packets could get past.
    """
    interim = stepwise and instead and is_slow_table(desired)
    if interim:
        unhooked = [each for each in desired.chains if not each.is_base]
        desired = evolve(desired, chains=unhooked)
    batch = Batch()
    batch.made += [AddObject(each) for each in desired.objects]
    batch.made += [AddFlowtable(each) for each in desired.flowtables]
    batch.made += [AddChain(each) for each in desired.chains]
    batch.made += [AddSet(each) for each in desired.sets]
    batch.elements += [AddElements(each, each.elements) for each in desired.sets if each.elements]
    for each in desired.chains:
        batch.rules[each.name] = draft_rules(each.name, compiled(each), ())
    if again and stepwise:
        batch.shut = shut(desired.chains)
    return Draft(batch.ops(), interim=interim or bool(batch.shut))


def draft_contents(
    desired: Table,
    observed: ObservedTable,
    *,
    recreate: bool,
    instead: bool = False,
    unmoved: Container[str] = (),
    stepwise: bool = True,
) -> Draft:
    """The ops that make what is in a table the desired, as far as the next round goes.

    Args:
        desired: What should be there.
        observed: What is.
        recreate: Whether what the kernel takes and passes over is made anew.
        instead: Whether it takes the place of another, which goes once its chains have hooks.
        unmoved: The names of sets that the kernel was told to change, and did not.
        stepwise: Whether to go step by step where packets could get past; else the ops are all
            that it comes to in the end.
    """
    anew = Anew.of(desired, observed, recreate=recreate, unmoved=unmoved)
    passed_over = anew.passed_over
    if not stepwise:
        going = rules_in_the_way(observed, anew)
        rules = _rules(desired, observed, going, {})
        return Draft(_batch(desired, observed, anew, going, rules, rules).ops(), passed_over)
    target = with_sets(desired, observed, anew) if anew.sets else desired
    if target is not desired:
        anew = Anew.of(target, observed, recreate=recreate, unmoved=unmoved)
    going = rules_in_the_way(observed, anew)
    names = stand_ins_of(desired, observed.sets, (each.name for each in target.sets))
    rules = _rules(target, observed, going, names)
    guarded: frozenset[str] = frozenset()
    live = instead or any(each.head.chain.is_base for each in observed.chains.values())
    wanting = [
        each.name
        for each in target.chains
        if live and _wants(each, rules[each.name], observed, anew, going)
    ]
    if wanting:
        target, guarded = with_chains(target, observed, wanting)
        rules = _rules(target, observed, going, names)
    batch = _batch(target, observed, anew, going, rules, guarded)
    if not live:
        batch.shut = []  # there is nothing yet that packets could get past
    early = early_ops(batch, observed, anew) if live else []
    ops = batch.ops()
    if early and len(early) < len(ops):
        return Draft(early, passed_over, interim=True)
    # Whether a set was changed is to be seen, and elements have its old time until then.
    updated = any(isinstance(op, UpdateSet) for op in ops)
    rest = bool(_some_ahead(ops) or batch.shut or updated) or target is not desired
    return Draft(ops, passed_over, rest)


def _rules(
    target: Table,
    observed: ObservedTable,
    going: Mapping[str, Sequence[ObservedRule]],
    stand_ins: Mapping[str, str],
) -> dict[str, list[NetfilterOp]]:
    """What makes the rules of each chain what is headed for.

    Args:
        target: What is headed for.
        observed: What is there.
        going: The rules that are deleted before, by chain.
        stand_ins: The sets for which others stand in, by the names of these.
    """
    found: dict[str, list[NetfilterOp]] = {}
    for each in target.chains:
        gone = going.get(each.name, ())
        there = observed.chains.get(each.name)
        rules = () if there is None else there.rules
        if gone:
            handles = {rule.handle for rule in gone}
            rules = tuple(rule for rule in rules if rule.handle not in handles)
        found[each.name] = draft_rules(each.name, compiled(each), rules, gone, stand_ins)
    return found


def _wants(
    chain: Chain,
    ops: Sequence[NetfilterOp],
    observed: ObservedTable,
    anew: Anew,
    going: Mapping[str, Sequence[ObservedRule]],
) -> bool:
    """Whether another chain has to stand in while this one's rules change."""
    if not have_slow(ops) or (anew and any(map(anew.needs, compiled(chain)))):
        return False
    if chain.name not in observed.chains:
        return chain.is_base  # packets come to others only once something names them
    return chain.name in going or are_mixed(ops)


def _batch(
    target: Table,
    observed: ObservedTable,
    anew: Anew,
    going: Mapping[str, Sequence[ObservedRule]],
    rules: Mapping[str, Sequence[NetfilterOp]],
    guarded: Container[str],
) -> Batch:
    """All that makes a table what is headed for.

    Args:
        target: What is headed for.
        observed: What is there.
        anew: What of it is made anew.
        going: The rules that are in the way of that, by chain.
        rules: What makes its rules so, by chain.
        guarded: The chains in which rules may change as they like: others stand in for them.
    """
    batch = Batch()
    batch.emptied = give_way(observed, anew, going)
    _objects(batch, target, observed, anew)
    _flowtables(batch, target, observed, anew)
    _chains(batch, target, observed, anew)
    written = written_sets(rule for chain in target.chains for rule in compiled(chain))
    _sets(batch, target, observed, anew, written)
    batch.rules = {
        name: [*ops] if name in guarded else put_ahead(ops) for name, ops in rules.items()
    }
    changed = {op.part.name for op in batch.made if isinstance(op, AddChain | UpdateChain)}
    batch.shut = shut(
        each for each in target.chains if each.name in changed and each.name not in guarded
    )
    if not any(map(_some_ahead, batch.rules.values())):
        # Else rules are left until the next round, and what they use with them.
        _delete(batch.deleted, target, observed, anew, going)
    return batch


def _some_ahead(ops: Iterable[NetfilterOp]) -> bool:
    return any(isinstance(op, AddRule) and op.ahead for op in ops)


def _objects(batch: Batch, desired: Table, observed: ObservedTable, anew: Anew) -> None:
    for each in desired.objects:
        there = observed.objects.get(each.key)
        if there is None or each.key in anew.objects:
            batch.made.append(AddObject(each))
        elif each.body != there.object.body and each.type == OBJECT_TYPES["quota"]:
            batch.made.append(UpdateObject(each, each.body))


def _flowtables(batch: Batch, desired: Table, observed: ObservedTable, anew: Anew) -> None:
    for each in desired.flowtables:
        if each.name not in observed.flowtables or each.name in anew.flowtables:
            batch.made.append(AddFlowtable(each))


def _chains(batch: Batch, desired: Table, observed: ObservedTable, anew: Anew) -> None:
    for each in desired.chains:
        there = observed.chains.get(each.name)
        if there is None or each.name in anew.chains:
            batch.made.append(AddChain(each))
        elif each.policy != there.head.chain.policy:
            batch.made.append(UpdateChain(each))


def _sets(
    batch: Batch, desired: Table, observed: ObservedTable, anew: Anew, written: Container[str]
) -> None:
    kept = {"", *(each.key for each in desired.chains), *(each.key for each in desired.objects)}
    for each in desired.sets:
        there = observed.sets.get(each.name)
        if there is None or each.name in anew.sets:
            batch.made.append(AddSet(each))
            if each.elements:
                batch.elements.append(AddElements(each, each.elements))
            continue
        old = there.set
        if set_update(each, old) and each.name not in anew.unmoved:
            batch.made.append(UpdateSet(each))
        alive = old.dynamic or each.name in written
        draft_elements(batch.elements, each, old, alive=alive, kept=kept)


def _delete(
    ops: list[NetfilterOp],
    desired: Table,
    observed: ObservedTable,
    anew: Anew,
    going: Mapping[str, Sequence[ObservedRule]],
) -> None:
    chains = _not_in(observed.chains, desired.chains)
    for name in chains:
        count = len(observed.chains[name].rules)
        if len(going.get(name, ())) < count:
            ops.append(FlushChain(name, count))
    sets = (name for name in _not_in(observed.sets, desired.sets) if name not in anew.sets)
    ops += [DeleteSet(observed.sets[name].set) for name in sets]
    ops += [DeleteChain(observed.chains[name].head.chain) for name in chains]
    wanted = {each.key for each in desired.objects}
    ops += [
        DeleteObject(each.object) for key, each in observed.objects.items() if key not in wanted
    ]
    ops += [
        DeleteFlowtable(observed.flowtables[name].flowtable)
        for name in _not_in(observed.flowtables, desired.flowtables)
    ]


def _not_in(observed: Iterable[str], desired: Iterable[Any]) -> list[str]:
    names = {each.name for each in desired}
    return [name for name in observed if name not in names]
