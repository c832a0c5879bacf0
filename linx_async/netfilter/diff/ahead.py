"""Rules with ranges of their own, put beside what they replace, which goes after them: pure."""

from __future__ import annotations

from attrs import evolve

from ..desired import Rule
from ..desired.rule import compiled
from ..ops import AddRule, DeleteRule, FlushChain, MoveRule, NetfilterOp, ReplaceRule
from .steps import After

__all__ = ["put_ahead"]


def put_ahead(ops: list[NetfilterOp]) -> list[NetfilterOp]:
    """The ops on the rules of a chain, without those that have to wait for the next round.

    The kernel has a set with ranges take effect only after the rules of the transaction do
    (nft_set_commit_update() in nf_tables_commit()): a rule that brings one matches nothing for a
    moment. What it takes the place of stays until then, and the next round of the pass deletes it.

    Args:
        ops: What makes the rules of one chain the desired ones.
    """
    slow = [op for op in ops if _is_slow(op)]
    if not slow or all(isinstance(op, AddRule) for op in ops):
        return ops
    waiting: list[NetfilterOp] = []
    for op in ops:
        match op:
            case DeleteRule() | FlushChain():
                continue
            case ReplaceRule() if _is_slow(op):
                at = After(op.handle)
                waiting.append(AddRule(op.chain, op.index, op.rule, at, op.state, ahead=True))
            case MoveRule() if _is_slow(op):
                added = AddRule(op.chain, op.index, op.rule, op.anchor, op.state, ahead=True)
                waiting.append(added)
            case AddRule() if _is_slow(op):
                waiting.append(evolve(op, ahead=True))
            case _:
                waiting.append(op)
    return waiting


def _is_slow(op: NetfilterOp) -> bool:
    return isinstance(op, AddRule | ReplaceRule | MoveRule) and _has_ranges(op.rule)


def _has_ranges(rule: Rule) -> bool:
    return any(each.interval for each in rule.sets) or any(
        _has_ranges(inner) for chain in rule.chains for inner in compiled(chain)
    )
