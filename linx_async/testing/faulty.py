"""The faults of a fake kernel, one method a kind, and which of them are in force."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from errno import EPERM
from typing import TypeVar

from linx_async._core.model import Verb

from .faults import (
    CHANGES,
    WRITES,
    DroppedHint,
    FailingLook,
    Fault,
    Keys,
    Refusal,
    Rounding,
    SideEffect,
    Silence,
    any_key,
)

__all__ = ["Faulty"]

FaultT = TypeVar("FaultT", bound=Fault)


class Faulty:
    """What can be given faults; each method gives the one that it made, in force from then on."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []

    def refuse(
        self,
        keys: Keys,
        errno: int = EPERM,
        message: str = "",
        *,
        verbs: Iterable[Verb] = CHANGES,
        times: float = math.inf,
    ) -> Fault:
        """A fault: changes of these keys are refused.

        Args:
            keys: A key, or what says of each whether it is meant.
            errno: The error number.
            message: What the kernel says beyond it.
            verbs: Which of CREATE, UPDATE and DELETE are refused.
            times: How often.

        Raises:
            ValueError: `errno`, `verbs` or `times` is wrong.
        """
        return self._put_in_force(Refusal(keys, errno, message, verbs, times))

    def never_answer(
        self,
        keys: Keys,
        *,
        done: bool = False,
        verbs: Iterable[Verb] = CHANGES,
        times: float = math.inf,
    ) -> Fault:
        """A fault: changes of these keys are never answered.

        Args:
            keys: A key, or what says of each whether it is meant.
            done: Whether they are done all the same.
            verbs: Which of CREATE, UPDATE and DELETE are not answered.
            times: How often.

        Raises:
            ValueError: `verbs` or `times` is wrong.
        """
        return self._put_in_force(Silence(keys, done, verbs, times))

    def round(self, keys: Keys, to: Callable[[str], str]) -> Fault:
        """A fault: what is written is not what is there then, as with memory limits and pages.

        Args:
            keys: A key, or what says of each whether it is meant.
            to: What the kernel makes of a value.
        """
        return self._put_in_force(Rounding(keys, to))

    def side_effect(
        self,
        keys: Keys,
        changes: Mapping[str, str | None],
        *,
        verbs: Iterable[Verb] = WRITES,
        times: float = math.inf,
    ) -> Fault:
        """A fault: a change of these keys changes others too, or the same again.

        Args:
            keys: A key, or what says of each whether it is meant.
            changes: New values by key; None deletes, if it is there. With the same key in it, a
                write never sticks.
            verbs: Which of CREATE, UPDATE and DELETE have the effect.
            times: How often.

        Raises:
            ValueError: `verbs` or `times` is wrong.
        """
        return self._put_in_force(SideEffect(keys, changes, verbs, times))

    def fail(self, error: Exception, *, times: float = math.inf) -> Fault:
        """A fault: every look raises this.

        Args:
            error: After a SourceError or an OSError a pass could not run; all others are bugs, and
                crash a loop.
            times: How often.

        Raises:
            ValueError: `times` is wrong.
        """
        return self._put_in_force(FailingLook(error, times))

    def drop_hints(self, keys: Keys = any_key, *, times: float = math.inf) -> Fault:
        """A fault: nobody is told of changes, and nobody that something was lost.

        Args:
            keys: A key, or what says of each whether it is meant; default: all.
            times: How often.

        Raises:
            ValueError: `times` is wrong.
        """
        return self._put_in_force(DroppedHint(keys, times=times))

    def _put_in_force(self, fault: Fault) -> Fault:
        self._faults.append(fault)
        return fault

    def _in_force(self, kind: type[FaultT], key: str, verb: Verb) -> Iterator[FaultT]:
        """The faults of a kind that strike, as far as they are asked for."""
        self._faults = [fault for fault in self._faults if fault.times > 0]
        for fault in self._faults:
            if isinstance(fault, kind) and fault.strikes(key, verb):
                yield fault
