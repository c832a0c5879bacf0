"""The rtnetlink source: one network namespace."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from operator import is_
from types import TracebackType
from typing import Final, Literal, Self, TypeAlias

from anyio import to_thread

from .._core.bulk import run_in_bulk
from .._core.errors import DesiredStateError, SourceError
from .._core.groups import uninterrupted
from .._core.model import Hint, Outcome, Plan
from .._core.ownership import Ownership
from .._kernel.netlink import NetlinkDecodeError
from .._kernel.netns import NetworkNamespace, Target
from .._kernel.release import kernel_release
from .._kernel.scopes import Scope, namespace_of
from .._kernel.socket import NetlinkSocket
from .applying import Encoder
from .batch import Batch
from .company import takes_along
from .desired.checks import between
from .desired.desired import Desired, DesiredLike
from .diff import diff
from .diff.address_ops import Whose
from .elsewhere import look_elsewhere
from .foreign import carried, nexthop_users
from .interest import Interest
from .listening import Subscription, subscription
from .numbering import first_index
from .observed import Observed
from .observed_link import ObservedLink
from .ops import RtnlOp
from .promoting import promoting
from .tags import check_tags
from .taken import TakenKeys
from .views import Views

__all__ = ["PROTOCOL", "OnConflict", "Scope", "Source"]

PROTOCOL: Final = 76
"""The tag of what is ours, unless another is given."""

OnConflict: TypeAlias = Literal["report", "replace"]

_PLANNED_AT_ONCE: Final = 500
"""Routes that differ, above which the plan is made in a thread."""
_LOWEST_TAG: Final = 5
"""Below are the kernel's own tags, boot's and static (RTPROT_*): those are never ours."""


class Source:
    """The links, addresses, routes, rules, neighbours and nexthops of a network namespace.

    Args:
        scope: Where: a `NetworkNamespace`, or its short form. None is here.
        protocol: The tag of what is ours, 5 to 255; two sources with different ones share a
            namespace in peace.
        on_conflict: `report` leaves alone what somebody else has under a desired key; `replace`
            takes it over.
        address_tags: Whether the kernel has a tag on addresses (IFA_PROTO); default: whether it is
            Linux 5.18 or later. Without, our record says which are ours.

    Raises:
        DesiredStateError: No such form of a scope, tag or policy.
        ScopeGone: There is no such process.
    """

    def __init__(
        self,
        scope: Scope = None,
        *,
        protocol: int = PROTOCOL,
        on_conflict: OnConflict = "report",
        address_tags: bool | None = None,
    ) -> None:
        if on_conflict not in ("report", "replace"):
            raise DesiredStateError(
                f"on_conflict: expected 'report' or 'replace', got {on_conflict!r}"
            )
        self.scope: NetworkNamespace = namespace_of(scope)
        self.protocol: int = between(protocol, "protocol", _LOWEST_TAG, 255)
        self.on_conflict: OnConflict = on_conflict
        self._replaces = on_conflict == "replace"
        self.name: str = f"rtnl@{self.scope}"
        self.identity: str = self.name
        self._tagged = kernel_release() >= (5, 18) if address_tags is None else address_tags
        self._target: Target | None = None
        self._socket: NetlinkSocket | None = None
        self._views: Views | None = None
        self._subscription: Subscription | None = None
        self._interest: tuple[Desired, Interest] | None = None
        self._taken = TakenKeys()
        self._encoder: Encoder | None = None
        self._planned: tuple[DesiredLike, Observed, Ownership, Plan[RtnlOp]] | None = None

    def check(self, desired: DesiredLike, /) -> DesiredLike:
        """The desired state, checked and converted.

        Raises:
            DesiredStateError: It is wrong as written, or has another tag than the source.
        """
        checked = Desired.of(desired)
        check_tags(checked, self.protocol, self.name)
        return checked

    async def __aenter__(self) -> Self:
        """Pin the namespace, and open a socket in it.

        Raises:
            ScopeGone: The namespace is not there.
            SourceError: It cannot be used.
        """
        try:
            await uninterrupted(lambda: to_thread.run_sync(self._open))
            target = self._pinned()
            self._socket = await NetlinkSocket.open(opener=target.call)
            self._views = Views(self._socket, self.protocol)
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
        self.identity = f"{target.identity} protocol {self.protocol}"

    async def _close(self) -> None:
        target, socket = self._target, self._socket
        self._target = self._socket = self._views = self._planned = None
        self._taken = TakenKeys()
        if target is not None:
            target.close()
        if socket is not None:
            await socket.aclose()

    @asynccontextmanager
    async def subscribe(self) -> AsyncGenerator[AsyncIterator[Hint], None]:
        """A stream of hints on what the last observation, or `follow`, was about."""
        if self._subscription is not None:
            raise RuntimeError(f"{self.name}: has a subscription; give each a source of its own")
        target, socket, _ = self._entered()
        async with subscription(target, self.protocol, socket.port) as live:
            self._subscription = live
            try:
                yield live.hints
            finally:
                self._subscription = None

    async def follow(self, desired: DesiredLike | None) -> None:
        """Listen to what a desired state needs, without a pass; None is everything."""
        if self._subscription is not None:
            wanted = None if desired is None else self._interest_in(desired)
            await self._subscription.follow(wanted)
            await self._links()

    async def observe(self, desired: DesiredLike, owned: Ownership, /) -> Observed:
        """Read the namespace: links, addresses, rules, neighbours and nexthops, and our routes.

        Raises:
            ScopeGone: The namespace is not there any more.
            SourceError: It could not be read.
        """
        return await self._observe(desired, owned, foresee=True)

    async def observe_to_apply(self, desired: DesiredLike, owned: Ownership, /) -> Observed:
        """Read the same, but for what others have where ours are missing: creates find it."""
        return await self._observe(desired, owned, foresee=self._replaces)

    async def _observe(self, desired: DesiredLike, owned: Ownership, *, foresee: bool) -> Observed:
        wanted = Desired.of(desired)
        target, _, views = self._entered()
        self._encoder = None
        if target.foreign:
            await to_thread.run_sync(target.check)
        if self._subscription is not None:
            await self._subscription.follow(self._interest_in(wanted))
        links = await self._links()
        addresses = await views.addresses()
        routes = await views.routes(wanted.routes)
        nexthops = await views.nexthops()
        neighbours = await views.neighbours()
        whose = Whose(self.protocol, owned, self._tagged)
        observed = Observed(
            links,
            addresses,
            nexthops,
            neighbours,
            await views.rules(),
            routes,
            await self._taken.look(views, routes.deviations(wanted.routes), foresee=foresee),
            await look_elsewhere(wanted.links, links, owned),
            await promoting(target, wanted.addresses, addresses),
            await carried(views, wanted, addresses, neighbours, whose, replace=self._replaces),
            await nexthop_users(views, wanted, nexthops, self.protocol, replace=self._replaces),
            first_index(),
        )
        lists = (addresses, neighbours, observed.rules, nexthops, links)
        size = routes.deviations(wanted.routes).size + sum(map(len, lists))
        if size > _PLANNED_AT_ONCE:
            # Kept for `diff`: a long plan is made in a thread, not on the event loop's.
            await run_in_bulk(self.diff, desired, observed, owned)
        if self._subscription is not None:
            conflicts = self.diff(desired, observed, owned).conflicts
            if await self._subscription.heed(conflicts, observed):
                return await self._observe(desired, owned, foresee=foresee)
        return observed

    def diff(self, desired: DesiredLike, observed: Observed, owned: Ownership, /) -> Plan[RtnlOp]:
        """The ops that lead from observed to desired.

        Raises:
            SourceError: What was observed of a link's parameters is malformed.
        """
        asked = desired, observed, owned
        if self._planned is not None and all(map(is_, asked, self._planned)):
            return self._planned[-1]
        try:
            plan = diff(
                desired,
                observed,
                owned,
                protocol=self.protocol,
                replace=self._replaces,
                tagged=self._tagged,
            )
        except NetlinkDecodeError as error:
            raise SourceError(f"{self.name}: the kernel's answer is malformed: {error}") from error
        self._planned = *asked, plan
        return plan

    async def apply(self, batch: Sequence[RtnlOp], /) -> Sequence[Outcome]:
        """Send ops to the kernel, many at once.

        Raises:
            SourceError: No whole answer came.
        """
        target, socket, views = self._entered()
        if self._encoder is None or self._encoder.indices is not views.indices:
            tag = self.protocol if self._tagged else 0
            self._encoder = Encoder(views.indices, self.protocol, tag)
        work = Batch(batch, target, socket, views, self._encoder)
        outcomes = await work.carry_out()
        # The next pass looks who it is.
        self._taken.contest(work.contested)
        return outcomes

    def unsettles(self, op: RtnlOp) -> bool:
        """Whether the kernel may have taken something desired along with an op."""
        return takes_along(op)

    def _pinned(self) -> Target:
        if self._target is None:
            raise RuntimeError(f"{self.name}: enter the source first (async with)")
        return self._target

    def _entered(self) -> tuple[Target, NetlinkSocket, Views]:
        target = self._pinned()
        if self._socket is None or self._views is None:
            raise RuntimeError(f"{self.name}: enter the source first (async with)")
        return target, self._socket, self._views

    async def _links(self) -> Mapping[str, ObservedLink]:
        """The links; whoever listens knows their names from then on."""
        _, _, views = self._entered()
        listener = None if self._subscription is None else self._subscription.listener
        losses = 0 if listener is None else listener.losses
        links = await views.links()
        if listener is not None:
            listener.know(views.names, losses)
        return links

    def _interest_in(self, desired: DesiredLike) -> Interest:
        wanted = Desired.of(desired)
        if self._interest is None or self._interest[0] is not wanted:
            self._interest = wanted, Interest.of(wanted)
        return self._interest[1]
