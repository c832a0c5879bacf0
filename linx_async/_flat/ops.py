"""The ops of flat state: set a key, put its original back, or let it go."""

from __future__ import annotations

from attrs import frozen

from .._core.model import Verb
from .._core.ownership import Claim

__all__ = ["ReleaseValue", "RevertValue", "SetValue", "WriteValue"]

_SHOWN = 60


def shown(value: str) -> str:
    """A value as a person reads it in one line."""
    line = " ".join(value.split())
    return f"{line[:_SHOWN]}…" if len(line) > _SHOWN else line or "''"


@frozen
class WriteValue:
    """What setting and reverting share: a key is written.

    Attributes:
        key: The key.
        text: What is written.
        was: What was observed before.
        original: The value from before we came.
        incarnation: Which of several objects of that name it is.
        because: Why, where the value alone does not tell.
    """

    key: str
    text: str
    was: str
    original: str | None = None
    incarnation: str | None = None
    because: str = ""

    @property
    def requires(self) -> frozenset[str]:
        """Nothing: every op is independent."""
        return frozenset()


@frozen
class SetValue(WriteValue):
    """Write the desired value."""

    @property
    def verb(self) -> Verb:
        """An update: the key is the kernel's own."""
        return Verb.UPDATE

    @property
    def claim(self) -> Claim:
        """Ours from before the write."""
        return Claim(self.key, self.text, self.original, None, self.incarnation)

    def __str__(self) -> str:
        why = f", {self.because}" if self.because else ""
        return f"set {self.key} = {shown(self.text)} (is {shown(self.was)}{why})"


@frozen
class RevertValue(WriteValue):
    """Write the value from before we came."""

    @property
    def verb(self) -> Verb:
        """A revert."""
        return Verb.REVERT

    @property
    def claim(self) -> None:
        """None: it ends with the op."""

    def __str__(self) -> str:
        why = f", {self.because}" if self.because else ""
        return f"revert {self.key} to {shown(self.text)} (is {shown(self.was)}{why})"


@frozen
class ReleaseValue:
    """Leave the value as it is; the claim ends.

    Attributes:
        key: The key.
        because: Why it is left alone.
    """

    key: str
    because: str = ""

    @property
    def verb(self) -> Verb:
        """A release."""
        return Verb.RELEASE

    @property
    def claim(self) -> None:
        """None: it ends with the op."""

    @property
    def original(self) -> None:
        """None: nothing is written."""

    @property
    def requires(self) -> frozenset[str]:
        """Nothing: every op is independent."""
        return frozenset()

    def __str__(self) -> str:
        return f"release {self.key}" + (f" ({self.because})" if self.because else "")
