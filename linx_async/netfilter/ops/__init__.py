"""The changes to a table: one class a message of nf_tables."""

from __future__ import annotations

from typing import TypeAlias

from .parts import (
    AddChain,
    AddElements,
    AddFlowtable,
    AddObject,
    AddSet,
    DeleteChain,
    DeleteElements,
    DeleteFlowtable,
    DeleteObject,
    DeleteSet,
    UpdateChain,
    UpdateObject,
    UpdateSet,
)
from .rules import AddRule, DeleteRule, FlushChain, MoveRule, ReplaceRule
from .tables import AddTable, AdoptTable, DeleteTable

__all__ = [
    "AddChain",
    "AddElements",
    "AddFlowtable",
    "AddObject",
    "AddRule",
    "AddSet",
    "AddTable",
    "AdoptTable",
    "DeleteChain",
    "DeleteElements",
    "DeleteFlowtable",
    "DeleteObject",
    "DeleteRule",
    "DeleteSet",
    "DeleteTable",
    "FlushChain",
    "MoveRule",
    "NetfilterOp",
    "ReplaceRule",
    "UpdateChain",
    "UpdateObject",
    "UpdateSet",
]

NetfilterOp: TypeAlias = (
    AddTable
    | AdoptTable
    | DeleteTable
    | AddChain
    | UpdateChain
    | DeleteChain
    | AddSet
    | UpdateSet
    | DeleteSet
    | AddElements
    | DeleteElements
    | AddObject
    | UpdateObject
    | DeleteObject
    | AddFlowtable
    | DeleteFlowtable
    | AddRule
    | ReplaceRule
    | MoveRule
    | DeleteRule
    | FlushChain
)
"""One change to a table."""
