"""The steps that turn the rules of a chain into others, in the order in which they are sent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from attrs import frozen

__all__ = [
    "After",
    "Anchor",
    "Delete",
    "First",
    "Flush",
    "Insert",
    "Last",
    "Move",
    "Replace",
    "Script",
    "Step",
]


@frozen
class First:
    """At the head of the chain: NFT_MSG_NEWRULE without NLM_F_APPEND and without a position."""


@frozen
class Last:
    """At the tail of the chain: NLM_F_APPEND without a position."""


@frozen
class After:
    """Right after a rule that stays: NLM_F_APPEND with NFTA_RULE_POSITION.

    Attributes:
        handle: The handle of that rule, which was there before the transaction.
    """

    handle: int


Anchor: TypeAlias = First | Last | After
"""Where in its chain a rule is put."""


@frozen
class Insert:
    """Add a rule.

    Attributes:
        index: Which of the desired rules.
        anchor: Where it is put.
    """

    index: int
    anchor: Anchor


@frozen
class Replace:
    """Put a rule in the place of another, whose handle it takes: NLM_F_REPLACE.

    Attributes:
        handle: The handle of the rule that goes.
        index: Which of the desired rules comes.
    """

    handle: int
    index: int


@frozen
class Delete:
    """Delete a rule.

    Attributes:
        handle: Its handle.
    """

    handle: int


@frozen
class Move:
    """Put a rule elsewhere, under a new handle: two messages, a delete and an insert.

    Attributes:
        handle: The handle it had.
        index: Which of the desired rules it is.
        anchor: Where it is put.
    """

    handle: int
    index: int
    anchor: Anchor


@frozen
class Flush:
    """Delete all rules of the chain: NFT_MSG_DELRULE without a handle."""


Step: TypeAlias = Insert | Replace | Delete | Move | Flush
"""One change to a chain."""


@frozen
class Script:
    """How to make the rules of a chain the desired ones.

    Attributes:
        steps: The changes, in the order in which they have to be sent, in one transaction.
        carried: Whose state a rule that is sent goes on with: of the observed rules, the one
            that it was, by the index of the desired one. Counters can be written back by it.
        untouched: How many rules stay as they are, with handle and state.
        lost: The handles that rules lose that were there and are desired: they are put elsewhere
            or the chain is flushed, and they get other ones.
    """

    steps: tuple[Step, ...]
    carried: Mapping[int, int]
    untouched: int
    lost: tuple[int, ...]
