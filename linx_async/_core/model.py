"""The words of the core as values: hints, ops, plans, outcomes and reports."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, Generic, Protocol, TypeVar

from attrs import field, frozen

from .errors import OpError
from .ownership import Claim, Ownership

__all__ = [
    "DONE",
    "Conflict",
    "Failure",
    "Hint",
    "Op",
    "OpT",
    "Outcome",
    "Plan",
    "Report",
    "Trigger",
    "Verb",
    "Waiting",
]


class Verb(enum.Enum):
    """What an op does to the kernel, or to our record."""

    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"
    RELEASE = "release"
    """Leave the object as it is and forget that it was ours."""
    REVERT = "revert"
    """Put the value from before we came back, and forget that it was ours."""

    @property
    def disowns(self) -> bool:
        """Whether the claim on the key ends once the op has succeeded."""
        return self in _DISOWNING


_DISOWNING = frozenset({Verb.DELETE, Verb.RELEASE, Verb.REVERT})


class Trigger(enum.Enum):
    """Why a pass ran."""

    START = "start"
    HINT = "hint"
    RESYNC = "resync"
    RETRY = "retry"
    DESIRED = "desired"
    FORCED = "forced"


@frozen
class Hint:
    """Look now.

    Attributes:
        reason: Why, for people: `net.ipv4.ip_forward was written`.
        keys: The keys it may concern; None when it may be any.
        lost: The kernel dropped notifications: anything may have changed (ENOBUFS in netlink(7),
            IN_Q_OVERFLOW in inotify(7)).
    """

    reason: str
    keys: frozenset[str] | None = None
    lost: bool = False


class Op(Protocol):
    """One change to the kernel: a frozen value, one class a kernel verb."""

    @property
    def key(self) -> str:
        """What it changes: a name and canonical values, never a kernel index."""
        ...

    @property
    def verb(self) -> Verb:
        """What it does."""
        ...

    @property
    def original(self) -> str | None:
        """The value from before we came, where one is to be restored."""
        ...

    @property
    def claim(self) -> Claim | None:
        """What our record is to hold before the op is applied.

        None where the kernel's own tag says whose the object is, and where the verb disowns.
        """
        ...

    @property
    def requires(self) -> frozenset[str]:
        """Keys whose ops must have succeeded first, if they are in the same plan."""
        ...

    def __str__(self) -> str:
        """For people: `set net.ipv4.ip_forward = 1 (is 0)`."""
        ...


OpT = TypeVar("OpT", bound=Op)
OpT_co = TypeVar("OpT_co", bound=Op, covariant=True)


@frozen
class Waiting:
    """A key that cannot be done yet; not an error. A hint, or the resync, finds it when it can.

    Attributes:
        key: The key.
        reason: Why, for people.
        interface: The interface that it waits for, where its key does not say so; else empty.
    """

    key: str
    reason: str
    interface: str = field(default="", eq=False)

    @classmethod
    def for_interface(cls, key: str, name: str) -> Waiting:
        """One that waits for an interface, which is named."""
        return cls(key, f"the interface {name} is not there", name)

    def __str__(self) -> str:
        return f"{self.key}: {self.reason}"


@frozen
class Conflict:
    """Somebody else holds the key with another value, as the reason says; it was left alone."""

    key: str
    reason: str

    def __str__(self) -> str:
        return f"{self.key}: {self.reason}"


@frozen
class Plan(Generic[OpT_co]):
    """The ordered ops of one pass, made by a pure function.

    Attributes:
        batches: Applied one after the other; cancellation lands between them, never inside one.
        waiting: What cannot be done yet.
        conflicts: What somebody else holds.
        stale: Keys of claims on things that are gone; they are dropped before anything is applied.
        failed: What can be told to fail before it is tried: a key that cannot be read, say.
        interim: Whether it leads only part of the way, so that nothing is lost in between: once it
            was applied, the same pass looks again and goes on.
    """

    batches: tuple[tuple[OpT_co, ...], ...] = ()
    waiting: tuple[Waiting, ...] = ()
    conflicts: tuple[Conflict, ...] = ()
    stale: frozenset[str] = frozenset()
    failed: tuple[OpError, ...] = ()
    interim: bool = False

    @property
    def ops(self) -> tuple[OpT_co, ...]:
        """All ops of all batches, in order."""
        return tuple(op for batch in self.batches for op in batch)

    def __iter__(self) -> Iterator[OpT_co]:
        return iter(self.ops)

    def __bool__(self) -> bool:
        """Whether the kernel would be changed."""
        return any(op.verb is not Verb.RELEASE for op in self)


@frozen
class Outcome:
    """What became of one op.

    Attributes:
        error: Why it failed; None when it was done.
        unknown: No answer came: it may have been done. The claim is kept.
        settled: What the kernel shows after a write, where it may differ from what was written.
        conflict: Who holds the key, where that only showed when the op was tried; empty where it
            is not so. The op was not done then.
        waiting: What is still to come by itself, now that the op was done; empty where nothing is.
        duration: Seconds the op took; None where only its batch was timed.
        pending: It was not done, because others were not that it has to go along with.
        unneeded: It was not done, because it turned out that another has just that there already.
    """

    error: OpError | None = None
    unknown: bool = False
    settled: str | None = None
    conflict: str = ""
    waiting: str = ""
    duration: float | None = None
    pending: bool = False
    unneeded: bool = False

    @property
    def done(self) -> bool:
        """Whether the kernel was changed, and said so."""
        undone = self.error or self.unknown or self.conflict or self.pending or self.unneeded
        return not undone


DONE: Final = Outcome()
"""The outcome of an op that was done, with no more to say; sources may share it."""


@frozen
class Failure(Generic[OpT_co]):
    """An op that failed, with the kernel's reason.

    Attributes:
        op: The op; None where it failed before one could be made.
        error: The reason.
        unknown: No answer came within the time limit, so it may have been done.
    """

    op: OpT_co | None
    error: OpError
    unknown: bool = False

    @property
    def key(self) -> str:
        """The key that could not be done."""
        return self.error.key if self.op is None else self.op.key

    def __str__(self) -> str:
        return str(self.error) if self.op is None else f"{self.op}: {self.error}"


@frozen
class Report(Generic[OpT_co]):
    """What one pass did, whichever subsystem made it.

    Attributes:
        converged: The kernel holds the desired state now: nothing failed, is pending, waits or
            conflicts.
        applied: The ops that ran, in order.
        failed: The ops that were refused or whose outcome is not known.
        pending: The ops that were not tried, because they depend on a failed one.
        waiting: What cannot be done yet.
        conflicts: What somebody else holds.
        last_applied: What we own after this pass; give it to the next one.
        flapping: Keys that had to be set again and again: someone fights us, or they never stick.
        stale: Keys whose claims were dropped: what had been claimed was gone, or replaced by
            another object of the same name.
        trigger: Why the pass ran.
        revision: Which desired state it ran for: 0 is the loop's first, put_desired counts on.
        duration: Seconds from the first read to the last write.
        timings: Seconds an op, by key, where the source tells.
    """

    converged: bool
    applied: tuple[OpT_co, ...] = ()
    failed: tuple[Failure[OpT_co], ...] = ()
    pending: tuple[OpT_co, ...] = ()
    waiting: tuple[Waiting, ...] = ()
    conflicts: tuple[Conflict, ...] = ()
    last_applied: Ownership = field(factory=Ownership)
    flapping: tuple[str, ...] = ()
    stale: frozenset[str] = frozenset()
    trigger: Trigger = Trigger.FORCED
    revision: int = 0
    duration: float = 0.0
    timings: Mapping[str, float] = field(factory=dict, repr=False)

    @property
    def changed(self) -> bool:
        """Whether the kernel was changed: something other than a release was applied."""
        return any(op.verb is not Verb.RELEASE for op in self.applied)

    def __str__(self) -> str:
        """For people: `not converged; applied: add link lan0 (dummy); failed: …; waiting: …`."""
        parts = ["converged" if self.converged else "not converged"]
        for kind in ("applied", "failed", "pending", "waiting", "conflicts", "flapping"):
            parts += [f"{kind.removesuffix('s')}: {each}" for each in getattr(self, kind)]
        return "; ".join(parts)


def keys_of(items: Iterable[Any]) -> frozenset[str]:
    """The keys of ops, failures, waiting or conflicts."""
    return frozenset(item.key for item in items)
