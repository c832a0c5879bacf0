"""The nf_tables source: one table of a network namespace."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from types import TracebackType
from typing import Literal, Self, TypeAlias, TypeVar

from anyio import to_thread

from .._core.bulk import run_in_bulk
from .._core.checks import one_of
from .._core.errors import DesiredStateError, StalePlan
from .._core.groups import uninterrupted
from .._core.model import DONE, Hint, Outcome, Plan, Waiting
from .._core.ownership import Ownership
from .._kernel.netns import NetworkNamespace, Target
from .._kernel.nfnetlink import NfnetlinkSocket, StaleGeneration
from .._kernel.scopes import Scope, namespace_of
from .counted import counted_now
from .desired import Table
from .diff import LIFETIMES, Lifetime
from .diff.leftover import tables_of
from .encoding import changes_of, size_of
from .hints import Wanted, subscription
from .observed import Observed
from .ops import DeleteTable, NetfilterOp
from .owners import has_persistent_owners
from .planning import PLANNED_AT_ONCE, Planner
from .reach import Reach
from .refusals import outcomes_of
from .unowned import NO_PERSIST, is_unowned, may_lack_persist
from .views import Views

__all__ = ["OnConflict", "Scope", "Source"]

MaybeT = TypeVar("MaybeT", bound=Table | None)
OnConflict: TypeAlias = Literal["report", "replace"]


class Source:
    """One table of nf_tables in a network namespace; which one, the desired state says.

    Ownership by a socket is NFT_TABLE_F_OWNER, and `persist` NFT_TABLE_F_PERSIST, in
    include/uapi/linux/netfilter/nf_tables.h.

    Args:
        scope: Where: a `NetworkNamespace`, or its short form. None is here.
        lifetime: `persist`: the table is owned by our socket, so that no other program can write
            to it, and stays when we end; it is owned again by whoever comes next. Before Linux
            6.9 it is not owned, and the op that adds it says so.
            `socket`: owned, and gone when the source is left, also by a crash. `shared`: not owned.
        on_conflict: `report` leaves alone a table of that name which somebody else made; `replace`
            puts ours in its place, as one transaction.
        recreate: Whether what the kernel takes and passes over is made anew where it differs:
            comments, the values of limits. Else it is reported as failed.
        replace: Whether the first pass makes a table of ours anew, whatever differs.
        adopt: Whether a table of ours is to be owned by this socket. For a single pass, after which
            it has no owner again, that is of no use: what counts then is what is in it, whichever
            program of ours owns it.
        stepwise: Whether to go step by step where packets could get past in one transaction. To
            see a plan as a whole, and not to apply it, say False.

    Raises:
        DesiredStateError: No such form of a scope, lifetime or policy.
        ScopeGone: There is no such process.
    """

    def __init__(
        self,
        scope: Scope = None,
        *,
        lifetime: Lifetime = "persist",
        on_conflict: OnConflict = "report",
        recreate: bool = False,
        replace: bool = False,
        adopt: bool = True,
        stepwise: bool = True,
    ) -> None:
        one_of(lifetime, "lifetime", LIFETIMES)
        one_of(on_conflict, "on_conflict", ("report", "replace"))
        self.scope: NetworkNamespace = namespace_of(scope)
        self.lifetime: Lifetime = lifetime
        self.on_conflict: OnConflict = on_conflict
        self.recreate = recreate
        self.name: str = f"netfilter@{self.scope}"
        self.identity: str = self.name
        self._target: Target | None = None
        self._socket: NfnetlinkSocket | None = None
        self._views: Views | None = None
        self._reach = Reach()
        self._at: tuple[Table | None, Observed] | None = None
        self._followed: frozenset[str] | None = None
        self._planner = Planner(
            lifetime, on_conflict == "replace", recreate, adopt, replace, stepwise
        )

    def check(self, desired: MaybeT, /) -> MaybeT:
        """The desired table; None is none: those of our record are deleted.

        Raises:
            DesiredStateError: It is neither.
        """
        if desired is not None and not isinstance(desired, Table):
            raise DesiredStateError(
                f"netfilter: expected a Table, as netfilter.parse() gives it, got {desired!r:.200}"
            )
        return desired

    async def __aenter__(self) -> Self:
        """Pin the namespace, and open a socket in it.

        Raises:
            ScopeGone: The namespace is not there.
            SourceError: It cannot be used.
        """
        try:
            await uninterrupted(lambda: to_thread.run_sync(self._open))
            target = self._pinned()
            self._socket = await NfnetlinkSocket.open(opener=target.call)
            self._views = Views(self._socket)
        except BaseException:
            await self._close()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._close()

    def _open(self) -> None:
        """Pin the namespace; in a thread."""
        self._target = target = self.scope.open()
        self.identity = target.identity

    async def _close(self) -> None:
        target, socket = self._target, self._socket
        self._target = self._socket = self._views = self._at = None
        self._planner.forget()
        if target is not None:
            target.close()
        if socket is not None:
            await socket.aclose()

    @asynccontextmanager
    async def subscribe(self) -> AsyncGenerator[AsyncIterator[Hint], None]:
        """A stream of hints on the table that the last observation was about."""
        async with subscription(self._pinned(), self._wanted) as hints:
            yield hints

    def _wanted(self) -> Wanted:
        """What hints shall be about."""
        if self._at is None:
            return Wanted(self._followed)
        desired, observed = self._at
        keys = {*observed.tables, *([desired.key] if desired else [])}
        return Wanted(frozenset(keys), self._reach.awaited)

    def follow(self, *tables: Table) -> None:
        """Say what hints shall be about, without a pass; none is everything."""
        self._followed = frozenset(table.key for table in tables) or None

    async def observe(self, desired: Table | None, owned: Ownership, /) -> Observed:
        """Read the desired table, and those of our record.

        Args:
            desired: The table; None is none.
            owned: What we own.

        Raises:
            RuleError: A rule in nft's syntax is wrong.
            ScopeGone: The namespace is not there any more.
            SourceError: It could not be read.
        """
        target, socket, views = self._entered()
        if target.foreign:
            await to_thread.run_sync(target.check)
        names = tables_of(owned)
        wanted: Table | None = None
        waiting: tuple[Waiting, ...] = ()
        if desired is not None:
            wanted, waiting = await self._reach.of(desired, target)
            names.add((desired.family, desired.name))
        generation, tables = await views.tables(names, wanted)
        in_doubt = self.lifetime == "persist" and self._planner.persists is None
        if in_doubt and desired is not None and is_unowned(tables.get(desired.key)):
            self._planner.persists = await has_persistent_owners(socket, desired.family)
        observed = Observed(generation, tables, socket.port, wanted, waiting)
        self._at = desired, observed
        if wanted is not None and self._planner.is_long(wanted, tables.get(wanted.key)):
            # Kept for `diff`: a long plan is made in a thread, not on the event loop's.
            await run_in_bulk(self.diff, desired, observed, owned)
        return observed

    def diff(
        self, desired: Table | None, observed: Observed, owned: Ownership, /
    ) -> Plan[NetfilterOp]:
        """The ops that lead from observed to desired, as one batch.

        Where packets could get past in one go, they lead only part of the way (`Plan.interim`).

        Args:
            desired: The table; None is none.
            observed: What was read.
            owned: What we own.

        Raises:
            DesiredStateError: The desired table has rules that were not compiled.
        """
        return self._planner.plan(desired, observed, owned)

    async def apply(self, batch: Sequence[NetfilterOp], /) -> Sequence[Outcome]:
        """Send ops to the kernel as one transaction: all are done, or none.

        Raises:
            StalePlan: Somebody changed the rule set since it was observed.
            SourceError: No whole answer came.
        """
        _, socket, views = self._entered()
        if self._at is None:
            raise RuntimeError(f"{self.name}: observe first")
        desired, observed = self._at
        heading = self._planner.heading if desired else None
        family, name = (heading.family, heading.name) if heading else ("inet", "")  # deletes only
        key = heading.key if heading else batch[0].key
        counted = await counted_now(batch, observed.tables.get(key), socket)
        work = partial(changes_of, counted, family, name)
        quick = size_of(counted) <= PLANNED_AT_ONCE
        changes, places = work() if quick else await run_in_bulk(work)
        # Who alone may write need not race with those who change other tables.
        there = observed.tables.get(key)
        owned = there is not None and there.head.owner == socket.port
        others = any(isinstance(op, DeleteTable) for op in batch)
        at = None if owned and not others else observed.generation
        try:
            commit = await socket.commit(changes, generation=at, key=key)
        except StaleGeneration as error:
            raise StalePlan(f"{self.name}: {error}") from error
        except BaseException:
            views.forget()  # it may have been carried out
            raise
        if not commit.refused:
            views.committed(family, name, batch, commit.generation)
            self._planner.done(desired, batch)
            return [DONE] * len(batch)
        outcomes = outcomes_of(batch, places, commit)
        if self._planner.persists is None and may_lack_persist(batch, outcomes):
            self._planner.persists = await has_persistent_owners(socket, family)
            if not self._planner.persists:
                raise StalePlan(f"{self.name}: {NO_PERSIST}")
        return outcomes

    def _pinned(self) -> Target:
        if self._target is None:
            raise RuntimeError(f"{self.name}: enter the source first (async with)")
        return self._target

    def _entered(self) -> tuple[Target, NfnetlinkSocket, Views]:
        target = self._pinned()
        if self._socket is None or self._views is None:
            raise RuntimeError(f"{self.name}: enter the source first (async with)")
        return target, self._socket, self._views
