"""The tables of our record that are desired no more: pure."""

from __future__ import annotations

from typing import Final

from ..._core.ownership import Ownership
from ..desired import Table
from ..desired.families import FAMILIES
from ..observed import Observed
from ..ops import DeleteTable

__all__ = ["draft_leftover", "tables_of"]

_WORDS: Final = 3
"""Of the key of a table: `table inet fw`; a name may have spaces."""


def tables_of(owned: Ownership) -> set[tuple[str, str]]:
    """The families and names of the tables in a record."""
    parts = (key.split(" ", _WORDS - 1) for key in owned)
    return {
        (part[1], part[2])
        for part in parts
        if len(part) == _WORDS and part[0] == "table" and part[1] in FAMILIES
    }


def draft_leftover(
    desired: Table | None, observed: Observed, owned: Ownership, replaced: str = ""
) -> tuple[list[DeleteTable], frozenset[str]]:
    """The ops that delete the tables of our record that are desired no more, and what is stale.

    A table of that name which is not ours, or which another program owns now, is left alone.

    Args:
        desired: The table that is desired.
        observed: What is there.
        owned: Our record.
        replaced: The key of a table that goes too, whoever made it; empty for none.
    """
    others = dict.fromkeys(key for key in owned if desired is None or key != desired.key)
    if replaced:
        others[replaced] = None
    deleted = [
        DeleteTable(table.family, table.head.name, table.head.handle)
        for key in others
        if (table := observed.tables.get(key)) is not None
        and (table.head.ours or key == replaced)
        and table.head.owner in {0, observed.port}
    ]
    return deleted, frozenset(others) - {op.key for op in deleted}
