"""What a table should have, checked as it is written down."""

from __future__ import annotations

from .chain import Chain
from .element import Element
from .elements import Elements, Rest
from .flowtable import Flowtable
from .keys import KeyType
from .objects import Object
from .rule import Draft, Rule, Text
from .sets import Set
from .table import Table

__all__ = [
    "Chain",
    "Draft",
    "Element",
    "Elements",
    "Flowtable",
    "KeyType",
    "Object",
    "Rest",
    "Rule",
    "Set",
    "Table",
    "Text",
]
