"""What may be wrong with a fake kernel: faults that strike until they are lifted."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType, TracebackType
from typing import Final, Self, TypeAlias

from linx_async._core.model import Verb

__all__ = ["Fault", "Keys", "NoAnswer"]

Keys: TypeAlias = str | Callable[[str], bool]
"""One key, or what says of a key whether it is meant."""

CHANGES: Final = frozenset({Verb.CREATE, Verb.UPDATE, Verb.DELETE})
"""The verbs of a fake kernel; a revert is an update to it, and a release is nothing."""
WRITES: Final = frozenset({Verb.CREATE, Verb.UPDATE})


def any_key(_key: str) -> bool:
    """All keys are meant."""
    return True


class NoAnswer(Exception):
    """The kernel's answer to a change will never come; a source waits for it, without end.

    Attributes:
        key: The key of the change.
    """

    def __init__(self, key: str) -> None:
        self.key = key
        super().__init__(key)

    def __str__(self) -> str:
        return f"{self.key}: no answer will ever come"


class Fault:
    """Something that is wrong with a fake kernel, until it is lifted.

    As a context manager it is lifted where the block ends. `FakeKernel`'s methods make them.

    Attributes:
        times: How often it still strikes, `math.inf` for ever; 0 once it was lifted.
        struck: How often it has struck.

    Raises:
        ValueError: `times` or `verbs` is wrong.
    """

    def __init__(
        self,
        keys: Keys = any_key,
        *,
        verbs: Iterable[Verb] = CHANGES,
        times: float = math.inf,
    ) -> None:
        self.times: float = _checked_times(times)
        self.struck: int = 0
        self._verbs = _checked_verbs(verbs)
        self._is_meant = keys.__eq__ if isinstance(keys, str) else keys

    def lift(self) -> None:
        """End it: it strikes no more."""
        self.times = 0

    def strikes(self, key: str, verb: Verb) -> bool:
        """Whether it meets this change; it counts if so."""
        if self.times <= 0 or verb not in self._verbs or not self._is_meant(key):
            return False
        self.times -= 1
        self.struck += 1
        return True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.lift()


class Refusal(Fault):
    """The kernel says no."""

    def __init__(
        self, keys: Keys, errno: int, message: str, verbs: Iterable[Verb], times: float
    ) -> None:
        super().__init__(keys, verbs=verbs, times=times)
        if type(errno) is not int or errno <= 0:
            raise ValueError(f"errno: expected one of errno(3), got {errno!r}")
        self.errno = errno
        self.message = message


class Silence(Fault):
    """The kernel says nothing, whether it did it or not."""

    def __init__(self, keys: Keys, done: bool, verbs: Iterable[Verb], times: float) -> None:
        super().__init__(keys, verbs=verbs, times=times)
        self.done = done


class Rounding(Fault):
    """The kernel makes another value of what is written."""

    def __init__(self, keys: Keys, to: Callable[[str], str]) -> None:
        super().__init__(keys, verbs=WRITES)
        self.to = to


class SideEffect(Fault):
    """A change takes others along."""

    def __init__(
        self, keys: Keys, changes: Mapping[str, str | None], verbs: Iterable[Verb], times: float
    ) -> None:
        super().__init__(keys, verbs=verbs, times=times)
        self.changes: Mapping[str, str | None] = MappingProxyType(dict(changes))


class DroppedHint(Fault):
    """Nobody is told of a change."""


class FailingLook(Fault):
    """Nothing can be read."""

    def __init__(self, error: Exception, times: float) -> None:
        super().__init__(times=times)
        self.error = error


def _checked_times(times: float) -> float:
    if type(times) is int and times >= 1:
        return times
    if times == math.inf:
        return times
    raise ValueError(f"times: expected a whole number from 1, or math.inf, got {times!r}")


def _checked_verbs(verbs: Iterable[Verb]) -> frozenset[Verb]:
    checked = frozenset(verbs)
    if not checked or checked - CHANGES:
        raise ValueError(
            f"verbs: expected some of CREATE, UPDATE and DELETE, got {sorted(map(str, checked))}"
        )
    return checked
