"""What sysctls should be, checked as it is written down."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from attrs import field, frozen

from .._core.errors import DesiredStateError
from .._flat.values import number
from .codec import Value, same, text_of
from .keys import normalized
from .knobs import either_or, same_knob

__all__ = ["Desired", "DesiredLike"]


def _settings(values: Mapping[str, Value]) -> dict[str, str]:
    if not isinstance(values, Mapping):
        raise DesiredStateError(f"sysctl: expected a mapping from key to value, got {values!r}")
    settings: dict[str, str] = {}
    spelled: dict[str, str] = {}
    for key, value in values.items():
        name = normalized(key)
        if name in settings:
            raise DesiredStateError(f"sysctl: {spelled[name]!r} and {key!r} are the same key")
        spelled[name] = key
        settings[name] = text_of(name, value)
    _refuse_contradictions(settings)
    return settings


def _refuse_contradictions(settings: Mapping[str, str]) -> None:
    knobs: dict[str, str] = {}
    for key, text in settings.items():
        knob, factor = same_knob(key)
        other = knobs.setdefault(knob, key)
        if not _agree(knob, (settings[other], same_knob(other)[1]), (text, factor)):
            raise DesiredStateError(
                f"sysctl: {other} = {settings[other]} and {key} = {text} are the same knob of the "
                "kernel; say one value"
            )
    for one, two in either_or(settings):
        if number(settings[one]) and number(settings[two]):
            raise DesiredStateError(
                f"sysctl: setting {one} makes {two} 0, and the other way round; say one of them"
            )


def _agree(knob: str, *said: tuple[str, int | None]) -> bool:
    """Whether two texts, each with the factor of its unit, are one value."""
    (one, factor), (other, other_factor) = said
    if factor == other_factor:
        return same(knob, one, other) or same(knob, other, one)
    if factor is None or other_factor is None:
        return True
    first, second = number(one), number(other)
    if first is None or second is None:
        return False
    # The coarser unit shows what is left of the finer one when its rest is dropped.
    coarse = max(factor, other_factor)
    return first * factor // coarse == second * other_factor // coarse


@frozen
class Desired:
    """Sysctls by key, as text.

    Keys are in dot form or slash form (`net/ipv4/conf/eth0.100/forwarding`, where an interface
    has a dot in its name); values are integers, booleans, text or lists of integers.

    Attributes:
        settings: What is written, by key in our own spelling.

    Raises:
        DesiredStateError: A key or value is wrong, or two keys are one knob with two values.
    """

    settings: Mapping[str, str] = field(converter=_settings)

    @classmethod
    def of(cls, desired: DesiredLike) -> Desired:
        """A mapping checked and converted; one that was is returned as it is."""
        return desired if isinstance(desired, Desired) else cls(desired)


DesiredLike: TypeAlias = Desired | Mapping[str, Value]
"""A `Desired`, or the mapping it is made from."""
