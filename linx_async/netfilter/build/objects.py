"""Stateful objects of a table: counters, quotas and limits that rules and maps name."""

from __future__ import annotations

from ..desired.objects import Object
from .statements import limit_expression, quota_expression

__all__ = ["counter_object", "limit_object", "quota_object"]


def counter_object(name: str, comment: str | None = None) -> Object:
    """A counter: `rule(…, counter(name="…"))`.

    The kernel's part of it is net/netfilter/nft_counter.c.

    Args:
        name: Its name.
        comment: What nft shows with it.

    Raises:
        DesiredStateError: It is no name, or the comment is none.
    """
    return Object(name, "counter", b"", comment)


def quota_object(
    name: str, number: int, unit: str = "bytes", *, over: bool = False, comment: str | None = None
) -> Object:
    """A quota (net/netfilter/nft_quota.c).

    Args:
        name: Its name.
        number: How much.
        unit: Of what: `bytes`, `kbytes` (1024) or `mbytes`.
        over: Whether a rule by it goes on only after so much has come.
        comment: What nft shows with it.

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
    """A limit (net/netfilter/nft_limit.c).

    Args:
        name: Its name.
        rate: How many.
        per: In which time: `second`, `minute`, `hour`, `day` or `week`.
        unit: Of what: `packets`, `bytes`, `kbytes` (1024) or `mbytes`.
        burst: How many may come at once; default: 5 packets, and no more bytes than the rate.
        burst_unit: Of what, where bytes are counted: as of `unit`; default: `bytes`.
        over: Whether a rule by it goes on only for more.
        comment: What nft shows with it.

    Raises:
        DesiredStateError: A value is wrong.
    """
    _, body = limit_expression(rate, per, unit, burst, burst_unit, over)
    return Object(name, "limit", body, comment)
