"""What a rule looks up in sets and maps: a field, or several together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from attrs import frozen

from ..._core.checks import wrong
from . import members
from .matches import Match

if TYPE_CHECKING:
    from .fields import Field
    from .verdicts import Verdict

__all__ = ["Key", "Mapped"]


class Key:
    """What can be looked up in sets and maps."""

    __slots__ = ()

    name: str
    """What nft calls it."""

    def parts(self) -> tuple[Field, ...]:
        """The fields that it consists of."""
        raise NotImplementedError

    def in_(self, *values: Any) -> Match:
        """It is one of these: a set of the rule's own, as in nft's `tcp dport { 22, 80-90 }`.

        A value may be a range, as a pair of the first and the last, or a network; of several fields
        together it is a tuple of a value for each. One value alone is compared, as with `==`.

        Raises:
            DesiredStateError: There is none, or one is wrong.
        """
        return members.membership(self, values, negated=False)

    def not_in(self, *values: Any) -> Match:
        """It is none of these, as in nft's `tcp dport != { 22, 80 }`; values as of `in_`."""
        return members.membership(self, values, negated=True)

    def in_set(self, name: str) -> Match:
        """It is in a set of the table, as in nft's `ip saddr @blocked`."""
        return members.Lookup(self, name)

    def not_in_set(self, name: str) -> Match:
        """It is not in a set of the table, as in nft's `ip saddr != @blocked`."""
        return members.Lookup(self, name, negated=True)

    def vmap(self, verdicts: Mapping[Any, Verdict] | str) -> members.VerdictMap:
        """What becomes of the packet, as in nft's `tcp dport vmap { 22 : accept }`.

        Args:
            verdicts: A verdict for each value (as of `in_`), and with `"*"` one for all others; or
                the name of a map of the table.
        """
        return members.VerdictMap(self, verdicts)

    def map(self, values: Mapping[Any, Any] | str) -> Mapped:
        """A value for each of its own, for statements that take one: `dnat(tcp.dport.map({…}))`.

        Args:
            values: A value for each (as of `in_`), or the name of a map of the table.
        """
        if not isinstance(values, str | Mapping) or not values:
            raise wrong(f"{self.name} map", f"expected values or a map's name, got {values!r:.200}")
        return Mapped(self, values if isinstance(values, str) else tuple(values.items()))


@frozen(eq=False)
class Mapped:
    """What a map has for a field.

    Attributes:
        key: The field, or several.
        values: The name of a map, or keys and values.
    """

    key: Key
    values: str | tuple[tuple[Any, Any], ...]
