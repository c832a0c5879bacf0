"""Why an op is due, and what the object is now, where the op knows it."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from typing import Any, Final

from .._core.model import Op, Verb
from .._flat.ops import shown

__all__ = ["created", "explained", "present", "reason", "why_fields"]

_REASONS: Final = {
    Verb.CREATE: "it is not there",
    Verb.UPDATE: "it is otherwise",
    Verb.DELETE: "not desired any more",
    Verb.REVERT: "not desired any more",
    Verb.RELEASE: "not desired any more",
}
_OF_LINKS: Final = ("address", "mtu", "alias", "group", "up")
"""What a link tells of itself by the name that it is set by."""


def created(ops: Iterable[Op]) -> frozenset[str]:
    """The keys of what is made."""
    return frozenset(op.key for op in ops if op.verb is Verb.CREATE)


def reason(op: Op, made: Container[str] = ()) -> str:
    """Why it is due.

    Args:
        op: The op.
        made: The keys of what is made in the same plan.
    """
    if op.verb is Verb.DELETE and op.key in made:
        return "made anew"
    because: str = getattr(op, "because", "")
    return because.removeprefix("but ") or _REASONS[op.verb]


def present(op: Any) -> str | None:
    """What the object is now; None where it is not there, or the op does not know it."""
    if hasattr(op, "was"):
        return str(op.was)
    observed = getattr(op, "observed", None)
    if observed is None:
        return None
    changes: Mapping[str, Any] | None = getattr(op, "changes", None)
    if changes is None:
        route = getattr(observed, "type", "") if hasattr(op, "packed") else ""
        return str(observed) or route or None
    told = {name: getattr(observed, name) for name in _OF_LINKS if name in changes}
    return ", ".join(f"{name} {_shown(value)}" for name, value in told.items()) or None


def explained(op: Op, made: Container[str] = ()) -> str:
    """The line of an op that is due, with what more there is to say."""
    line = str(op)
    now = present(op)
    if op.verb is Verb.DELETE:
        return f"{line} ({reason(op, made)})"
    if op.verb is Verb.UPDATE and now is not None and " (is " not in line and now not in line:
        return f"{line} (is {shown(now)})"
    return line


def why_fields(op: Op, made: Container[str] = ()) -> Mapping[str, Any]:
    """The same for `--json`."""
    return {"reason": reason(op, made), "present": present(op)}


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value) or "none"
