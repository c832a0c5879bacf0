"""The ops on chains, sets, elements, objects and flowtables of a table."""

from __future__ import annotations

from typing import Any

from attrs import field, frozen

from ..._core.ops import NOTHING, Create, Delete, Update
from ..desired import Chain, Elements, Flowtable, Object, Set

__all__ = [
    "AddChain",
    "AddElements",
    "AddFlowtable",
    "AddObject",
    "AddSet",
    "DeleteChain",
    "DeleteElements",
    "DeleteFlowtable",
    "DeleteObject",
    "DeleteSet",
    "UpdateChain",
    "UpdateObject",
    "UpdateSet",
]


@frozen
class _Part:
    """An op on a part of a table, which it has whole."""

    part: Any
    requires = NOTHING

    @property
    def key(self) -> str:
        """The part's key in its table."""
        return str(self.part.key)


@frozen
class AddChain(_Part, Create):
    """Add a chain, without its rules (NFT_MSG_NEWCHAIN, NLM_F_EXCL)."""

    part: Chain

    def __str__(self) -> str:
        chain = self.part
        if not chain.is_base:
            return f"add {chain.key}"
        at = f"{chain.type} hook {chain.hook} priority {chain.priority}"
        return f"add {chain.key} ({at}, policy {chain.policy})"


@frozen
class UpdateChain(_Part, Update):
    """Change the policy of a chain (NFT_MSG_NEWCHAIN)."""

    part: Chain

    def __str__(self) -> str:
        return f"set the policy of {self.part.key} to {self.part.policy}"


@frozen
class DeleteChain(_Part, Delete):
    """Delete a chain, the rules of which are gone already (NFT_MSG_DELCHAIN)."""

    part: Chain

    def __str__(self) -> str:
        return f"delete {self.part.key}"


@frozen
class AddSet(_Part, Create):
    """Add a set or map, without its elements (NFT_MSG_NEWSET, NLM_F_EXCL)."""

    part: Set

    def __str__(self) -> str:
        return f"add {_named(self.part)}"


@frozen
class UpdateSet(_Part, Update):
    """Change how long elements stay in a set, and how many it may have (NFT_MSG_NEWSET)."""

    part: Set

    def __str__(self) -> str:
        return f"change the timeout and size of {_named(self.part)}"


@frozen
class DeleteSet(_Part, Delete):
    """Delete a set or map that no rule uses any more (NFT_MSG_DELSET)."""

    part: Set

    def __str__(self) -> str:
        return f"delete {_named(self.part)}"


@frozen
class _OnElements:
    """An op on elements of a set.

    Attributes:
        set: The set.
        elements: The elements, by key.
    """

    set: Set
    elements: Elements = field(repr=False)
    requires = NOTHING

    @property
    def key(self) -> str:
        """The elements' key in their table."""
        return f"elements of {self.set.key}"


@frozen
class AddElements(_OnElements, Create):
    """Add elements to a set (NFT_MSG_NEWSETELEM).

    Attributes:
        set: The set.
        elements: The elements, by key.
    """

    def __str__(self) -> str:
        return f"add {_counted(self.elements)} to {_named(self.set)}"


@frozen
class DeleteElements(_OnElements, Delete):
    """Delete elements of a set (NFT_MSG_DELSETELEM).

    Attributes:
        set: The set.
        elements: The elements, by key.
    """

    def __str__(self) -> str:
        return f"delete {_counted(self.elements)} of {_named(self.set)}"


@frozen
class AddObject(_Part, Create):
    """Add a counter, quota, limit or other object (NFT_MSG_NEWOBJ, NLM_F_EXCL)."""

    part: Object

    def __str__(self) -> str:
        return f"add {self.part.key}"


@frozen
class UpdateObject(_Part, Update):
    """Change a quota (NFT_MSG_NEWOBJ).

    Attributes:
        body: What it is told, with what was consumed of it.
    """

    part: Object
    body: bytes = field(repr=False)

    def __str__(self) -> str:
        return f"change {self.part.key}"


@frozen
class DeleteObject(_Part, Delete):
    """Delete an object that no rule and no map uses any more (NFT_MSG_DELOBJ)."""

    part: Object

    def __str__(self) -> str:
        return f"delete {self.part.key}"


@frozen
class AddFlowtable(_Part, Create):
    """Add a flowtable (NFT_MSG_NEWFLOWTABLE, NLM_F_EXCL)."""

    part: Flowtable

    def __str__(self) -> str:
        return f"add {self.part.key} ({', '.join(self.part.devices)})"


@frozen
class DeleteFlowtable(_Part, Delete):
    """Delete a flowtable that no rule uses any more (NFT_MSG_DELFLOWTABLE)."""

    part: Flowtable

    def __str__(self) -> str:
        return f"delete {self.part.key}"


def _named(value: Set) -> str:
    return f"{'map' if value.is_map else 'set'} {value.name}"


def _counted(elements: Elements) -> str:
    return "1 element" if len(elements) == 1 else f"{len(elements):,} elements"
