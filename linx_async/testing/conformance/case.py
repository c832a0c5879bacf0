"""What the author of a Source gives, so that it can be put through the laws."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Generic, TypeVar

from attrs import field, frozen, validators

import linx_async

__all__ = ["CaseError", "SourceCase"]

DesiredT = TypeVar("DesiredT")
ObservedT = TypeVar("ObservedT")
OpT = TypeVar("OpT", bound=linx_async.Op)

_FEWEST = 2


class CaseError(Exception):
    """The case says nothing about the Source: something of it is missing, or wrong."""


def _itself(desired: Any) -> Mapping[str, object]:
    if not isinstance(desired, Mapping):
        raise CaseError(
            f"shows: is to be given, since a desired state is no mapping, but {desired!r:.80}"
        )
    return desired


@frozen(kw_only=True)
class SourceCase(Generic[DesiredT, ObservedT, OpT]):
    """A Source in one scope that is the test's own, and what goes on around it.

    The scope has to be left alone by everybody else meanwhile, and is to hold at least one thing
    that no state desires: somebody else's.

    Attributes:
        make: Makes a Source on the scope, another one at each call, always with the same options.
        states: Desired states, two or three, that can be reached at once from each other and from
            an empty scope: at least one key is desired by all of them with differing values, and
            one by some. Keep them small: the laws make hundreds of passes.
        empty: The desired state that wants nothing.
        look: Reads everything in the scope, by key, not through the Source. A value is whatever can
            be compared. What changes by itself (counters, ages) is to be left out.
        shows: What `look` shows of a desired state that holds, by key (`unittest.mock.ANY` where
            the value is open); default: the desired state itself, if it is a mapping.
        meddle: Somebody else changes or deletes something that the first state desires, while it
            holds.
        meddle_unheard: The same in such a way that no hint tells of it, as if the notification had
            been lost; None where that cannot be had.
        rival: Somebody else has something else under a key that the first state desires, as long as
            this is entered; None where the Source takes over whatever is there.
        wrong: Desired states that `check` has to refuse.
        restores: Whether the scope is as it was once nothing is desired any more; else what was
            applied stays as it is.
        patience: Seconds to wait for a hint before it counts as missing.
    """

    make: Callable[[], linx_async.Source[DesiredT, ObservedT, OpT]]
    states: Sequence[DesiredT] = field(converter=tuple, validator=validators.min_len(_FEWEST))
    empty: DesiredT
    look: Callable[[], Awaitable[Mapping[str, object]]]
    shows: Callable[[DesiredT], Mapping[str, object]] = _itself
    meddle: Callable[[], Awaitable[object]]
    meddle_unheard: Callable[[], Awaitable[object]] | None = None
    rival: Callable[[], contextlib.AbstractAsyncContextManager[object]] | None = None
    wrong: Sequence[object] = ()
    restores: bool = True
    patience: float = 5.0

    @property
    def speaks_of(self) -> frozenset[str]:
        """The keys that any state desires."""
        return frozenset(key for state in self.states for key in self.shows(state))
