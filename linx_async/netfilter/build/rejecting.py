"""Refusing packets so that the sender learns of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from attrs import frozen

from ..._core.checks import one_of, wrong
from ..codec.op_abi import RejectType
from ..codec.statement_abi import Reject
from ..codec.words import be32
from ..desired.symbols import SYMBOLS
from . import wire
from .headers import IP, IP6, TCP
from .terms import Term

if TYPE_CHECKING:
    from .drafting import Drafting

__all__ = ["Rejection", "reject"]

_RESET: Final = "tcp reset"
_CODES: Final = {
    word: {f"{word} {name}": code for name, code in SYMBOLS[f"{word}_code"].items()}
    for word in ("icmp", "icmpv6", "icmpx")
}
_WORDS: Final = {
    _RESET: ("tcp", 0),
    **{name: (word, code) for word, codes in _CODES.items() for name, code in codes.items()},
}
_SINGLE: Final = {"ip": IP, "ip6": IP6}
_HEADERS: Final = {"icmp": IP, "icmpv6": IP6}
_UNREACHABLE: Final = {IP: 3, IP6: 4}
"""The codes for an unreachable port in ICMP and ICMPv6."""
_UNREACHABLE_EITHER: Final = 1


@frozen(eq=False)
class Rejection(Term):
    """A packet is dropped, and its sender told.

    Attributes:
        how: `tcp` for a reset, `icmp`, `icmpv6`, `icmpx` for either, or None for what fits.
        code: The code of the message.
    """

    how: str | None
    code: int

    def ends(self) -> bool:
        """Whether nothing that comes after it would ever be reached."""
        return True

    def draft(self, drafting: Drafting) -> None:
        """Add it to a rule."""
        if drafting.family == "arp":
            raise wrong("reject", "a table of family arp has none")
        known = drafting.layers.network
        kind, code = RejectType.ICMP_UNREACH, self.code
        if self.how is None:
            known = _SINGLE.get(drafting.family, known)
            if known is not None and known in _UNREACHABLE:
                code = _UNREACHABLE[known]
            elif known is None:
                kind, code = RejectType.ICMPX_UNREACH, _UNREACHABLE_EITHER
            else:
                raise wrong("reject", f"the rule is about {known.name}, which has no way to tell")
        elif self.how == "tcp":
            kind = RejectType.TCP_RST
            drafting.layers.offset_of(TCP, "reject with tcp reset")
        elif self.how == "icmpx":
            kind = RejectType.ICMPX_UNREACH
            if drafting.family in _SINGLE:
                raise wrong("reject", f"icmpx is not for tables of family {drafting.family}")
        else:
            drafting.layers.offset_of(_HEADERS[self.how], f"reject with {self.how}")
        values: dict[int, bytes] = {Reject.TYPE: be32(kind)}
        if kind != RejectType.TCP_RST:
            values[Reject.ICMP_CODE] = bytes([code])
        drafting.act(wire.expression("reject", values))


def reject(with_: str | None = None) -> Rejection:
    """Drop the packet, and tell its sender, as nft's `reject with icmpx port-unreachable`.

    The kernel's part of it is net/netfilter/nft_reject_inet.c.

    Args:
        with_: What the sender is told: `tcp reset`, or `icmp`, `icmpv6`, or `icmpx` for either,
            and a code: `icmp host-unreachable`, `icmpv6 no-route`, `icmpx admin-prohibited`.
            Default: that the port cannot be reached.

    Raises:
        DesiredStateError: It is none of these.
    """
    if with_ is None:
        return Rejection(None, 0)
    return Rejection(*_WORDS[one_of(with_, "reject with_", _WORDS)])
