"""Several fields that are looked up together."""

from __future__ import annotations

from typing import Final

from attrs import frozen

from ..._core.checks import wrong
from .fields import Field
from .keys import Key
from .lookups import check_movable

__all__ = ["Concatenation", "concat"]

_MOST_FIELDS: Final = 5  # their types share 32 bits, 6 each
_MOST_BYTES: Final = 64  # NFT_DATA_VALUE_MAXLEN


@frozen(eq=False)
class Concatenation(Key):
    """Several fields, which are looked up together.

    Attributes:
        name: What nft calls it.
        fields: The fields.
    """

    name: str
    fields: tuple[Field, ...]

    def parts(self) -> tuple[Field, ...]:
        """The fields that it consists of."""
        return self.fields


def concat(*fields: Field) -> Concatenation:
    """Several fields, to be looked up together: `ip saddr . tcp dport` in nft(8).

    Raises:
        DesiredStateError: There are fewer than two or more than five, or one cannot be there.
    """
    if not 2 <= len(fields) <= _MOST_FIELDS:
        raise wrong("concat", f"expected 2 to {_MOST_FIELDS} fields, got {len(fields)}")
    for each in fields:
        if not isinstance(each, Field):
            raise wrong("concat", f"expected fields, got {each!r:.200}")
        check_movable(each)
    if sum((each.length + 3) & ~3 for each in fields) > _MOST_BYTES:
        raise wrong("concat", f"has more than {_MOST_BYTES} bytes")
    return Concatenation(" . ".join(each.name for each in fields), fields)
