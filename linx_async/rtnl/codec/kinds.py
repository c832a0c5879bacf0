"""The parameters of each kind of link, by name: checked, packed and unpacked."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, Final

from ..._core.errors import DesiredStateError, SourceError
from ..._kernel.netlink import NetlinkDecodeError, attribute_map, pack_attribute
from .atoms import HARDWARE, PRESENCE, TEXT, Atom, Value, integer, ip
from .kind_tables import FIXED, NOT_DECLARED, OURS, SET_AS_A_WHOLE, Schema

__all__ = ["FIXED", "check_parameters", "decode_parameters", "encode_change", "encode_parameters"]


_INSTALL: Final = "pyroute2 is not installed: pip install 'linx-async[rtnl]'"

_ATOMS: Final[Mapping[str, Atom]] = {
    **{f"uint{8 * width}": integer(width) for width in (1, 2, 4, 8)},
    **{f"int{8 * width}": integer(width, signed=True) for width in (1, 2, 4, 8)},
    **{f"be{8 * width}": integer(width, "big") for width in (1, 2, 4, 8)},
    "ip4addr": ip(4),
    "ip6addr": ip(6),
    "l2addr": HARDWARE,
    "asciiz": TEXT,
    "flag": PRESENCE,
}
"""Our atoms by the names that pyroute2 has for them."""
_FORMATS: Final = {
    "B": _ATOMS["uint8"],
    "H": _ATOMS["uint16"],
    "I": _ATOMS["uint32"],
    ">H": _ATOMS["be16"],
    ">I": _ATOMS["be32"],
}
"""Our atoms by the formats that classes of pyroute2 with one field have."""


_INDEX_OF_PARENT: Final = "link"
_NO_KINDS_OF_LINKS: Final = frozenset({"bridge_slave", "tuntap"})


@cache
def _schema(kind: str) -> Schema | None:
    """The parameters of a kind by name; None of a kind that pyroute2 does not know.

    Raises:
        ImportError: pyroute2 is not installed.
    """
    # About 200 ms: who declares no parameters does not pay for it.
    from pyroute2.netlink.rtnl.ifinfmsg import ifinfmsg

    known: Any = ifinfmsg.ifinfo.data_map.get(kind)
    if known is None or kind in _NO_KINDS_OF_LINKS:
        return None
    prefix = known.nla_map[0][0].removesuffix("UNSPEC")
    schema: dict[str, tuple[int, Atom]] = {}
    for number, (name, shape, *_) in enumerate(known.nla_map):
        atom = _atom(known, shape)
        if atom is not None:
            schema[name.removeprefix(prefix).lower()] = number, atom
    schema |= OURS.get(kind, {})
    for name in (*NOT_DECLARED.get(kind, ()), _INDEX_OF_PARENT):
        schema.pop(name, None)
    return schema


def _atom(owner: Any, shape: str) -> Atom | None:
    if shape in _ATOMS:
        return _ATOMS[shape]
    fields: Any = getattr(getattr(owner, shape, None), "fields", ())
    if len(fields) != 1 or fields[0][0] != "value":
        return None
    return _FORMATS.get(fields[0][1])


def check_parameters(kind: str, parameters: Mapping[str, Any]) -> dict[str, Value]:
    """The parameters as `decode_parameters` gives them back, so that equal means equal.

    An IPv6 address for what has one parameter for each family is the one for IPv6: `group` of a
    vxlan is then `group6`.

    Raises:
        DesiredStateError: The kind has no such parameter, or none that are known; a value does not
            fit; or pyroute2 is not installed.
    """
    if not parameters:
        return {}
    try:
        schema = _schema(kind)
    except ImportError as error:
        raise DesiredStateError(f"parameters: of links of kind {kind}: {_INSTALL}") from error
    if not schema:
        raise DesiredStateError(
            f"parameters: links of kind {kind} have none that are known here, got"
            f" {', '.join(map(str, parameters))}"
        )
    return dict(_checked(kind, schema, name, value) for name, value in parameters.items())


def _checked(kind: str, schema: Schema, name: str, value: Any) -> tuple[str, Value]:
    if name not in schema:
        hint = ": a link's parent is a field of its own" if name == _INDEX_OF_PARENT else ""
        raise DesiredStateError(
            f"parameters: {name!r}: links of kind {kind} have no such parameter{hint}; they have"
            f" {', '.join(sorted(schema))}"
        )
    for candidate in (name, f"{name}6"):
        if candidate in schema:
            try:
                return candidate, schema[candidate][1].check(value)
            except ValueError:
                continue
    raise DesiredStateError(
        f"parameters: {name} of a {kind}: expected {schema[name][1].expected}, got {value!r}"
    )


def encode_parameters(kind: str, parameters: Mapping[str, Value]) -> bytes:
    """IFLA_INFO_DATA, packed, of parameters that `check_parameters` gave.

    What is False and has no value in the kernel but being there is left out.

    Raises:
        SourceError: pyroute2 is not installed.
        KeyError: The parameters were not checked.
    """
    if not parameters:
        return b""
    schema = _schema_or_error(kind)
    packed = []
    for name, value in sorted(parameters.items(), key=lambda item: schema[item[0]][0]):
        number, atom = schema[name]
        if atom is PRESENCE and not value:
            continue
        packed.append(pack_attribute(number, atom.encode(value)))
    return b"".join(packed)


def encode_change(kind: str, parameters: Mapping[str, Value], observed: bytes) -> bytes:
    """IFLA_INFO_DATA, packed, that changes parameters of a link and leaves the others.

    Args:
        kind: The link's kind.
        parameters: Those that change, as `check_parameters` gave them.
        observed: IFLA_INFO_DATA of the link as it is.

    Raises:
        NetlinkDecodeError: What was observed is malformed.
        SourceError: pyroute2 is not installed.
        KeyError: The parameters were not checked.
    """
    changed = encode_parameters(kind, parameters)
    if kind not in SET_AS_A_WHOLE:
        return changed
    whole = attribute_map(observed) | attribute_map(changed)
    return b"".join(pack_attribute(number, value) for number, value in sorted(whole.items()))


def decode_parameters(kind: str, data: bytes) -> dict[str, Value]:
    """The parameters that IFLA_INFO_DATA tells, by name.

    Those that are not known are left out. Of a kind that is not known there are none.

    Raises:
        NetlinkDecodeError: The data are malformed.
        SourceError: pyroute2 is not installed.
    """
    values = attribute_map(data)
    found: dict[str, Value] = {}
    for name, (number, atom) in _schema_or_error(kind).items():
        value = values.get(number)
        if value is not None:
            found[name] = _decoded(atom, value, kind, name)
        elif atom is PRESENCE:
            found[name] = False
    return found


def _decoded(atom: Atom, value: bytes, kind: str, name: str) -> Value:
    try:
        return atom.decode(value)
    except NetlinkDecodeError as error:
        raise NetlinkDecodeError(f"{name} of a {kind}: {error}", 0) from error


def _schema_or_error(kind: str) -> Schema:
    try:
        return _schema(kind) or {}
    except ImportError as error:
        raise SourceError(f"parameters of links of kind {kind}: {_INSTALL}") from error
