"""What takes effect only a moment after the transaction that brings it: pure."""

from __future__ import annotations

from ..desired import Rule, Set, Table
from ..desired.rule import compiled

__all__ = ["is_slow_rule", "is_slow_set", "is_slow_table"]


def is_slow_set(value: Set) -> bool:
    """Whether a set, when it is made, matches nothing for a moment after its rules are active.

    The kernel has what it stores as ranges take effect only after the rules of the transaction
    (nft_set_commit_update() comes last in nf_tables_commit()).
    """
    return value.interval and bool(value.elements)


def is_slow_rule(rule: Rule) -> bool:
    """Whether a rule brings such a set of its own."""
    return any(map(is_slow_set, rule.sets)) or any(
        is_slow_rule(inner) for chain in rule.chains for inner in compiled(chain)
    )


def is_slow_table(table: Table) -> bool:
    """Whether a table has any such sets or rules."""
    return any(map(is_slow_set, table.sets)) or any(
        is_slow_rule(rule) for chain in table.chains for rule in compiled(chain)
    )
