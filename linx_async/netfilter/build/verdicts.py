"""Verdicts: what becomes of a packet."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import frozen

from ..codec.abi import Verdict as Code
from ..desired.names import check_name
from . import wire
from .terms import Term

if TYPE_CHECKING:
    from .drafting import Drafting

__all__ = ["Verdict", "accept", "continue_", "drop", "goto", "jump", "return_"]


@frozen
class Verdict(Term):
    """What becomes of a packet.

    Attributes:
        code: The verdict (NF_*, NFT_*).
        chain: The chain to go on in.
    """

    code: Code
    chain: str | None = None

    def ends(self) -> bool:
        """Whether nothing that comes after it would ever be reached."""
        return self.code != Code.CONTINUE

    @property
    def data(self) -> bytes:
        """It as NFTA_DATA_VERDICT."""
        return wire.verdict_data(self.code, self.chain)

    def draft(self, drafting: Drafting) -> None:
        """Add it to a rule."""
        drafting.act(wire.decide(self.data))


def accept() -> Verdict:
    """The packet passes this hook's chain (net/netfilter/nf_tables_core.c)."""
    return Verdict(Code.ACCEPT)


def drop() -> Verdict:
    """The packet goes no further (net/netfilter/nf_tables_core.c)."""
    return Verdict(Code.DROP)


def continue_() -> Verdict:
    """The next rule is looked at; for verdict maps (net/netfilter/nf_tables_core.c)."""
    return Verdict(Code.CONTINUE)


def return_() -> Verdict:
    """The rules behind the jump are looked at; in a base chain, its policy is the verdict.

    The kernel's part of it is net/netfilter/nf_tables_core.c.
    """
    return Verdict(Code.RETURN)


def jump(chain: str) -> Verdict:
    """The rules of another chain are looked at, and after them the next rule.

    The kernel's part of it is net/netfilter/nf_tables_core.c.

    Raises:
        DesiredStateError: It is no name of a chain.
    """
    return Verdict(Code.JUMP, check_name(chain, "jump"))


def goto(chain: str) -> Verdict:
    """The rules of another chain are looked at instead of the next ones.

    The kernel's part of it is net/netfilter/nf_tables_core.c.

    Raises:
        DesiredStateError: It is no name of a chain.
    """
    return Verdict(Code.GOTO, check_name(chain, "goto"))
