"""The rtnetlink verbs that need no loop: observe, reconcile, subscribe."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager

from .._core.memory import Store
from .._core.model import Hint, Report
from .._core.ownership import Ownership
from .._core.reconcile import reconcile as reconcile_source
from .desired.desired import Desired, DesiredLike
from .observed import Observed
from .ops import RtnlOp
from .source import PROTOCOL, OnConflict, Scope, Source

__all__ = ["observe", "reconcile", "subscribe"]


async def reconcile(
    desired: DesiredLike,
    *,
    scope: Scope = None,
    last_applied: Ownership | None = None,
    store: Store | None = None,
    protocol: int = PROTOCOL,
    on_conflict: OnConflict = "report",
) -> Report[RtnlOp]:
    """One pass: give a network namespace what it should have, by rtnetlink(7).

    Args:
        desired: What it should have.
        scope: Where; None is here.
        last_applied: What we own: `last_applied` of an earlier report.
        store: Where ownership is kept instead; with it, a cancelled pass loses no claim.
        protocol: The tag of what is ours: rtm_protocol and its like, 5 to 255.
        on_conflict: `report` leaves alone what others have; `replace` takes it over.

    Raises:
        DesiredStateError: The desired state is wrong as written.
        SourceError: The pass could not run.
    """
    source = Source(scope, protocol=protocol, on_conflict=on_conflict)
    wanted = Desired.of(desired)
    return await reconcile_source(source, wanted, last_applied=last_applied, store=store)


async def observe(*, scope: Scope = None, protocol: int = PROTOCOL) -> Observed:
    """Read a network namespace: all of it, but of the routes those with our tag alone.

    With NETLINK_GET_STRICT_CHK (netlink(7)) the kernel leaves out the others.

    Args:
        scope: Where; None is here.
        protocol: The tag of the routes.

    Raises:
        DesiredStateError: No such form of a scope.
        SourceError: The scope cannot be reached.
    """
    async with Source(scope, protocol=protocol) as source:
        return await source.observe(Desired(), Ownership())


@asynccontextmanager
async def subscribe(
    desired: DesiredLike | None = None, *, scope: Scope = None, protocol: int = PROTOCOL
) -> AsyncGenerator[AsyncIterator[Hint], None]:
    """Hints on a network namespace, without a loop; enter it with `async with`.

    Live once the context is entered. They come of the multicast groups of rtnetlink(7), RTNLGRP_*
    in include/uapi/linux/rtnetlink.h.

    Args:
        desired: What they shall be about; None is everything that a loop could want.
        scope: Where; None is here.
        protocol: The tag of what is ours.

    Raises:
        DesiredStateError: The desired state is wrong as written.
        SourceError: The scope cannot be reached, or a limit of the kernel's was hit.
    """
    source = Source(scope, protocol=protocol)
    wanted = None if desired is None else source.check(desired)
    async with source, source.subscribe() as hints:
        await source.follow(wanted)
        yield hints
