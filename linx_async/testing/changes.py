"""What a fake source does: its ops, and the pure diff that plans them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeAlias

from attrs import frozen

from linx_async._core.model import Conflict, Plan, Verb, Waiting
from linx_async._core.ops import Delete
from linx_async._core.ownership import Claim, Ownership

__all__ = ["Change", "Forget", "Objects", "OnRelease", "Put", "Remove", "Restore", "diff"]

Objects: TypeAlias = Mapping[str, str]
"""Text by key, both as desired and as observed."""

OnRelease: TypeAlias = Literal["delete", "keep", "revert"]


@frozen
class Put:
    """Create an object, or change one.

    Attributes:
        key: The object.
        value: What it is to be.
        was: What it is; None where it is not there.
        original: What it was before we came, where that comes back one day.
        requires: The keys whose ops must have succeeded first.
    """

    key: str
    value: str
    was: str | None = None
    original: str | None = None
    requires: frozenset[str] = frozenset()

    @property
    def verb(self) -> Verb:
        """CREATE or UPDATE."""
        return Verb.CREATE if self.was is None else Verb.UPDATE

    @property
    def claim(self) -> Claim:
        """What our record is to hold."""
        return Claim(self.key, self.value, self.original)

    def __str__(self) -> str:
        return f"put {self.key} = {self.value}"


class _Disowning:
    """What the ops have in common that end a claim."""

    __slots__ = ()

    @property
    def claim(self) -> None:
        """None: it ends with the op."""

    @property
    def requires(self) -> frozenset[str]:
        """Nothing."""
        return frozenset()


@frozen
class Remove(Delete):
    """Delete an object.

    Attributes:
        key: The object.
    """

    key: str

    def __str__(self) -> str:
        return f"remove {self.key}"


@frozen
class Restore(_Disowning):
    """Put the original value back.

    Attributes:
        key: The object.
        original: What it was before we came.
    """

    key: str
    original: str

    @property
    def verb(self) -> Verb:
        """REVERT."""
        return Verb.REVERT

    def __str__(self) -> str:
        return f"restore {self.key} = {self.original}"


@frozen
class Forget(_Disowning):
    """Leave an object as it is, and forget that it was ours.

    Attributes:
        key: The object.
    """

    key: str

    @property
    def verb(self) -> Verb:
        """RELEASE."""
        return Verb.RELEASE

    @property
    def original(self) -> None:
        """None: nothing comes back."""

    def __str__(self) -> str:
        return f"forget {self.key}"


Change: TypeAlias = Put | Remove | Restore | Forget
"""Any op of a fake source."""


def diff(
    desired: Objects,
    observed: Objects,
    owned: Ownership,
    *,
    batch: int = 100,
    on_release: OnRelease = "delete",
) -> Plan[Change]:
    """The three-way diff of untagged objects: desired, observed, and what our record says.

    A value that the kernel made of our own last write is as desired.

    Args:
        desired: What is wanted.
        observed: What is there.
        owned: What is ours of it.
        batch: The most ops in one batch.
        on_release: What becomes of ours that is not wanted any more: see `FakeSource`.
    """
    ops: list[Change] = []
    conflicts = []
    waiting = []
    stale = frozenset(key for key in owned if key not in observed)
    for key, value in desired.items():
        there = observed.get(key)
        claim = owned.get(key) if key not in stale else None
        requires = frozenset(key.split("<")[1:])
        if key.endswith("?") and key[:-1] not in observed:
            waiting.append(Waiting(key, f"{key[:-1]} is not there"))
        elif there is None:
            ops.append(Put(key, value, requires=requires))
        elif there == value or _is_settled(claim, value, there):
            continue
        elif claim is not None or on_release == "revert":
            original = there if claim is None else claim.original
            ops.append(Put(key, value, there, original, requires))
        else:
            conflicts.append(Conflict(key, f"it is {there}, and not ours"))
    ops += [
        _let_go(claim, observed[key], on_release)
        for key, claim in owned.items()
        if key not in desired and key not in stale
    ]
    batches = tuple(tuple(ops[i : i + batch]) for i in range(0, len(ops), batch))
    return Plan(batches, tuple(waiting), tuple(conflicts), stale)


def _is_settled(claim: Claim | None, value: str, there: str) -> bool:
    return claim is not None and (claim.value, claim.settled) == (value, there)


def _let_go(claim: Claim, there: str, on_release: OnRelease) -> Change:
    reverts = on_release == "revert"
    if on_release == "keep" or (reverts and claim.original == there):
        return Forget(claim.key)
    if reverts and claim.original is not None:
        return Restore(claim.key, claim.original)
    return Remove(claim.key)
