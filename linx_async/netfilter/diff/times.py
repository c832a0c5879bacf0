"""Times as the kernel tells them, which it keeps in jiffies: pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from attrs import evolve

from ..desired import Rest

__all__ = ["same_time", "settled"]

_JIFFY: Final = 10
"""Milliseconds in the longest one, where CONFIG_HZ is 100. No program is told how long it is."""


def same_time(desired: int | None, observed: int | None) -> bool:
    """Whether the kernel may tell a time so, of which it keeps whole jiffies.

    nf_msecs_to_jiffies64() and nf_jiffies64_to_msecs() in net/netfilter/nf_tables_api.c.

    Args:
        desired: Milliseconds.
        observed: What is told of them.
    """
    if desired is None or observed is None:
        return desired is observed
    return observed <= desired < observed + _JIFFY


def settled(
    desired: Mapping[bytes, Rest], observed: Mapping[bytes, Rest], default: int | None
) -> Mapping[bytes, Rest]:
    """Desired elements, with the times that are told of those that are there.

    Args:
        desired: The elements that should be there.
        observed: Those that are.
        default: Milliseconds that an element stays of which no time is told.
    """
    told = {
        key: there
        for key, rest in desired.items()
        if rest.timeout_ms is not None
        and (there := observed.get(key)) is not None
        and _but_for_time(rest, there, default)
    }
    return {**desired, **told} if told else desired


def _but_for_time(desired: Rest, observed: Rest, default: int | None) -> bool:
    told = default if observed.timeout_ms is None else observed.timeout_ms
    return (
        same_time(desired.timeout_ms, told)
        and evolve(observed, timeout_ms=desired.timeout_ms) == desired
    )
