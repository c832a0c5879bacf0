"""How a chain, set or object that is there differs from the desired one: pure."""

from __future__ import annotations

from typing import Final

from ..codec.tables import ObjectHead
from ..desired import Chain, Object, Set
from ..desired.objects import OBJECT_TYPES
from .times import same_time

__all__ = ["chain_changes", "object_changes", "outgrows", "set_changes", "set_update"]

_QUOTA: Final = OBJECT_TYPES["quota"]
_WRITTEN: Final = 0xFFFF
"""The size of a set that had none, once a rule adds elements to it (nft_dynset_init())."""


def chain_changes(desired: Chain, observed: Chain) -> tuple[str, str]:
    """Why a chain has to be made anew, and what of it the kernel takes and passes over.

    Both are empty where there is nothing of that. What is left is the policy, which is changed.
    """
    for what, new, old in (
        ("hook", desired.hook, observed.hook),
        ("type", desired.type, observed.type),
        ("priority", desired.priority, observed.priority),
        ("devices", desired.devices, observed.devices),
        ("offload", desired.offload, observed.offload),
    ):
        if new != old:
            return f"another {what}: {_shown(old)}", ""
    return "", _comment(desired.comment, observed.comment)


def set_changes(desired: Set, observed: Set) -> tuple[str, str]:
    """The same of a set; what is left is its size and its times, which are changed."""
    for what, new, old in (
        ("type", desired.type, observed.type),
        ("data", desired.data, observed.data),
        ("kind of objects", desired.objects, observed.objects),
        ("flag interval", desired.interval, observed.interval),
        ("flag constant", desired.constant, observed.constant),
        ("flag dynamic", desired.dynamic, observed.dynamic),
        ("flag timeout", desired.timeouts, observed.timeouts),
        ("statements", desired.expressions, observed.expressions),
    ):
        if new != old:
            return f"another {what}", ""
    if desired.memory != observed.memory:
        return "", "its policy is another"
    if desired.size is None and observed.size not in {None, _WRITTEN}:
        return "", f"it has the size {observed.size}"
    return "", _comment(desired.comment, observed.comment)


def set_update(desired: Set, observed: Set) -> str:
    """What of a set is changed in place, by kernels that do so; empty for nothing.

    Linux 6.1 takes another size and changes nothing (nf_tables_newset() in
    net/netfilter/nf_tables_api.c).
    """
    # That it has no size is nothing that the kernel is told.
    if desired.size is not None and desired.size != observed.size:
        return f"its size is {_shown(observed.size)}"
    if not same_time(desired.timeout_ms, observed.timeout_ms):
        return f"its timeout is {_shown(observed.timeout_ms)}"
    if desired.gc_interval_ms != observed.gc_interval_ms:
        return f"its gc-interval is {_shown(observed.gc_interval_ms)}"
    return ""


def outgrows(desired: Set, observed: Set) -> bool:
    """Whether a set gets more elements than it has room for before the transaction ends.

    nft_add_set_elem() (net/netfilter/nf_tables_api.c) knows but the size that it had before.
    """
    if desired.size is None or observed.size is None or desired.size <= observed.size:
        return False
    return len(desired.elements) > observed.size


def object_changes(desired: Object, observed: ObjectHead) -> str:
    """What of an object the kernel takes and passes over; empty for nothing.

    What is left is a quota's limit, which is changed.
    """
    if desired.body != observed.object.body and desired.type != _QUOTA:
        return "it has other values"
    return _comment(desired.comment, observed.object.comment)


def _comment(desired: str | None, observed: str | None) -> str:
    if desired == observed:
        return ""
    return f"its comment is {_shown(observed)}"


def _shown(value: object) -> str:
    return "none" if value in (None, ()) else f"{value!r}"
