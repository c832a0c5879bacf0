"""Rules that keep chains shut until their policy holds: pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from ..codec.abi import DataAttribute, Verdict, VerdictAttribute
from ..codec.expression_abi import Immediate
from ..codec.expressions import canonical, joined
from ..codec.forms import pack
from ..codec.words import be32
from ..desired import Chain, Rule
from ..ops import AddRule, NetfilterOp
from .steps import Last

__all__ = ["SHUT", "is_shut", "shut"]

_CODE: Final = pack(VerdictAttribute.CODE, be32(Verdict.DROP))
_DROP: Final = pack(Immediate.DREG, be32(0)) + pack(
    Immediate.DATA, pack(DataAttribute.VERDICT, _CODE)
)
SHUT: Final = Rule(
    canonical(joined([("immediate", _DROP)])).body,
    "shut until the policy holds",
    text='drop comment "shut until the policy holds"',
)


def is_shut(chain: Chain) -> bool:
    """Whether what comes to the end of a chain is dropped there."""
    return chain.is_base and chain.policy == "drop"


def shut(chains: Iterable[Chain]) -> list[NetfilterOp]:
    """Rules that drop what comes to the end of chains.

    The kernel has a new policy take effect only after the rules of the transaction, and those that
    went, do (nf_tables_commit_chain_active() comes before nft_chain_commit_update() and
    nft_chain_commit_drop_policy() in nf_tables_commit()): a packet in between would find the old
    policy. The next round of the pass finds these rules, which nobody declared, and deletes them.
    """
    return [AddRule(each.name, len(each.rules), SHUT, Last()) for each in chains if is_shut(each)]
