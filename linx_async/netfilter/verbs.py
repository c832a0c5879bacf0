"""The netfilter verbs that need no loop: pull, dry_run, push, reconcile, subscribe."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Literal, TypeAlias

from .._core.checks import one_of
from .._core.memory import Store
from .._core.model import Hint, Plan, Report
from .._core.ownership import Ownership
from .._core.reconcile import reconcile as reconcile_source
from .desired import Table
from .desired.families import check_family
from .desired.names import check_name
from .diff import Lifetime
from .observed import ObservedTable
from .ops import NetfilterOp
from .source import OnConflict, Scope, Source

__all__ = ["Mode", "dry_run", "pull", "push", "reconcile", "subscribe"]

Mode: TypeAlias = Literal["reconcile", "replace"]


async def reconcile(
    table: Table | None,
    *,
    scope: Scope = None,
    last_applied: Ownership | None = None,
    store: Store | None = None,
    lifetime: Lifetime = "persist",
    on_conflict: OnConflict = "report",
    recreate: bool = False,
) -> Report[NetfilterOp]:
    """One pass: make a table what it should be, as one transaction.

    All of it is done, or none: nf_tables_commit() in net/netfilter/nf_tables_api.c. Where packets
    could get past, or be lost, in one go, it takes several, each of which is good by itself.

    Args:
        table: What it should be; None is nothing: the tables of our record are deleted.
        scope: Where; None is here.
        last_applied: What we own: `last_applied` of an earlier report.
        store: Where ownership is kept instead; with it, a cancelled pass loses no claim.
        lifetime: As for `Source`. `socket` makes little sense without a loop: the table goes when
            this returns.
        on_conflict: `report` leaves alone a table of that name that somebody else made; `replace`
            puts ours in its place.
        recreate: As for `Source`.

    Raises:
        DesiredStateError: The table is wrong as written.
        SourceError: The pass could not run.
    """
    source = Source(
        scope, lifetime=lifetime, on_conflict=on_conflict, recreate=recreate, adopt=False
    )
    return await reconcile_source(source, table, last_applied=last_applied, store=store)


async def pull(family: str, name: str, *, scope: Scope = None) -> ObservedTable | None:
    """A table as the kernel has it, whoever made it; None where there is none of that name.

    What is read is of one generation of the rule set (NFT_MSG_GETGEN,
    net/netfilter/nf_tables_api.c), so that nothing in it is torn.

    Args:
        family: Its family: `ip`, `ip6`, `inet`, `arp`, `bridge` or `netdev`.
        name: Its name.
        scope: Where; None is here.

    Raises:
        DesiredStateError: No such family, name or form of a scope.
        SourceError: It could not be read.
    """
    wanted = Table(check_family(family, "family"), check_name(name, "name"))
    async with Source(scope, lifetime="shared") as source:
        observed = await source.observe(wanted, Ownership())
    return observed.tables.get(wanted.key)


async def dry_run(
    table: Table | None,
    *,
    scope: Scope = None,
    last_applied: Ownership | None = None,
    lifetime: Lifetime = "persist",
    on_conflict: OnConflict = "report",
    recreate: bool = False,
) -> Plan[NetfilterOp]:
    """What `reconcile` would do; nothing is changed.

    What is read is of one generation of the rule set (NFT_MSG_GETGEN).

    Args:
        table: What it should be; None is nothing, as for `reconcile`.
        scope: Where; None is here.
        last_applied: What we own: `last_applied` of an earlier report.
        lifetime: As for `Source`.
        on_conflict: As for `reconcile`.
        recreate: As for `Source`.

    Raises:
        DesiredStateError: The table is wrong as written.
        SourceError: It could not be read.
    """
    source = Source(
        scope,
        lifetime=lifetime,
        on_conflict=on_conflict,
        recreate=recreate,
        adopt=False,
        stepwise=False,
    )
    owned = Ownership() if last_applied is None else last_applied
    async with source:
        return source.diff(table, await source.observe(table, owned), owned)


async def push(
    table: Table,
    *,
    mode: Mode = "reconcile",
    scope: Scope = None,
    lifetime: Lifetime = "persist",
    on_conflict: OnConflict = "report",
) -> Report[NetfilterOp]:
    """Put a table into the kernel, as one transaction (NFNL_MSG_BATCH_BEGIN).

    Args:
        table: What it should be.
        mode: `reconcile` changes what differs; `replace` deletes what is there and makes it
            anew: handles, counters and what packets put into sets go.
        scope: Where; None is here.
        lifetime: As for `Source`.
        on_conflict: As for `Source`.

    Raises:
        DesiredStateError: The table or the mode is wrong as written.
        SourceError: The pass could not run.
    """
    one_of(mode, "mode", ("reconcile", "replace"))
    source = Source(
        scope,
        lifetime=lifetime,
        on_conflict=on_conflict,
        replace=mode == "replace",
        adopt=False,
    )
    return await reconcile_source(source, table)


@asynccontextmanager
async def subscribe(
    *tables: Table, scope: Scope = None
) -> AsyncGenerator[AsyncIterator[Hint], None]:
    """Hints on tables, without a loop; enter it with `async with`.

    Live once the context is entered. A hint says who changed which tables, by thread id and name
    of the program, and the generation that it made (NFT_MSG_NEWGEN, nf_tables_fill_gen_info() in
    net/netfilter/nf_tables_api.c).

    Args:
        tables: The tables that they shall be about; none is all.
        scope: Where; None is here.

    Raises:
        SourceError: The scope cannot be reached, or a limit of the kernel's was hit.
    """
    async with Source(scope) as source:
        source.follow(*tables)
        async with source.subscribe() as hints:
            yield hints
