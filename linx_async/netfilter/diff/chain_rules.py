"""The ops on the rules of one chain: pure."""

from __future__ import annotations

from collections.abc import Sequence

from ..desired import Rule
from ..observed import ObservedRule
from ..ops import AddRule, DeleteRule, FlushChain, MoveRule, NetfilterOp, ReplaceRule
from .ahead import put_ahead
from .matching import matched
from .order import Listed, Placed, edit_script
from .steps import Delete, Flush, Insert, Last, Move, Replace

__all__ = ["added_again", "draft_rules"]


def draft_rules(
    chain: str, desired: Sequence[Rule], observed: Sequence[ObservedRule]
) -> list[NetfilterOp]:
    """What makes the rules of a chain the desired ones, in the order in which it is sent.

    Args:
        chain: The chain's name.
        desired: The rules that should be there.
        observed: Those that are.
    """
    if len(desired) == len(observed) and all(
        each is there.rule or each == there.rule
        for each, there in zip(desired, observed, strict=True)
    ):
        return []
    script = edit_script(_placed(observed), _listed(desired))
    by_handle = {each.handle: each for each in observed}
    carried = script.carried
    ops: list[NetfilterOp] = []

    def state(index: int) -> bytes:
        return observed[carried[index]].raw if index in carried else b""

    for step in script.steps:
        match step:
            case Insert(index, anchor):
                ops.append(AddRule(chain, index, desired[index], anchor, state(index)))
            case Replace(handle, index):
                ops.append(ReplaceRule(chain, index, desired[index], handle, state(index)))
            case Move(handle, index, anchor):
                ops.append(MoveRule(chain, index, desired[index], handle, anchor, state(index)))
            case Delete(handle):
                ops.append(DeleteRule(chain, handle, by_handle[handle].rule))
            case Flush():
                ops.append(FlushChain(chain, len(observed)))
    return put_ahead(ops)


def added_again(
    chain: str, desired: Sequence[Rule], observed: Sequence[ObservedRule]
) -> list[NetfilterOp]:
    """All rules of a chain that was flushed; those that were there go on counting."""
    placed, listed = _placed(observed), _listed(desired)
    rows = range(len(observed))
    pairs = matched(placed, listed, rows, range(len(desired)))
    states = {column: observed[row].raw for row, column in pairs}
    last = Last()
    return [
        AddRule(chain, index, rule, last, states.get(index, b""))
        for index, rule in enumerate(desired)
    ]


def _placed(observed: Sequence[ObservedRule]) -> Placed:
    return Placed(
        tuple(each.rule for each in observed),
        tuple(each.rule.comment for each in observed),
        handles=tuple(each.handle for each in observed),
    )


def _listed(desired: Sequence[Rule]) -> Listed:
    return Listed(tuple(desired), tuple(rule.comment for rule in desired))
