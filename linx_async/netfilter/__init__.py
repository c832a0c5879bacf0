"""Firewall tables of nf_tables: each owned, and changed as one transaction."""

from __future__ import annotations

from .announcements import Announcement
from .codec.chains import ChainHead, FlowtableHead
from .codec.sets import SetHead
from .codec.tables import ObjectHead, TableHead
from .desired import (
    Chain,
    Element,
    Elements,
    Flowtable,
    KeyType,
    Object,
    Rule,
    Set,
    Table,
    Text,
)
from .desired.elements import Rest
from .diff import Lifetime, diff
from .monitor import Snapshot, monitor
from .observed import Observed, ObservedChain, ObservedRule, ObservedSet, ObservedTable
from .ops import (
    AddChain,
    AddElements,
    AddFlowtable,
    AddObject,
    AddRule,
    AddSet,
    AddTable,
    AdoptTable,
    DeleteChain,
    DeleteElements,
    DeleteFlowtable,
    DeleteObject,
    DeleteRule,
    DeleteSet,
    DeleteTable,
    FlushChain,
    MoveRule,
    NetfilterOp,
    ReplaceRule,
    UpdateChain,
    UpdateObject,
    UpdateSet,
)
from .parsing import compile, parse
from .source import Source
from .texts import RuleError
from .transactions import Lost, Transaction
from .verbs import dry_run, pull, push, reconcile, subscribe

__all__ = [
    "AddChain",
    "AddElements",
    "AddFlowtable",
    "AddObject",
    "AddRule",
    "AddSet",
    "AddTable",
    "AdoptTable",
    "Announcement",
    "Chain",
    "ChainHead",
    "DeleteChain",
    "DeleteElements",
    "DeleteFlowtable",
    "DeleteObject",
    "DeleteRule",
    "DeleteSet",
    "DeleteTable",
    "Element",
    "Elements",
    "Flowtable",
    "FlowtableHead",
    "FlushChain",
    "KeyType",
    "Lifetime",
    "Lost",
    "MoveRule",
    "NetfilterOp",
    "Object",
    "ObjectHead",
    "Observed",
    "ObservedChain",
    "ObservedRule",
    "ObservedSet",
    "ObservedTable",
    "ReplaceRule",
    "Rest",
    "Rule",
    "RuleError",
    "Set",
    "SetHead",
    "Snapshot",
    "Source",
    "Table",
    "TableHead",
    "Text",
    "Transaction",
    "UpdateChain",
    "UpdateObject",
    "UpdateSet",
    "compile",
    "diff",
    "dry_run",
    "monitor",
    "parse",
    "pull",
    "push",
    "reconcile",
    "subscribe",
]
