"""The ops on the rules of one chain: pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from ..codec.expressions import renamed
from ..desired import Rule
from ..observed import ObservedRule
from ..ops import AddRule, DeleteRule, FlushChain, MoveRule, NetfilterOp, ReplaceRule
from .matching import matched
from .order import Listed, Placed, edit_script
from .steps import Delete, Flush, Insert, Move, Replace

__all__ = ["draft_rules"]

_NONE: Final[Mapping[str, str]] = {}


def draft_rules(
    chain: str,
    desired: Sequence[Rule],
    observed: Sequence[ObservedRule],
    gone: Sequence[ObservedRule] = (),
    stand_ins: Mapping[str, str] = _NONE,
) -> list[NetfilterOp]:
    """What makes the rules of a chain the desired ones, in the order in which it is sent.

    Args:
        chain: The chain's name.
        desired: The rules that should be there.
        observed: Those that are.
        gone: Those that are deleted before; where they are desired, they go on counting.
        stand_ins: The sets for which others stand in, by the names of these: a rule that uses the
            one is known again when it uses the other.
    """
    if len(desired) == len(observed) and all(
        each is there.rule or each == there.rule
        for each, there in zip(desired, observed, strict=True)
    ):
        return []
    wanted = _listed(desired, stand_ins)
    script = edit_script(_placed(observed, stand_ins), wanted)
    by_handle = {each.handle: each for each in observed}
    states = {column: observed[row].raw for column, row in script.carried.items()}
    if gone:
        new = (step.index for step in script.steps if isinstance(step, Insert))
        columns = sorted(index for index in new if index not in states)
        pairs = matched(_placed(gone, stand_ins), wanted, range(len(gone)), columns)
        states |= {column: gone[row].raw for row, column in pairs}
    ops: list[NetfilterOp] = []
    for step in script.steps:
        match step:
            case Insert(index, anchor):
                rule, state = desired[index], states.get(index, b"")
                ops.append(AddRule(chain, index, rule, anchor, state))
            case Replace(handle, index):
                rule, state = desired[index], states.get(index, b"")
                ops.append(ReplaceRule(chain, index, rule, handle, state))
            case Move(handle, index, anchor):
                rule, state = desired[index], states.get(index, b"")
                ops.append(MoveRule(chain, index, rule, handle, anchor, state))
            case Delete(handle):
                ops.append(DeleteRule(chain, handle, by_handle[handle].rule))
            case Flush():
                ops.append(FlushChain(chain, len(observed)))
    return ops


def _placed(observed: Sequence[ObservedRule], stand_ins: Mapping[str, str]) -> Placed:
    return Placed(
        tuple(each.rule for each in observed),
        tuple(_tag(each.rule, stand_ins) for each in observed),
        handles=tuple(each.handle for each in observed),
    )


def _listed(desired: Sequence[Rule], stand_ins: Mapping[str, str]) -> Listed:
    return Listed(tuple(desired), tuple(_tag(rule, stand_ins) for rule in desired))


def _tag(rule: Rule, stand_ins: Mapping[str, str]) -> str | None:
    """What a rule is known by when it changes."""
    if rule.comment is None and stand_ins:
        return renamed(rule.body, stand_ins).hex()
    return rule.comment
