"""A field of a packet, or of what the kernel knows of it."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from attrs import evolve, field, frozen

from ..._core.checks import wrong
from ..desired.datatypes import DataType
from ..desired.symbols import FLAGS
from ..desired.values import to_range
from . import matches, wire
from .headers import Header
from .keys import Key

if TYPE_CHECKING:
    from .drafting import Drafting

__all__ = ["Field"]


@frozen(eq=False)
class Field(Key):
    """A field: compared with `==`, `!=`, `<`, `<=`, `>` and `>=`, these are matches, not bools.

    A network, a range as a pair of the first and the last, and with `*` behind it the beginning
    of an interface's name are values too.

    Attributes:
        name: What nft calls it.
        type: Its datatype.
        length: Bytes of it in a register.
        host: Whether it is a number in the byte order of the machine.
        source: The expression that loads it.
        attributes: That expression's attributes, but for the register.
        target: Which of them is the register.
        header: The header that it is in, of one of the packet's own bytes.
        offset: Where in there, in bytes.
        mask: The bits that are its own, where there are others beside them; 0 for all.
        shift: How many bits come after its own.
        teaches: Whether it tells what header follows: `type` of the link layer, `protocol` of the
            network layer.
        typeof: What nft keeps of it beside sets (expr_ops.build_udata in nftables).
        bits: The bits that are kept, and those that are flipped then, where it is masked.
        flipped: Whether some were flipped by `^`; nft flips the value instead where it compares.
    """

    name: str
    type: DataType
    length: int
    host: bool = False
    source: str = "payload"
    attributes: Mapping[int, bytes] = field(factory=dict)
    target: int = 1
    header: Header | None = None
    offset: int = 0
    mask: int = 0
    shift: int = 0
    teaches: str = ""
    typeof: bytes = b""
    bits: tuple[int, int] | None = None
    flipped: bool = False

    def parts(self) -> tuple[Field, ...]:
        """Itself."""
        return (self,)

    @property
    def is_text(self) -> bool:
        """Whether it is text, of which only the beginning may be looked at."""
        return self.type.name == "ifname"

    @property
    def swaps(self) -> bool:
        """Whether its bytes have to be turned for numbers to compare as bytes do."""
        return self.host and not self.is_text and self.length > 1

    @property
    def is_plain(self) -> bool:
        """Whether all of its bytes are looked at."""
        return not self.mask and self.bits is None

    @property
    def has_flags(self) -> bool:
        """Whether several of its values may be set at once."""
        return self.type.name in FLAGS

    def span(self, value: Any) -> tuple[int, int]:
        """The numbers of the first and the last of what is one value or a range; or of flags.

        Raises:
            DesiredStateError: It is none.
        """
        if isinstance(value, list | set | frozenset | dict | Key):
            raise wrong(self.name, f"expected a value, got {value!r:.200}")
        if self.has_flags and isinstance(value, tuple):
            number = 0
            for each in value:
                number |= self.number(each)
            return number, number
        return to_range(value, self.type, self.name, interval=not self.has_flags)

    def number(self, value: Any) -> int:
        """The number that stands for one value; flags may be several.

        Raises:
            DesiredStateError: It is none.
        """
        first, last = self.span(value)
        if first != last:
            raise wrong(self.name, f"expected one value, got {value!r}")
        return first

    def pack(self, number: int, *, ordered: bool = False) -> bytes:
        """A number as the register has it; `ordered` where it is turned to big-endian there."""
        little = self.swaps and not ordered and sys.byteorder == "little"
        return number.to_bytes(self.length, "little" if little else "big")

    def compared(self) -> None:
        """Check that it can be compared, or looked up.

        Raises:
            DesiredStateError: Some of its bits are flipped.
        """
        if self.flipped:
            raise wrong(self.name, "'^' is for set(): flip the bits of the value instead")

    def located(self, drafting: Drafting) -> int:
        """Where its header begins in its layer, of which it is made sure."""
        if self.header is None:
            return 0
        return drafting.layers.offset_of(self.header, self.name)

    def loaded(self, index: int, start: int, *, moved: bool = False) -> list[wire.Expression]:
        """What puts it into a register.

        Args:
            index: The register.
            start: Where its header begins in its layer.
            moved: Whether bits that come after its own go away.
        """
        found = [self.first_loaded(index, start, self.length)]
        if self.mask:
            found.append(wire.bitwise(index, self.pack(self.mask), bytes(self.length)))
            if moved and self.shift:
                found.append(wire.shift_right(index, self.length, self.shift))
        if self.bits is not None:
            found.append(wire.bitwise(index, *map(self.pack, self.bits)))
        return found

    def first_loaded(self, index: int, start: int, length: int) -> wire.Expression:
        """What puts its first bytes into a register; all of them where it is not of the packet."""
        if self.header is not None:
            return wire.load_payload(index, self.header.base, start + self.offset, length)
        values = {**self.attributes, self.target: wire.register(index)}
        return wire.expression(self.source, values)

    def _with(self, mask: int, xor: int, sign: str, other: int) -> Field:
        if self.mask or self.is_text:
            raise wrong(self.name, f"{sign!r} is not for this field: it is no whole number")
        kept, flipped = self.bits or ((1 << self.length * 8) - 1, 0)
        return evolve(
            self, name=f"{self.name} {sign} {other:#x}", bits=(kept & mask, flipped & mask ^ xor)
        )

    def __and__(self, other: Any) -> Field:
        """Its bits that are set in a number as well; flags may be several names."""
        number = self.number(other)
        return self._with(number, 0, "&", number)

    def __or__(self, other: Any) -> Field:
        """Its bits, and those of a number."""
        number = self.number(other)
        return self._with(((1 << self.length * 8) - 1) & ~number, number, "|", number)

    def __xor__(self, other: Any) -> Field:
        """Its bits, those of a number flipped."""
        number = self.number(other)
        return evolve(self._with((1 << self.length * 8) - 1, number, "^", number), flipped=True)

    def __eq__(self, other: object) -> matches.Match:  # type: ignore[override]
        return matches.comparison(self, "==", other)

    def __ne__(self, other: object) -> matches.Match:  # type: ignore[override]
        return matches.comparison(self, "!=", other)

    def __lt__(self, other: Any) -> matches.Match:
        return matches.comparison(self, "<", other)

    def __le__(self, other: Any) -> matches.Match:
        return matches.comparison(self, "<=", other)

    def __gt__(self, other: Any) -> matches.Match:
        return matches.comparison(self, ">", other)

    def __ge__(self, other: Any) -> matches.Match:
        return matches.comparison(self, ">=", other)

    def __hash__(self) -> int:
        return object.__hash__(self)

    def any_of(self, *flags: str | int) -> matches.Match:
        """At least one of these flags is set, as in nft's `ct state established,related`."""
        return matches.FlagTest(self, flags)

    def none_of(self, *flags: str | int) -> matches.Match:
        """None of these flags is set, as in nft's `tcp flags ! fin,rst`."""
        return matches.FlagTest(self, flags, negated=True)
