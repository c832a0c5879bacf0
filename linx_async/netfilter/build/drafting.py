"""A rule that is being put together, for a table of a family."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any, Final

from ..._core.checks import wrong
from ..codec.expression_abi import Meta
from ..codec.expressions import joined as body_of
from ..codec.key_abi import MetaKey
from ..codec.op_abi import CmpOp
from ..codec.words import be32
from ..desired.rule import Rule
from ..desired.sets import Set
from . import wire
from .layers import Layers
from .steps import Bytes, Other, Step, expressions_of, joined

__all__ = ["Drafting"]

_META_SIZES: Final = {MetaKey.IIFTYPE: 2, MetaKey.PROTOCOL: 2}
_BIG_ENDIAN: Final = {MetaKey.PROTOCOL}


class Drafting:
    """What is known of the rule so far.

    Args:
        family: The family of its table.
        sets: The sets and maps of the table by name.
    """

    def __init__(self, family: str, sets: Mapping[str, Set]) -> None:
        self.family = family
        self.layers: Layers = Layers(family, self._meta, self.compare_bytes)
        self._sets = sets
        self._own: list[Set] = []
        self._steps: list[Step] = []

    def compare_bytes(self, step: Bytes) -> None:
        """Add a comparison of the packet's bytes, which may be joined with others."""
        self._steps.append(step)

    def look(self, *expressions: wire.Expression, needless: bool = False) -> None:
        """Add another match; `needless` where the family of the table says it already."""
        self._steps.append(Other(expressions, needless=needless))

    def act(self, *expressions: wire.Expression) -> None:
        """Add a statement."""
        self._steps.append(Other(expressions, acts=True))

    def _meta(self, key: MetaKey, number: int) -> None:
        order: Any = "big" if key in _BIG_ENDIAN else sys.byteorder
        value = number.to_bytes(_META_SIZES.get(key, 1), order)
        values: dict[int, bytes] = {Meta.DREG: wire.register(0), Meta.KEY: be32(key)}
        self.look(wire.expression("meta", values), wire.compare(CmpOp.EQ, value))

    def own(self, value: Set) -> str:
        """The name of a set that is the rule's own."""
        self._own.append(value)
        return f"__set{len(self._own) - 1}"

    def declared(self, name: str, what: str) -> Set:
        """A set of the table.

        Raises:
            DesiredStateError: There is none of that name.
        """
        found = self._sets.get(name)
        if found is None:
            known = ", ".join(self._sets) or "none"
            raise wrong(what, f"the table has no set or map {name!r}; it has {known}")
        return found

    def rule(self, comment: str | None) -> Rule:
        """The rule in the kernel's terms."""
        expressions = expressions_of(joined(self._steps))
        return Rule(body_of(expressions), comment, self._own)
