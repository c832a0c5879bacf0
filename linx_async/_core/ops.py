"""What ops have in common: those of subsystems that put nothing back."""

from __future__ import annotations

from typing import ClassVar, Final

from attrs import frozen

from .model import Verb
from .ownership import Claim

__all__ = ["NOTHING", "Create", "Delete", "Release", "Update"]

NOTHING: Final[frozenset[str]] = frozenset()


class _Op:
    """What all ops are but for their own fields."""

    __slots__ = ()

    verb: ClassVar[Verb]

    @property
    def original(self) -> None:
        """None: what was there before is not put back."""

    @property
    def claim(self) -> Claim | None:
        """None where the kernel's own tag says whose it is, and where the op disowns."""
        return None


class Create(_Op):
    """An op that makes an object."""

    __slots__ = ()
    verb = Verb.CREATE


class Update(_Op):
    """An op that changes an object."""

    __slots__ = ()
    verb = Verb.UPDATE


class Delete(_Op):
    """An op that removes an object of ours."""

    __slots__ = ()
    verb = Verb.DELETE

    @property
    def requires(self) -> frozenset[str]:
        """Nothing."""
        return NOTHING


@frozen
class Release(_Op):
    """Leave an object as it is; it is not ours any more."""

    key: str
    because: str = ""
    verb = Verb.RELEASE

    @property
    def requires(self) -> frozenset[str]:
        """Nothing."""
        return NOTHING

    def __str__(self) -> str:
        return f"release {self.key}" + (f" ({self.because})" if self.because else "")
