"""Stateful objects of a table: counters, quotas and limits that rules and maps name."""

from __future__ import annotations

from ..desired.objects import Object
from .statements import limit_expression, quota_expression

__all__ = ["counter_object", "limit_object", "quota_object"]


def counter_object(name: str, comment: str | None = None) -> Object:
    """A counter: `rule(…, counter(name="…"))`.

    Raises:
        DesiredStateError: It is no name, or the comment is none.
    """
    return Object(name, "counter", b"", comment)


def quota_object(
    name: str, number: int, unit: str = "bytes", *, over: bool = False, comment: str | None = None
) -> Object:
    """A quota; arguments as of `quota`.

    Raises:
        DesiredStateError: A value is wrong.
    """
    _, body = quota_expression(number, unit, over)
    return Object(name, "quota", body, comment)


def limit_object(
    name: str,
    rate: int,
    per: str = "second",
    *,
    unit: str = "packets",
    burst: int | None = None,
    burst_unit: str | None = None,
    over: bool = False,
    comment: str | None = None,
) -> Object:
    """A limit; arguments as of `limit`.

    Raises:
        DesiredStateError: A value is wrong.
    """
    _, body = limit_expression(rate, per, unit, burst, burst_unit, over)
    return Object(name, "limit", body, comment)
