"""What the expressions of a rule have counted so far."""

from __future__ import annotations

from collections import defaultdict, deque
from typing import Final

from attrs import frozen

from ..._kernel.netlink import attribute_map
from .forms import elements, expression_of, expression_values, pack, pack_expression, pack_values
from .object_abi import CounterAttribute
from .schema import COUNTING
from .settling import Values
from .statement_abi import Last, Quota
from .words import u32_of, u64_of

__all__ = ["State", "states", "with_state"]

_ELEM: Final = 1
"""NFTA_LIST_ELEM."""


@frozen
class State:
    """What an expression has counted.

    Attributes:
        expression: Its name: `counter`, `quota` or `last`.
        packets: Packets a counter has seen.
        bytes: Bytes a counter has seen, or of a quota those that are used.
        milliseconds: Since `last` saw a packet; None where it saw none.
    """

    expression: str
    packets: int | None = None
    bytes: int | None = None
    milliseconds: int | None = None


def states(raw: bytes) -> tuple[State, ...]:
    """What the expressions of a list have counted, in their order.

    Args:
        raw: The payload of NFTA_RULE_EXPRESSIONS as it was dumped.

    Raises:
        NetlinkDecodeError: It is malformed.
    """
    found: list[State] = []
    for element in elements(raw):
        name, data = expression_of(element)
        if name in COUNTING:
            found.append(_state(name, attribute_map(data)))
    return tuple(found)


def _state(name: bytes, said: Values) -> State:
    if name == b"counter":
        return State(
            "counter",
            packets=_number(said, CounterAttribute.PACKETS),
            bytes=_number(said, CounterAttribute.BYTES),
        )
    if name == b"quota":
        return State("quota", bytes=_number(said, Quota.CONSUMED))
    seen = u32_of(said.get(Last.SET, bytes(4)))
    return State("last", milliseconds=_number(said, Last.MSECS) if seen else None)


def _number(said: Values, kind: int) -> int:
    return u64_of(said[kind]) if kind in said else 0


def with_state(body: bytes, raw: bytes) -> bytes:
    """A canonical body with what the expressions of another have counted.

    The first counter goes on where the first counter was, and so on; a quota does where it is the
    same quota. A rule that is replaced by this keeps its counters.

    Args:
        body: The canonical body.
        raw: The payload of NFTA_RULE_EXPRESSIONS as it was dumped.

    Raises:
        NetlinkDecodeError: One of them is malformed.
    """
    before: dict[bytes, deque[tuple[Values, Values]]] = defaultdict(deque)
    for element in elements(raw):
        name, data = expression_of(element)
        if name in COUNTING:
            said = attribute_map(data)
            counted = {kind: said[kind] for kind in COUNTING[name] if kind in said}
            before[name].append((expression_values(name, data) or {}, counted))
    if not before:
        return body
    parts: list[bytes] = []
    for element in elements(body):
        name, data = expression_of(element)
        if before.get(name):
            values, counted = before[name].popleft()
            if pack_values(values) == data:
                parts.append(pack_expression(name, pack_values(values | counted)))
                continue
        parts.append(pack(_ELEM, element))
    return b"".join(parts)
