"""The diff of a table: pure."""

from __future__ import annotations

from collections.abc import Container

from ..._core.errors import DesiredStateError, OpError
from ..._core.model import Conflict, Plan
from ..desired import Table
from ..observed import ObservedTable
from ..ops import AddTable, AdoptTable, NetfilterOp
from .standing import LIFETIMES, Lifetime, Standing, flags_for, standing_of
from .whole import draft_contents, draft_new

__all__ = ["LIFETIMES", "Lifetime", "diff"]


def diff(
    desired: Table,
    observed: ObservedTable | None,
    *,
    lifetime: Lifetime = "shared",
    port: int = 0,
    replace: bool = False,
    recreate: bool = False,
    anew: bool = False,
    instead: bool = False,
    unmoved: Container[str] = (),
    stepwise: bool = True,
) -> Plan[NetfilterOp]:
    """The ops that lead from the table that is there to the desired one: one batch, all or nothing.

    Where packets could get past in one go, it leads only part of the way (`Plan.interim`).
    The kernel commits a batch as a whole: nf_tables_commit() in net/netfilter/nf_tables_api.c.

    ========== ============================================================================
    what       told from others by
    ========== ============================================================================
    rule       its expressions, canonical; of several that are equal the k-th is the k-th;
               then by its comment
    element    its key, and the last one of its range
    all else   its name
    ========== ============================================================================

    Args:
        desired: The table that should be.
        observed: What is there under its name; None where nothing is.
        lifetime: How long it is to stay, and who may write to it.
        port: The port id of the socket that owns it, or will.
        replace: Whether a table of somebody else is replaced, as one transaction.
        recreate: Whether what the kernel takes and passes over (comments, the values of limits)
            is made anew where it differs; else that is reported.
        anew: Whether a table of ours is deleted and made anew, whatever differs.
        instead: Whether it takes the place of another table, which goes once the chains of this
            one have hooks.
        unmoved: The names of sets that the kernel was told to change, and did not.
        stepwise: Whether to go step by step where packets could get past; else the plan is all that
            it comes to in the end.

    Raises:
        DesiredStateError: There are rules in it that are not compiled yet.
    """
    if desired.texts:
        raise DesiredStateError(f"{desired.key}: compile its rules in nft's syntax first")
    standing, why = standing_of(observed, lifetime, port, dormant=desired.dormant)
    flags = flags_for(lifetime, dormant=desired.dormant)
    if standing is Standing.FOREIGN and (not replace or (observed and observed.head.owner)):
        return Plan(conflicts=(Conflict(desired.key, why),))
    if standing in {Standing.OURS, Standing.ORPHAN} and observed is not None:
        if anew:
            standing, why = Standing.OTHER, "it is to be replaced"
        elif recreate and observed.head.comment != desired.comment:
            standing, why = Standing.OTHER, "its comment is another"
    if observed is None or standing in {Standing.FOREIGN, Standing.OTHER}:
        head = AddTable(
            desired.family,
            desired.name,
            flags,
            desired.comment,
            desired.userdata,
            0 if observed is None else observed.head.handle,
            why,
        )
        new = draft_new(desired, again=observed is not None, instead=instead, stepwise=stepwise)
        return Plan(((head, *new.ops),), interim=new.interim)
    draft = draft_contents(
        desired,
        observed,
        recreate=recreate,
        instead=instead,
        unmoved=unmoved,
        stepwise=stepwise,
    )
    passed_over = draft.passed_over
    if observed.head.comment != desired.comment:
        passed_over[desired.key] = "its comment is another"
    first: list[NetfilterOp] = []
    if standing is Standing.ORPHAN:
        first.append(AdoptTable(desired.family, desired.name, flags))
    batch = (*first, *draft.ops)
    return Plan(
        (batch,) if batch else (),
        failed=tuple(
            OpError(key, None, f"{what}, and the kernel changes it only if it is made anew")
            for key, what in passed_over.items()
        ),
        interim=draft.interim,
    )
