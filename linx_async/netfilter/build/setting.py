"""Fields that a rule can also set: marks, the priority, the conntrack zone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import fields, frozen

from ..._core.checks import wrong
from ..desired.datatypes import DATATYPES
from ..desired.names import check_name
from . import wire
from .fields import Field
from .keys import Mapped
from .lookups import check_named, load_key, own_map
from .terms import Term

if TYPE_CHECKING:
    from .drafting import Drafting

__all__ = ["Assignment", "Settable", "load_mapped"]


@frozen(eq=False)
class Settable(Field):
    """A field that can be set, with `set`.

    Attributes:
        origin: The attribute that says from which register.
    """

    origin: int = 0

    @classmethod
    def of(cls, field: Field, origin: int) -> Settable:
        """A field that is set by way of that attribute."""
        values = {each.name: getattr(field, each.name) for each in fields(Field)}
        return cls(**values, origin=origin)

    def set(self, value: Any) -> Assignment:
        """Set it, as nft's `meta mark set 1`.

        Args:
            value: A value; or another field of the same length, perhaps with `&`, `|` and `^`; or
                what a map has: `tcp.dport.map({22: 1})`.

        Raises:
            DesiredStateError: It cannot be had from there.
        """
        if self.bits is not None:
            raise wrong(self.name, "set the whole field: mark.set(mark & 0xff | 0x100)")
        if isinstance(value, Mapped):
            if self.type.name not in DATATYPES:
                raise wrong(self.name, "cannot be set to what a map has: nft has no name for it")
            if not isinstance(value.values, str):
                own_map(value.key, value.values, self.type.name)
            return Assignment(self, value)
        if isinstance(value, Field):
            if value.type.number != self.type.number:
                raise wrong(self.name, f"is a {self.type.name}, and {value.name} is not")
            return Assignment(self, value)
        return Assignment(self, self.pack(self.number(value)))


@frozen(eq=False)
class Assignment(Term):
    """A field is set to a value, to another field, or to what a map has."""

    field: Settable
    value: bytes | Field | Mapped

    def draft(self, drafting: Drafting) -> None:
        """Add it to a rule."""
        field, value = self.field, self.value
        if isinstance(value, bytes):
            found = [wire.immediate(0, wire.data_of(value))]
        elif isinstance(value, Mapped):
            found = load_mapped(value, field.type.name, drafting)
        else:
            found = value.loaded(0, value.located(drafting))
        values = {**field.attributes, field.origin: wire.register(0)}
        drafting.act(*found, wire.expression(field.source, values))


def load_mapped(value: Mapped, data: str, drafting: Drafting) -> list[wire.Expression]:
    """What puts what a map has into the first register.

    Args:
        value: The map.
        data: nft's names of the datatypes of what it has.
        drafting: The rule.

    Raises:
        DesiredStateError: It has something else.
    """
    if isinstance(value.values, str):
        name = check_name(value.values, f"{value.key.name} map")
        used = drafting.declared(name, value.key.name)
        check_named(value.key, used, data)
        found = load_key(value.key, used, drafting)
    else:
        used = own_map(value.key, value.values, data)
        found = load_key(value.key, used, drafting)
        name = drafting.own(used)
    return [*found, wire.lookup(name, into=0)]
