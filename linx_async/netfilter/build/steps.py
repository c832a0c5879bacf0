"""The steps of a rule before they are bytes, where comparisons of the packet's bytes are joined."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, TypeAlias

from attrs import evolve, frozen

from ..codec.op_abi import CmpOp
from . import wire
from .headers import LINK

__all__ = ["Bytes", "Other", "Step", "expressions_of", "joined"]

_WORD: Final = 4  # nft_payload_fast_eval() reads up to as many without a call
_REGISTER: Final = 16


@frozen
class Bytes:
    """The packet has these bytes in this place.

    Attributes:
        base: The layer.
        offset: Where in it.
        value: The bytes.
        carries: Whether they tell the header that follows.
    """

    base: int
    offset: int
    value: bytes
    carries: bool = False


@frozen
class Other:
    """Anything else.

    Attributes:
        expressions: What it is for the kernel.
        acts: Whether it does something to the packet, rather than look at it.
        needless: Whether the family of the table says it already; nft leaves it away, unless it is
            the last.
    """

    expressions: tuple[wire.Expression, ...]
    acts: bool = False
    needless: bool = False


Step: TypeAlias = Bytes | Other


def expressions_of(steps: Iterable[Step]) -> list[wire.Expression]:
    """The expressions of steps, one after the other."""
    found: list[wire.Expression] = []
    for step in steps:
        if isinstance(step, Other):
            found += step.expressions
        else:
            found.append(wire.load_payload(0, step.base, step.offset, len(step.value)))
            found.append(wire.compare(CmpOp.EQ, step.value))
    return found


def joined(steps: Iterable[Step]) -> list[Step]:
    """Steps with comparisons for equality of neighbouring bytes made one, as nft does it.

    nft 1.0.6 also joins over a statement in between, which a packet then meets too early, and joins
    `!=` with `!=`, which lets packets on that differ in one of the two. Neither is done here.
    """
    found: list[Step | None] = []
    start = 0
    *others, last = steps
    needed = [step for step in others if not (isinstance(step, Other) and step.needless)]
    for step in (*needed, last):
        if isinstance(step, Other) and step.acts:
            _join(found, start)
            start = len(found) + 1
        found.append(step)
    _join(found, start)
    return [step for step in found if step is not None]


def _join(steps: list[Step | None], start: int) -> None:
    """Join those from a place on; what is no longer needed becomes None."""
    places = [place for place in range(start, len(steps)) if isinstance(steps[place], Bytes)]
    places.sort(key=lambda place: _where(steps[place]))
    last = -1
    for place in places:
        first, second = steps[last] if last >= 0 else None, steps[place]
        if isinstance(first, Bytes) and isinstance(second, Bytes) and _fit(first, second):
            both = evolve(first, value=first.value + second.value)
            if second.carries:
                # What follows relies on the second one, so the two are compared there.
                steps[last], steps[place] = None, evolve(both, carries=True)
                last = place
            else:
                steps[last], steps[place] = both, None
        else:
            last = place


def _where(step: Step | None) -> tuple[int, int]:
    return (step.base, step.offset) if isinstance(step, Bytes) else (-1, 0)


def _fit(first: Bytes, second: Bytes) -> bool:
    """Whether nft would join them: not where that makes one slow comparison of two fast ones."""
    one, two = len(first.value), len(second.value)
    if first.base != second.base or first.offset + one != second.offset or one + two > _REGISTER:
        return False
    return one + two <= _WORD or first.base == LINK or max(one, two) > _WORD
