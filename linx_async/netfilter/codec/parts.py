"""Expressions one by one: each is made canonical once, and known by its bytes from then on."""

from __future__ import annotations

from typing import Final, TypeVar

from attrs import evolve, field, frozen

from .abi import DataAttribute, VerdictAttribute
from .expression_abi import Immediate, Objref
from .forms import (
    expression_of,
    expression_values,
    pack,
    pack_expression,
    pack_values,
    verdict_of,
)
from .schema import COUNTING, SCHEMAS
from .settling import Values
from .statement_abi import FlowOffload
from .usual import is_usual_comparison, is_usual_counter
from .words import be32, text_of, u32_of

__all__ = ["KNOWN", "Part", "part_of"]

T = TypeVar("T")

_VERDICT: Final = int(DataAttribute.VERDICT)
_CODE: Final = int(VerdictAttribute.CODE)
_CHAIN: Final = int(VerdictAttribute.CHAIN)
_CHAIN_ID: Final = int(VerdictAttribute.CHAIN_ID)
_DATA: Final = int(Immediate.DATA)

_NAMING: Final = frozenset({b"lookup", b"dynset", b"objref", b"immediate", b"flow_offload"})

_ELEM: Final = 1
"""NFTA_LIST_ELEM."""
_COUNTER: Final = pack_expression(b"counter", b"")

_MOST: Final = 1 << 15
_LONGEST: Final = 512
"""Of how many expressions, of how many bytes at most, the canonical form is kept."""


@frozen
class Part:
    """An expression that names a set, a chain, an object or a flowtable.

    Attributes:
        body: It, canonical, as an element of a list, with the names as they are.
        name: Its name.
        values: Its attributes.
        set: The set's name; with its id in the batch behind it where the name is a template.
        chain: The chain's name, or its id in the batch.
        object: The object's type and name.
        flowtable: The flowtable's name.
    """

    body: bytes
    name: bytes
    values: Values
    set: str | None = None
    chain: str | int | None = None
    object: tuple[int, str] | None = None
    flowtable: str | None = None
    _numbered: dict[int, bytes] = field(factory=dict, eq=False, repr=False)

    def with_own_set(self, number: int) -> bytes:
        """The same with the name that a rule's own set of that number has."""
        found = self._numbered.get(number)
        if found is None:
            found = self._numbered[number] = self.with_set(f"__set{number}")
        return found

    def with_set(self, name: str, number: int | None = None) -> bytes:
        """The same with another set's name, and its id in the batch."""
        schema = SCHEMAS[self.name.decode()]
        if schema.set is None:
            raise AssertionError(f"{self.name!r} names no set")
        attribute, identity = schema.set
        values = dict(self.values)
        values[attribute] = name.encode("utf-8", "surrogateescape") + b"\0"
        values.pop(identity, None)
        if number is not None:
            values[identity] = be32(number)
        return pack_expression(self.name, pack_values(values))

    def with_chain(self, chain: str | int) -> bytes:
        """The same with another chain, by name or by its id in the batch."""
        verdict = dict(verdict_of(self.values[_DATA]) or {})
        verdict.pop(_CHAIN, None)
        verdict.pop(_CHAIN_ID, None)
        if isinstance(chain, int):
            verdict[_CHAIN_ID] = be32(chain)
        else:
            verdict[_CHAIN] = chain.encode("utf-8", "surrogateescape") + b"\0"
        values = self.values | {_DATA: pack(_VERDICT, pack_values(verdict))}
        return pack_expression(self.name, pack_values(values))


KNOWN: Final[dict[bytes, bytes]] = {}
"""The canonical form, as an element of a list, of expressions that name nothing."""
_parts: Final[dict[bytes, Part]] = {}


def part_of(element: bytes) -> bytes | Part:
    """An expression as an element of a list, canonical; a `Part` where it names something.

    Args:
        element: The expression (NFTA_EXPR_* attributes), without the header of the list's element.

    Raises:
        NetlinkDecodeError: It is malformed.
    """
    return KNOWN.get(element) or _parts.get(element) or _learn(element)


def _learn(element: bytes) -> bytes | Part:
    if is_usual_counter(element):
        return _COUNTER
    if is_usual_comparison(element):
        return _keep(KNOWN, element, pack(_ELEM, element))
    name, raw = expression_of(element)
    values = expression_values(name, raw)
    if values is None:
        part: bytes | Part = pack_expression(name, raw)
    else:
        part = _referring(pack_expression(name, pack_values(values)), name, values)
    # What counts is different each time.
    if len(element) <= _LONGEST and name not in COUNTING:
        if isinstance(part, bytes):
            return _keep(KNOWN, element, part)
        return _keep(_parts, element, part)
    return part


def _keep(known: dict[bytes, T], element: bytes, part: T) -> T:
    if len(known) >= _MOST:
        known.clear()
    known[element] = part
    return part


def _referring(body: bytes, name: bytes, values: Values) -> bytes | Part:
    if name not in _NAMING:
        return body
    part = Part(body, name, values)
    schema = SCHEMAS[name.decode()]
    if schema.set is not None and schema.set[0] in values:
        identity = values.get(schema.set[1])
        said = text_of(values[schema.set[0]])
        return evolve(part, set=said if identity is None else f"{said}/{u32_of(identity)}")
    if name == b"immediate":
        chain = _chain(values.get(_DATA, b""))
        return body if chain is None else evolve(part, chain=chain)
    if name == b"objref" and Objref.IMM_NAME in values:
        number = u32_of(values.get(Objref.IMM_TYPE, b"\0\0\0\0"))
        return evolve(part, object=(number, text_of(values[Objref.IMM_NAME])))
    if name == b"flow_offload" and FlowOffload.TABLE_NAME in values:
        return evolve(part, flowtable=text_of(values[FlowOffload.TABLE_NAME]))
    return body


def _chain(data: bytes) -> str | int | None:
    verdict = verdict_of(data)
    if verdict is None:
        return None
    if _CHAIN in verdict:
        return text_of(verdict[_CHAIN])
    return u32_of(verdict[_CHAIN_ID]) if _CHAIN_ID in verdict else None
