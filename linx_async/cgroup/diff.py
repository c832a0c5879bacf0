"""The diff of cgroup limits: pure and three-way."""

from __future__ import annotations

from .._core.model import Plan
from .._core.ownership import Claim, Ownership
from .._flat.diff import Vocabulary
from .._flat.diff import diff as flat_diff
from .._flat.observed import Observed
from .codec import left_out, same, undo
from .desired import Desired, DesiredLike
from .ops import LimitOp, ReleaseLimit, RevertLimit, SetLimit

__all__ = ["VOCABULARY", "diff"]


def _knob(key: str) -> str:
    return "cpu.weight" if key == "cpu.weight.nice" else key


def _widened(claim: Claim, text: str, value: str) -> str:
    """The text, and the originals of the devices and fields of ours that have left it."""
    left = left_out(claim.key, claim.value or "", text, value)
    if not left or claim.original is None:
        return text
    return f"{text}\n{undo(claim.key, left, claim.original)}"


VOCABULARY = Vocabulary[LimitOp](
    same, SetLimit, RevertLimit, ReleaseLimit, undo=undo, widen=_widened, knob=_knob
)


def diff(
    desired: DesiredLike,
    observed: Observed,
    owned: Ownership | None = None,
    *,
    revert_on_release: bool = False,
) -> Plan[LimitOp]:
    """The ops that lead from observed to desired.

    What the kernel makes of a text (units, `max`, several values in one file) is counted as it is
    in Documentation/admin-guide/cgroup-v2.rst.

    Args:
        desired: What the limits should be.
        observed: What they are.
        owned: What we own; a key in it that is not desired is released, or reverted.
        revert_on_release: Whether to put the original value back then.

    Raises:
        DesiredStateError: The desired state is wrong as written.
    """
    return flat_diff(
        Desired.of(desired).settings,
        observed,
        owned or Ownership(),
        VOCABULARY,
        revert_on_release=revert_on_release,
    )
