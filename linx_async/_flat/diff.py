"""The three-way diff of flat state: desired, observed, and what we own."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

from attrs import evolve, frozen

from .._core.errors import OpError
from .._core.model import Plan, Waiting
from .._core.ownership import Claim, Ownership
from .observed import Observed
from .ops import ReleaseValue, RevertValue, SetValue, shown

__all__ = ["FlatOp", "Vocabulary", "diff"]

FlatOp = SetValue | RevertValue | ReleaseValue


def _no_effects(_key: str, _text: str, _others: Collection[str]) -> dict[str, str]:
    return {}


def _itself(key: str) -> str:
    return key


def _whole(_key: str, _ours: str | None, original: str) -> str:
    return original


@frozen
class Vocabulary:
    """What the diff has to know of a subsystem.

    Attributes:
        same: Whether writing a text to a key means the value that was read there.
        set: Makes the op that sets a key.
        revert: Makes the op that reverts one.
        release: Makes the op that releases one.
        rank: Sorts keys: those that overwrite others come before them.
        undo: What to write to put the original back, given what we wrote.
        effects: What else writing a key changes: the other keys, of those given, and their values.
        knob: What two keys have in common that are one and the same thing to the kernel.
    """

    same: Callable[[str, str, str], bool]
    set: type[SetValue]
    revert: type[RevertValue]
    release: type[ReleaseValue]
    rank: Callable[[str], tuple[int, str]] = lambda key: (0, key)
    effects: Callable[[str, str, Collection[str]], Mapping[str, str]] = _no_effects
    undo: Callable[[str, str | None, str], str] = _whole
    knob: Callable[[str], str] = _itself


def diff(
    desired: Mapping[str, str],
    observed: Observed,
    owned: Ownership,
    vocabulary: Vocabulary,
    *,
    revert_on_release: bool = False,
) -> Plan[FlatOp]:
    """The ops that lead from observed to desired, in an order that converges in one pass.

    A desired key is set when its value differs, unless that is what the kernel made of our own
    last write. A key that we own and that is not desired any more is released, or reverted; it is
    never reverted once somebody else has changed it.
    """
    live = {key: claim for key, claim in owned.items() if not _is_stale(claim, observed)}
    writes: dict[str, SetValue | RevertValue] = {}
    releases: list[ReleaseValue] = []
    for key, text in desired.items():
        value = observed.values.get(key)
        if value is not None and not _holds(vocabulary, key, text, value, live.get(key)):
            writes[key] = _set(vocabulary, key, text, value, observed, live.get(key))
    left = [claim for key, claim in live.items() if key not in desired]
    heirs = {vocabulary.knob(key): key for key in desired} if left else {}
    for claim in left:
        heir = heirs.get(vocabulary.knob(claim.key))
        if heir is not None:
            if heir not in live and heir in observed.values:
                writes[heir] = _inherit(vocabulary, claim, heir, desired[heir], observed)
            releases.append(vocabulary.release(claim.key, f"{heir} is the same knob"))
            continue
        op = _let_go(vocabulary, claim, observed, revert=revert_on_release)
        if isinstance(op, ReleaseValue):
            releases.append(op)
        else:
            writes[claim.key] = op
    _undo_side_effects(desired, observed, live, vocabulary, writes)
    ops: list[FlatOp] = [
        *sorted(writes.values(), key=lambda op: _turn(vocabulary, op)),
        *sorted(releases, key=lambda op: op.key),
    ]
    return Plan(
        batches=(tuple(ops),) if ops else (),
        waiting=tuple(Waiting(k, observed.absent[k]) for k in desired if k in observed.absent),
        stale=frozenset(owned.keys() - live.keys()),
        failed=tuple(_refusal(observed.refused[k]) for k in desired if k in observed.refused),
    )


def _turn(vocabulary: Vocabulary, op: SetValue | RevertValue) -> tuple[int, bool, bool, str]:
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


def _holds(vocabulary: Vocabulary, key: str, text: str, value: str, claim: Claim | None) -> bool:
    if value == text or vocabulary.same(key, text, value):
        return True
    # What the kernel rounded or completed: learned by reading back after the write.
    return claim is not None and claim.value == text and claim.settled == value


def _set(
    vocabulary: Vocabulary,
    key: str,
    text: str,
    value: str,
    observed: Observed,
    claim: Claim | None,
) -> SetValue:
    original = value if claim is None else claim.original
    return vocabulary.set(key, text, value, original, observed.incarnation)


def _inherit(
    vocabulary: Vocabulary, claim: Claim, heir: str, text: str, observed: Observed
) -> SetValue:
    """Set a key that we own under another name of the same knob, to own it under this one."""
    original = None
    if claim.original is not None:
        original = vocabulary.effects(claim.key, claim.original, {heir}).get(heir)
    return vocabulary.set(
        heir,
        text,
        observed.values[heir],
        original or None,
        observed.incarnation,
        f"but it was ours as {claim.key}",
    )


def _let_go(
    vocabulary: Vocabulary, claim: Claim, observed: Observed, *, revert: bool
) -> RevertValue | ReleaseValue:
    key, value = claim.key, observed.values.get(claim.key)
    if not revert or claim.original is None:
        return vocabulary.release(key)
    if value is None:
        return vocabulary.release(key, "it cannot be read any more")
    text = vocabulary.undo(key, claim.value, claim.original)
    if value == claim.original or vocabulary.same(key, text, value):
        return vocabulary.release(key, "it has its original value")
    if not _is_ours(vocabulary, claim, value):
        return vocabulary.release(key, f"left at {shown(value)}, which somebody else set")
    return vocabulary.revert(key, text, value, claim.original, claim.incarnation)


def _is_ours(vocabulary: Vocabulary, claim: Claim, value: str) -> bool:
    """Whether a value is still what we wrote; it may be as long as the outcome is not known."""
    if claim.settled is None or claim.settled == value:
        return True
    return claim.value is not None and vocabulary.same(claim.key, claim.value, value)


def _undo_side_effects(
    desired: Mapping[str, str],
    observed: Observed,
    live: Mapping[str, Claim],
    vocabulary: Vocabulary,
    writes: dict[str, SetValue | RevertValue],
) -> None:
    """Set what the planned writes are about to overwrite, though it is right at this moment."""
    causes = list(writes.values())
    while causes:
        cause = causes.pop()
        for key, text in vocabulary.effects(cause.key, cause.text, desired).items():
            value = observed.values.get(key)
            if key in writes or value is None or vocabulary.same(key, desired[key], text):
                continue
            op = _set(vocabulary, key, desired[key], value, observed, live.get(key))
            writes[key] = evolve(op, because=f"but {cause.key} overwrites it")
            causes.append(writes[key])


def _refusal(error: OpError) -> OpError:
    """A fresh one a plan, since an exception that was raised drags its traceback along."""
    return OpError(error.key, error.errno, error.message, offset=error.offset)
