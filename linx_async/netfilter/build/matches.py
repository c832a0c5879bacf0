"""Matches: a rule goes on where they are true of the packet."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Network
from typing import TYPE_CHECKING, Any, Final

from attrs import evolve, frozen

from ..._core.checks import Checked, unchecked, wrong
from ..codec.expression_abi import Meta
from ..codec.key_abi import MetaKey
from ..codec.op_abi import CmpOp, RangeOp
from ..codec.words import u32_of
from . import wire
from .steps import Bytes
from .terms import Term

if TYPE_CHECKING:
    from .drafting import Drafting
    from .fields import Field

__all__ = [
    "Comparison",
    "FlagTest",
    "Match",
    "Prefix",
    "Span",
    "comparison",
]

_OPS: Final = {
    "==": CmpOp.EQ,
    "!=": CmpOp.NEQ,
    "<": CmpOp.LT,
    "<=": CmpOp.LTE,
    ">": CmpOp.GT,
    ">=": CmpOp.GTE,
}
_OPPOSITE: Final = {
    CmpOp.EQ: CmpOp.NEQ,
    CmpOp.NEQ: CmpOp.EQ,
    CmpOp.LT: CmpOp.GTE,
    CmpOp.GTE: CmpOp.LT,
    CmpOp.GT: CmpOp.LTE,
    CmpOp.LTE: CmpOp.GT,
}
_EQUALITY: Final = (CmpOp.EQ, CmpOp.NEQ)


class Match(Term):
    """What is true of a packet, or not; `~` turns it round."""

    __slots__ = ()

    def __invert__(self) -> Match:
        """The opposite."""
        raise NotImplementedError

    def __bool__(self) -> bool:
        raise TypeError(
            "a match has no truth value before there is a packet: put matches side by side in a"
            " rule for `and`, use in_() for `or`, and a pair for a range"
        )


@frozen(eq=False)
class Comparison(Match):
    """A field compares so with a value."""

    field: Field
    op: CmpOp
    number: int
    value: bytes

    def draft(self, drafting: Drafting) -> None:
        """Add it to a rule."""
        field = self.field
        start = field.located(drafting)
        if field.header is not None and field.is_plain and self.op == CmpOp.EQ:
            carries = field.teaches in ("type", "protocol")
            place = start + field.offset
            drafting.compare_bytes(Bytes(field.header.base, place, self.value, carries))
        else:
            found = field.loaded(0, start)
            if self.op not in _EQUALITY and field.swaps:
                found.append(wire.to_big_endian(0, field.length))
            drafting.look(
                *found, wire.compare(self.op, self.value), needless=self._needless(drafting)
            )
        if self.op == CmpOp.EQ and field.bits is None:
            learn(field, self.number, drafting)

    def _needless(self, drafting: Drafting) -> bool:
        if self.op != CmpOp.EQ or meta_key(self.field) != MetaKey.PROTOCOL:
            return False
        return drafting.layers.is_always(self.number)

    def __invert__(self) -> Match:
        return evolve(self, op=_OPPOSITE[self.op])


@frozen(eq=False)
class Prefix(Match):
    """The first bits of a field are these."""

    field: Field
    value: bytes
    bits: int
    negated: bool = False

    def draft(self, drafting: Drafting) -> None:
        """Add it to a rule; whole bytes are compared without a mask."""
        field, count = self.field, self.bits // 8
        start = field.located(drafting)
        op = CmpOp.NEQ if self.negated else CmpOp.EQ
        if self.bits % 8 == 0 and count:
            loaded = field.first_loaded(0, start, count)
            drafting.look(loaded, wire.compare(op, self.value[:count]))
            return
        size = field.length
        mask = ((1 << self.bits) - 1 << (size * 8 - self.bits)).to_bytes(size, "big")
        drafting.look(
            field.first_loaded(0, start, size),
            wire.bitwise(0, mask, bytes(size)),
            wire.compare(op, self.value),
        )

    def __invert__(self) -> Match:
        return evolve(self, negated=not self.negated)


@frozen(eq=False)
class Span(Match):
    """A field is from one value to another."""

    field: Field
    first: int
    last: int
    negated: bool = False

    def draft(self, drafting: Drafting) -> None:
        """Add it to a rule."""
        field = self.field
        found = field.loaded(0, field.located(drafting))
        if field.swaps:
            found.append(wire.to_big_endian(0, field.length))
        first, last = (
            field.pack(number << field.shift, ordered=True) for number in (self.first, self.last)
        )
        if self.negated:
            found.append(wire.in_range(RangeOp.NEQ, first, last))
        else:
            found += [wire.compare(CmpOp.GTE, first), wire.compare(CmpOp.LTE, last)]
        drafting.look(*found)

    def __invert__(self) -> Match:
        return evolve(self, negated=not self.negated)


@frozen(init=False, eq=False)
class FlagTest(Match, Checked):
    """One of some flags is set, or none of them."""

    field: Field
    flags: bytes
    negated: bool

    def __init__(self, field: Field, flags: Iterable[str | int], negated: bool = False) -> None:
        if not field.has_flags:
            raise wrong(field.name, "has no flags: compare it, or use in_()")
        if field.bits is not None:
            raise wrong(field.name, "is masked already: compare it")
        number = field.number(tuple(flags))
        if not number:
            raise wrong(field.name, "expected at least one flag")
        self.__attrs_init__(field, field.pack(number), negated)

    def draft(self, drafting: Drafting) -> None:
        """Add it to a rule."""
        nothing = bytes(len(self.flags))
        drafting.look(
            *self.field.loaded(0, self.field.located(drafting)),
            wire.bitwise(0, self.flags, nothing),
            wire.compare(CmpOp.EQ if self.negated else CmpOp.NEQ, nothing),
        )

    def __invert__(self) -> Match:
        return unchecked(FlagTest, self.field, self.flags, not self.negated)


def comparison(field: Field, sign: str, value: Any) -> Match:
    """A field compares so with a value; equality also with ranges, networks and wildcards.

    Raises:
        DesiredStateError: The value is wrong.
    """
    op = _OPS[sign]
    field.compared()
    first, last = field.span(value)
    if op not in _EQUALITY:
        if field.is_text or field.has_flags or first != last:
            raise wrong(field.name, f"{sign!r} makes no sense with {value!r:.100}")
        return Comparison(field, op, first, field.pack(first << field.shift, ordered=True))
    if first == last:
        return Comparison(field, op, first, field.pack(first << field.shift))
    if field.bits is None and _is_prefix(field, value):
        bits = field.length * 8 - (last - first).bit_length()
        return Prefix(field, field.pack(first), bits, op == CmpOp.NEQ)
    return Span(field, first, last, op == CmpOp.NEQ)


def _is_prefix(field: Field, value: Any) -> bool:
    """Whether a range is of all values that begin with the same bits, and written so."""
    if isinstance(value, str):
        return field.is_text or "/" in value
    return isinstance(value, IPv4Network | IPv6Network)


def learn(field: Field, number: int, drafting: Drafting) -> None:
    """What is known of the packet where a field is a number."""
    key = meta_key(field)
    if key is not None:
        drafting.layers.learn_meta(key, number)
    elif field.teaches == "type":
        drafting.layers.learn_type(number)
    elif field.teaches == "protocol":
        drafting.layers.learn_protocol(number)


def meta_key(field: Field) -> MetaKey | None:
    """The key of a field that the kernel keeps with packets."""
    return MetaKey(u32_of(field.attributes[Meta.KEY])) if field.source == "meta" else None
