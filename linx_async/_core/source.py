"""The Source protocol, which every subsystem implements, and nothing else."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Protocol, Self, TypeVar

from .model import Hint, OpT, Outcome, Plan
from .ownership import Ownership

__all__ = ["Source"]

DesiredT = TypeVar("DesiredT")
ObservedT = TypeVar("ObservedT")


class Source(Protocol[DesiredT, ObservedT, OpT]):
    """One subsystem in one scope: how to read it, compare it, change it and be woken by it.

    Scope and options are arguments of the constructor. A source is entered before anything else
    is asked of it, is never entered twice at once, and may be entered again after it was left.

    Three members are optional and looked up by name: `identity`, a string that names the scope's
    incarnation for an ownership record that outlives the process (the name, where there is none);
    `unsettles(op)`, whether the kernel may have taken something desired along with an op that
    was done: then the pass looks again before it says that it has converged; and
    `observe_to_apply`, which is `observe` for a pass that applies what comes of it, and may leave
    unread what `apply` would find out: whose the objects are that an exclusive create runs into.
    Who extends a source that has it, and overrides `observe`, overrides it too.
    """

    @property
    def name(self) -> str:
        """The subsystem and the scope, for logs: `sysctl@netns blue`."""
        ...

    def check(self, desired: DesiredT, /) -> DesiredT:
        """The desired state, checked, and converted to what the other members are to be given.

        Raises:
            DesiredStateError: It is wrong as written.
        """
        ...

    async def __aenter__(self) -> Self:
        """Open what is needed: sockets, descriptors that pin the scope."""
        ...

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool | None: ...

    def subscribe(self) -> AbstractAsyncContextManager[AsyncIterator[Hint]] | None:
        """A stream of hints, live once its context is entered; None where there are none.

        A stream that ends, or raises, is a crash of the loop.
        """
        ...

    async def observe(self, desired: DesiredT, owned: Ownership, /) -> ObservedT:
        """Read what is in scope, and only what the desired state or our record names.

        Args:
            desired: The desired state, as `check` has returned it.
            owned: What we own.

        Raises:
            SourceError: It could not be read. An OSError counts as one.
        """
        ...

    def diff(self, desired: DesiredT, observed: ObservedT, owned: Ownership, /) -> Plan[OpT]:
        """The least that has to be done. Pure: no I/O, and the same plan for the same arguments.

        Args:
            desired: The desired state, as `check` has returned it.
            observed: What `observe` has read.
            owned: What we own.
        """
        ...

    async def apply(self, batch: Sequence[OpT], /) -> Sequence[Outcome]:
        """Apply ops, and give one outcome an op, in their order; it never sees a release.

        It is cancelled when the time limit of 30 seconds is over; then every op of the batch counts
        as unknown.

        Args:
            batch: Ops of the last plan, in its order.

        Raises:
            StalePlan: What was observed is not so any more; nothing of the batch was done. The
                pass observes again, a few times.
        """
        ...
