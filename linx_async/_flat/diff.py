"""The three-way diff of flat state: desired, observed, and what we own."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any, Generic, TypeVar, cast

from attrs import define, evolve, field, frozen

from .._core.errors import OpError
from .._core.model import Plan, Waiting
from .._core.ownership import Claim, Ownership
from .observed import Observed
from .ops import ReleaseValue, RevertValue, SetValue, shown

__all__ = ["FlatOp", "OpT", "Vocabulary", "diff"]

FlatOp = SetValue | RevertValue | ReleaseValue
OpT = TypeVar("OpT", bound=FlatOp)


def _no_effects(_key: str, _text: str, _others: Collection[str]) -> dict[str, str]:
    return {}


def _itself(key: str) -> str:
    return key


def _as_it_is(_claim: Claim, text: str, _value: str) -> str:
    return text


def _whole(_key: str, _ours: str | None, original: str) -> str | None:
    return original


@frozen
class Vocabulary(Generic[OpT]):
    """What the diff has to know of a subsystem.

    Attributes:
        same: Whether writing a text to a key means the value that was read there.
        set: Makes the op that sets a key.
        revert: Makes the op that reverts one.
        release: Makes the op that releases one.
        rank: Sorts keys: those that overwrite others come before them.
        undo: What to write to put the original back, given what we wrote; None where that takes
            another key.
        effects: What else writing a key changes: the other keys, of those given, and their values.
        widen: What to write to a key that we own, where the original comes back: the text, and
            what puts back the parts of ours that it leaves out.
        knob: What two keys have in common that are one and the same thing to the kernel.
    """

    same: Callable[[str, str, str], bool]
    set: type[SetValue]
    revert: type[RevertValue]
    release: type[ReleaseValue]
    rank: Callable[[str], tuple[int, str]] = lambda key: (0, key)
    effects: Callable[[str, str, Collection[str]], Mapping[str, str]] = _no_effects
    undo: Callable[[str, str | None, str], str | None] = _whole
    widen: Callable[[Claim, str, str], str] = _as_it_is
    knob: Callable[[str], str] = _itself


def diff(
    desired: Mapping[str, str],
    observed: Observed,
    owned: Ownership,
    vocabulary: Vocabulary[OpT],
    *,
    revert_on_release: bool = False,
) -> Plan[OpT]:
    """The ops that lead from observed to desired, in an order that converges in one pass.

    A desired key is set when its value differs, unless that is what the kernel made of our own
    last write. A key that we own and that is not desired any more is released, or reverted; it is
    never reverted once somebody else has changed it.
    """
    live = {key: claim for key, claim in owned.items() if not _is_stale(claim, observed)}
    if revert_on_release:
        desired = {key: _widened(vocabulary, key, desired, observed, live) for key in desired}
    draft = _Draft(desired, observed, live, vocabulary)
    draft.set_desired()
    draft.let_go(revert=revert_on_release)
    draft.undo_side_effects()
    ops = cast("tuple[OpT, ...]", draft.ops())  # which the vocabulary has made
    return Plan(
        batches=(ops,) if ops else (),
        waiting=tuple(Waiting(k, observed.absent[k]) for k in desired if k in observed.absent),
        stale=frozenset(owned.keys() - live.keys()),
        failed=tuple(_refusal(observed.refused[k]) for k in desired if k in observed.refused),
    )


@define
class _Draft:
    """The ops of a plan in the making, by key."""

    desired: Mapping[str, str]
    observed: Observed
    live: Mapping[str, Claim]
    vocabulary: Vocabulary[Any]
    writes: dict[str, SetValue | RevertValue] = field(factory=dict)
    releases: dict[str, ReleaseValue] = field(factory=dict)
    originals: dict[str, str] = field(factory=dict)

    def set_desired(self) -> None:
        """Set each desired key whose value differs."""
        for key, text in self.desired.items():
            value = self.observed.values.get(key)
            claim = self.live.get(key)
            if value is not None and not _holds(self.vocabulary, key, text, value, claim):
                self.writes[key] = self._set(key, text)

    def let_go(self, *, revert: bool) -> None:
        """Release or revert each key that we own and that is not desired any more."""
        left = [claim for key, claim in self.live.items() if key not in self.desired]
        heirs = {self.vocabulary.knob(key): key for key in self.desired} if left else {}
        for claim in left:
            heir = heirs.get(self.vocabulary.knob(claim.key))
            if heir is None:
                self._let_go(claim, revert=revert)
            else:
                self._hand_on(claim, heir)

    def undo_side_effects(self) -> None:
        """Set again what the planned writes overwrite, though it is right at this moment."""
        goals = {**self.desired, **self.originals}
        causes = list(self.writes.values())
        while causes:
            cause = causes.pop()
            for key, text in self.vocabulary.effects(cause.key, cause.text, goals).items():
                if key in self.writes or key not in self.observed.values:
                    continue
                if not self.vocabulary.same(key, goals[key], text):
                    self.writes[key] = self._again(key, cause.key)
                    causes.append(self.writes[key])

    def ops(self) -> tuple[FlatOp, ...]:
        """All of them, in order."""
        writes = sorted(self.writes.values(), key=lambda op: _turn(self.vocabulary, op))
        return (*writes, *sorted(self.releases.values(), key=lambda op: op.key))

    def _set(self, key: str, text: str, because: str = "") -> SetValue:
        value, claim = self.observed.values[key], self.live.get(key)
        original = value if claim is None else claim.original
        return self.vocabulary.set(key, text, value, original, self.observed.incarnation, because)

    def _again(self, key: str, cause: str) -> SetValue | RevertValue:
        because = f"but {cause} overwrites it"
        if key in self.desired:
            return self._set(key, self.desired[key], because)
        del self.releases[key]
        value, claim = self.observed.values[key], self.live[key]
        return self.vocabulary.revert(
            key, self.originals[key], value, claim.original, claim.incarnation, because
        )

    def _let_go(self, claim: Claim, *, revert: bool) -> None:
        key, value = claim.key, self.observed.values.get(claim.key)
        if not revert or claim.original is None:
            self._release(key)
            return
        text = self.vocabulary.undo(key, claim.value, claim.original)
        if value is None:
            self._release(key, "it cannot be read any more")
        elif text is None:
            self._release(key, "it cannot be put back by itself")
        elif value == claim.original or self.vocabulary.same(key, text, value):
            self._release(key, "it has its original value")
            self.originals[key] = text
        elif not _is_ours(self.vocabulary, claim, value):
            self._release(key, f"left at {shown(value)}, which somebody else set")
        else:
            self.writes[key] = self.vocabulary.revert(
                key, text, value, claim.original, claim.incarnation
            )

    def _release(self, key: str, because: str = "") -> None:
        self.releases[key] = self.vocabulary.release(key, because)

    def _hand_on(self, claim: Claim, heir: str) -> None:
        """Own a knob under the name that is desired now, and no more under the other."""
        self._release(claim.key, f"{heir} is the same knob")
        if heir in self.live or heir not in self.observed.values:
            return
        original = None
        if claim.original is not None:
            original = self.vocabulary.effects(claim.key, claim.original, {heir}).get(heir) or None
        op = self._set(heir, self.desired[heir], f"but it was ours as {claim.key}")
        self.writes[heir] = evolve(op, original=original)


def _widened(
    vocabulary: Vocabulary[Any],
    key: str,
    desired: Mapping[str, str],
    observed: Observed,
    live: Mapping[str, Claim],
) -> str:
    claim, value = live.get(key), observed.values.get(key)
    if claim is None or value is None:
        return desired[key]
    return vocabulary.widen(claim, desired[key], value)


def _turn(vocabulary: Vocabulary[Any], op: SetValue | RevertValue) -> tuple[int, bool, bool, str]:
    """When it is an op's turn: of one rank, what is desired has the last word.

    A 0 comes late: some keys refuse it, and have it once another key is written.
    """
    level, name = vocabulary.rank(op.key)
    return level, isinstance(op, SetValue), op.text == "0", name


def _is_stale(claim: Claim, observed: Observed) -> bool:
    return (
        claim.key in observed.absent
        or claim.key in observed.renewed
        or claim.incarnation != observed.incarnation
    )


def _holds(
    vocabulary: Vocabulary[Any], key: str, text: str, value: str, claim: Claim | None
) -> bool:
    if value == text or vocabulary.same(key, text, value):
        return True
    # What the kernel rounded or completed: learned by reading back after the write.
    return claim is not None and claim.value == text and claim.settled == value


def _is_ours(vocabulary: Vocabulary[Any], claim: Claim, value: str) -> bool:
    """Whether a value is still what we wrote; it may be as long as the outcome is not known."""
    if claim.settled is None or claim.settled == value:
        return True
    return claim.value is not None and vocabulary.same(claim.key, claim.value, value)


def _refusal(error: OpError) -> OpError:
    """A fresh one a plan, since an exception that was raised drags its traceback along."""
    return OpError(error.key, error.errno, error.message, offset=error.offset)
