"""The ops on the rules of a chain."""

from __future__ import annotations

from attrs import field, frozen

from ..._core.ops import NOTHING, Create, Delete, Update
from ..codec.describing import described
from ..desired import Rule
from ..diff.steps import Anchor

__all__ = ["AddRule", "DeleteRule", "FlushChain", "MoveRule", "ReplaceRule"]


@frozen
class _OnDesired:
    """Which of the desired rules an op is on: that of an index in a chain."""

    chain: str
    index: int
    rule: Rule
    requires = NOTHING

    @property
    def key(self) -> str:
        """Which rule of which chain."""
        return f"rule {self.chain}[{self.index}]"


@frozen
class AddRule(_OnDesired, Create):
    """Add a rule (NFT_MSG_NEWRULE).

    Attributes:
        chain: The name of its chain.
        index: Which of the chain's desired rules it is, from 0.
        rule: The rule.
        anchor: Where it is put.
        state: Its expressions as they were observed elsewhere, with what they counted; empty
            where there is nothing to carry over.
        ahead: Whether what it takes the place of goes only after it.
    """

    anchor: Anchor
    state: bytes = field(default=b"", repr=False)
    ahead: bool = False

    def __str__(self) -> str:
        before = " ahead of what goes" if self.ahead else ""
        return f"add {self.key}{before}{_said(self.rule)}"


@frozen
class ReplaceRule(_OnDesired, Update):
    """Put a rule in the place of another (NLM_F_REPLACE), whose handle it takes.

    Attributes:
        chain: The name of its chain.
        index: Which of the chain's desired rules it is, from 0.
        rule: The rule.
        handle: The handle of the other.
        state: The other's expressions with what they counted, where it is the same rule changed.
    """

    handle: int
    state: bytes = field(default=b"", repr=False)

    def __str__(self) -> str:
        return f"replace {self.key}{_said(self.rule)} (handle {self.handle})"


@frozen
class MoveRule(_OnDesired, Update):
    """Put a rule elsewhere in its chain, with what it counted: a delete and an insert.

    Attributes:
        chain: The name of its chain.
        index: Which of the chain's desired rules it is, from 0.
        rule: The rule.
        handle: The handle it had.
        anchor: Where it is put.
        state: Its expressions with what they counted.
    """

    handle: int
    anchor: Anchor
    state: bytes = field(default=b"", repr=False)

    def __str__(self) -> str:
        return f"move {self.key}{_said(self.rule)} (handle {self.handle})"


@frozen
class DeleteRule(Delete):
    """Delete a rule, by its handle (NFT_MSG_DELRULE).

    Attributes:
        chain: The name of its chain.
        handle: Its handle.
        rule: The rule.
    """

    chain: str
    handle: int
    rule: Rule

    @property
    def key(self) -> str:
        """Which rule of which chain."""
        return f"rule {self.chain}#{self.handle}"

    def __str__(self) -> str:
        return f"delete rule of {self.chain}{_said(self.rule)} (handle {self.handle})"


@frozen
class FlushChain(Delete):
    """Delete all rules of a chain (NFT_MSG_DELRULE without a handle).

    Attributes:
        chain: Its name.
        count: How many there are.
    """

    chain: str
    count: int

    @property
    def key(self) -> str:
        """The rules' key."""
        return f"rules of {self.chain}"

    def __str__(self) -> str:
        return f"flush chain {self.chain} ({self.count} rules)"


def _said(rule: Rule) -> str:
    if rule.text is not None:
        return f": {rule.text}"
    comment = "" if rule.comment is None else f" {rule.comment!r}"
    return f"{comment}: {described(rule.body)}"
