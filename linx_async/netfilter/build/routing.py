"""Looks into the routing tables with what a packet has."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from attrs import evolve, frozen

from ..._core.checks import one_of, wrong
from ..codec.expression_abi import Fib
from ..codec.key_abi import FibFlag, FibResult
from ..codec.words import be32
from ..desired.datatypes import DATATYPES
from . import typeof
from .fields import Field
from .matches import Match

__all__ = ["FibLookup", "fib"]

_STRING: Final = 5  # TYPE_STRING in nftables' datatype.h: nft does not take it for an interface's
_FIB: Final = 26  # enum expr_types in nftables' expression.h
_FIB_WORDS: Final = {
    "saddr": FibFlag.SADDR,
    "daddr": FibFlag.DADDR,
    "mark": FibFlag.MARK,
    "iif": FibFlag.IIF,
    "oif": FibFlag.OIF,
}


@frozen
class FibLookup:
    """A look into the routing tables, with some of what a packet has.

    Attributes:
        flags: What of the packet is looked up (NFTA_FIB_F_*).
        words: The same in nft's words.
    """

    flags: int
    words: str

    def _field(self, result: FibResult, name: str, kind: str) -> Field:
        found = DATATYPES[kind]
        return Field(
            f"fib {self.words} {name}",
            found,
            found.length,
            True,
            "fib",
            {Fib.RESULT: be32(result), Fib.FLAGS: be32(self.flags)},
            Fib.DREG,
            typeof=typeof.packed(_FIB, (0, result), (1, self.flags)),
        )

    @property
    def type(self) -> Field:
        """What kind of address it is: `local`, `unicast`, `broadcast` and so on."""
        return self._field(FibResult.ADDRTYPE, "type", "fib_addrtype")

    @property
    def oif(self) -> Field:
        """The index of the interface that the route has."""
        return self._field(FibResult.OIF, "oif", "iface_index")

    @property
    def oifname(self) -> Field:
        """The name of the interface that the route has."""
        field = self._field(FibResult.OIFNAME, "oifname", "ifname")
        return evolve(field, type=evolve(field.type, number=_STRING))

    def exists(self) -> Match:
        """There is a route, as nft's `fib saddr . iif oif exists`."""
        return self._present == 1

    def missing(self) -> Match:
        """There is none: what comes from there came the wrong way."""
        return self._present == 0

    @property
    def _present(self) -> Field:
        field = self._field(FibResult.OIF, "oif", "iface_index")
        flags = be32(self.flags | FibFlag.PRESENT)
        return evolve(
            field, attributes={Fib.RESULT: be32(FibResult.OIF), Fib.FLAGS: flags}, typeof=b""
        )


def fib(*words: str) -> FibLookup:
    """A look into the routing tables, as nft's `fib saddr . iif`.

    The kernel's part of it is net/netfilter/nft_fib.c.

    Args:
        words: What of the packet is looked up: `saddr` or `daddr`, and some of `mark`, `iif`,
            `oif`.

    Raises:
        DesiredStateError: One is none of these, or there is no address, or both.
    """
    return FibLookup(_fib_flags(words), " . ".join(words))


def _fib_flags(words: Iterable[str]) -> int:
    flags = 0
    for word in words:
        flags |= _FIB_WORDS[one_of(word, "fib", _FIB_WORDS)]
    if bool(flags & FibFlag.SADDR) == bool(flags & FibFlag.DADDR):
        raise wrong("fib", "expected either saddr or daddr")
    if flags & FibFlag.IIF and flags & FibFlag.OIF:
        raise wrong("fib", "expected at most one of iif and oif")
    return flags
