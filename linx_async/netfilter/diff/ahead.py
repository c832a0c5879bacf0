"""Rules with ranges of their own, put beside what they replace, which goes after them: pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from attrs import evolve

from ..ops import AddRule, DeleteRule, FlushChain, MoveRule, NetfilterOp, ReplaceRule
from .slow import is_slow_rule
from .steps import After

__all__ = ["are_mixed", "have_slow", "put_ahead"]

_COMING = AddRule | MoveRule | ReplaceRule


def have_slow(ops: Iterable[NetfilterOp]) -> bool:
    """Whether any rule that comes has ranges of its own."""
    return any(isinstance(op, _COMING) and is_slow_rule(op.rule) for op in ops)


def are_mixed(ops: Iterable[NetfilterOp]) -> bool:
    """Whether some of the rules that come have ranges of their own, and others have none."""
    return len({is_slow_rule(op.rule) for op in ops if isinstance(op, _COMING)}) > 1


def put_ahead(ops: Sequence[NetfilterOp]) -> list[NetfilterOp]:
    """The ops on the rules of a chain, without those that have to wait for the next round.

    A rule with ranges matches nothing for a moment (`slow`). What it takes the place of stays until
    then, and the next round of the pass deletes it: the old rules are all there in their order, and
    the new ones in theirs, so that a packet meets the verdict of the old ones or of the new.

    Args:
        ops: What makes the rules of one chain the desired ones; they are not mixed.
    """
    if not have_slow(ops) or all(isinstance(op, AddRule) for op in ops):
        return [*ops]
    waiting: list[NetfilterOp] = []
    for op in ops:
        match op:
            case DeleteRule() | FlushChain():
                continue
            case ReplaceRule():
                at = After(op.handle)
                waiting.append(AddRule(op.chain, op.index, op.rule, at, op.state, ahead=True))
            case MoveRule():
                added = AddRule(op.chain, op.index, op.rule, op.anchor, op.state, ahead=True)
                waiting.append(added)
            case AddRule():
                waiting.append(evolve(op, ahead=True))
            case _:
                waiting.append(op)
    return waiting
