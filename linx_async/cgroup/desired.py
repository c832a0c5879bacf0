"""What a cgroup's limits should be, checked as it is written down."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from attrs import field, frozen

from .._core.errors import DesiredStateError
from .codec import Value, text_of
from .paths import checked_name

__all__ = ["Desired", "DesiredLike"]

_ONE_KNOB = (("cpu.weight", "cpu.weight.nice"),)


def _settings(values: Mapping[str, Value]) -> dict[str, str]:
    if not isinstance(values, Mapping):
        raise DesiredStateError(f"cgroup: expected a mapping from key to value, got {values!r}")
    settings = {checked_name(key): text_of(key, value) for key, value in values.items()}
    for one, two in _ONE_KNOB:
        if one in settings and two in settings:
            raise DesiredStateError(
                f"cgroup: {one} and {two} are the same knob of the kernel; say one of them"
            )
    return settings


@frozen
class Desired:
    """Limits by interface file, as text.

    Values are integers, `"max"` or None for max, text with a unit (`"256M"`, in bytes), tuples
    (`cpu.max`: quota and period in microseconds), or mappings by device (`io.max`).

    Attributes:
        settings: What is written, by key.

    Raises:
        DesiredStateError: A key or value is wrong.
    """

    settings: Mapping[str, str] = field(converter=_settings)

    @classmethod
    def of(cls, desired: DesiredLike) -> Desired:
        """A mapping checked and converted; one that was is returned as it is."""
        return desired if isinstance(desired, Desired) else cls(desired)


DesiredLike: TypeAlias = Desired | Mapping[str, Value]
"""A `Desired`, or the mapping it is made from."""
