"""Expressions as a line for people."""

from __future__ import annotations

from typing import Final

from ..._kernel.netlink import attribute_map, attributes
from .abi import DataAttribute, Verdict, VerdictAttribute
from .forms import check_depth, elements, expression_of, verdict_of
from .schema import SCHEMAS, Field, Kind
from .words import s32_of, text_of

__all__ = ["described"]

_LONGEST: Final = 64
"""Bytes of which more than a beginning is shown."""
_VERDICTS: Final = {int(verdict): verdict.name.lower() for verdict in Verdict}
_NUMBERS: Final = frozenset({Kind.U8, Kind.U16, Kind.U32, Kind.U64, Kind.SET_ID})
_TEXTS: Final = frozenset({Kind.TEXT, Kind.SET, Kind.OBJECT, Kind.FLOWTABLE})


def described(body: bytes) -> str:
    """What the expressions of a list are, as nf_tables has it: `meta dreg=r1 key=l4proto; …`.

    Args:
        body: The payload of NFTA_RULE_EXPRESSIONS, canonical or not.

    Raises:
        NetlinkDecodeError: It is malformed.
    """
    return _listed(body, 0)


def _listed(body: bytes, depth: int) -> str:
    return "; ".join(_expression(element, depth) for element in elements(body))


def _expression(element: bytes, depth: int) -> str:
    check_depth(depth)
    name, data = expression_of(element)
    said = name.decode("utf-8", "replace")
    schema = SCHEMAS.get(said)
    if schema is None:
        return f"{said} {_bytes(data)}".rstrip()
    if name == b"immediate":
        verdict = _verdict(attribute_map(data).get(2, b""))
        if verdict:
            return verdict
    parts = [said]
    for kind, value in attributes(data):
        field = schema.fields.get(kind)
        if field is None:
            parts.append(f"{kind}={_bytes(value)}")
        elif field.kind is not Kind.OMITTED:
            parts.append(f"{field.name}={_value(field, value, depth)}")
    return " ".join(parts)


def _value(field: Field, value: bytes, depth: int) -> str:
    if field.kind in _NUMBERS or field.kind is Kind.STATE:
        number = int.from_bytes(value, "big")
        if field.values is not None and number in field.values.__members__.values():
            return field.values(number).name.lower()
        return str(number)
    if field.kind in _TEXTS:
        return repr(text_of(value))
    if field.kind is Kind.REGISTER:
        return f"r{int.from_bytes(value, 'big')}"
    if field.kind is Kind.DATA:
        return _verdict(value) or _bytes(attribute_map(value).get(DataAttribute.VALUE, b""))
    if field.kind is Kind.EXPRESSION:
        return f"({_expression(value, depth + 1)})"
    if field.kind is Kind.LIST:
        return f"({_listed(value, depth + 1)})"
    return _bytes(value)


def _verdict(data: bytes) -> str:
    """The verdict in data, if there is one."""
    verdict = verdict_of(data)
    if verdict is None or VerdictAttribute.CODE not in verdict:
        return ""
    code = s32_of(verdict[VerdictAttribute.CODE])
    said = _VERDICTS.get(code, f"verdict {code}")
    chain = verdict.get(VerdictAttribute.CHAIN)
    return said if chain is None else f"{said} {text_of(chain)!r}"


def _bytes(value: bytes) -> str:
    return value.hex() if len(value) <= _LONGEST else f"{value[:_LONGEST].hex()}…"
