"""The diff of sysctls: pure, three-way, in the order that converges in one pass."""

from __future__ import annotations

from .._core.model import Plan
from .._core.ownership import Ownership
from .._flat.diff import Vocabulary
from .._flat.diff import diff as flat_diff
from .._flat.observed import Observed
from .codec import same
from .desired import Desired, DesiredLike
from .knobs import effects, rank, same_knob, undo
from .ops import ReleaseSysctl, RevertSysctl, SetSysctl, SysctlOp

__all__ = ["VOCABULARY", "diff"]

VOCABULARY = Vocabulary[SysctlOp](
    same,
    SetSysctl,
    RevertSysctl,
    ReleaseSysctl,
    rank,
    effects,
    undo,
    knob=lambda key: same_knob(key)[0],
)


def diff(
    desired: DesiredLike,
    observed: Observed,
    owned: Ownership | None = None,
    *,
    revert_on_release: bool = False,
) -> Plan[SysctlOp]:
    """The ops that lead from observed to desired.

    Keys that overwrite others come first (net.ipv4.ip_forward sets every interface's forwarding
    and flips net.ipv4.conf.all.accept_redirects: net/ipv4/devinet.c), and what they are about to
    overwrite is set again after them.

    Args:
        desired: What sysctls should be.
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
