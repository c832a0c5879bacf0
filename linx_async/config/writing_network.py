"""From what a network namespace has, but for links, to the fields that declare it in a file."""

from __future__ import annotations

from typing import Any, Final

from attrs import evolve

from .._core.errors import DesiredStateError
from ..rtnl import FOREVER, Address, Neighbour, NextHop, Nexthop, Route, Rule
from ..rtnl.desired.checks import SCOPES, TABLES
from ..rtnl.desired.route import IP6_METRIC, MAIN
from ..rtnl.deviations import agree

__all__ = [
    "Unsayable",
    "address_fields",
    "neighbour_fields",
    "nexthop_fields",
    "route_fields",
    "rule_fields",
]

Fields = dict[str, Any]

_SCOPE_NAMES: Final = {number: name for name, number in SCOPES.items()}
_TABLE_NAMES: Final = {number: name for name, number in TABLES.items()}
_NOT_ALL: Final = "a file cannot say all of it"
_U32: Final = 2**32 - 1


class Unsayable(Exception):
    """A file has no way to say it; the message says why."""


def address_fields(address: Address) -> Fields:
    """The fields of an address.

    Raises:
        Unsayable: It cannot be said.
    """
    fields: Fields = {
        "interface": address.interface,
        "address": f"{address.address}/{address.prefix_length}",
        **_given(address, "peer", "broadcast", "metric"),
        **_flags(address, "nodad", "noprefixroute"),
    }
    plain = _made(Address, fields)
    if address.label not in {None, address.interface}:
        fields["label"] = address.label
    if address.scope is not None and address.scope != plain.scope:
        fields["scope"] = _SCOPE_NAMES.get(address.scope, address.scope)
    if address.valid_lifetime != FOREVER:
        fields["valid_lifetime"] = address.valid_lifetime
    if address.preferred_lifetime != address.valid_lifetime:
        fields["preferred_lifetime"] = address.preferred_lifetime
    return _same(fields, Address, address)


def route_fields(route: Route) -> Fields:
    """The fields of a route.

    Raises:
        Unsayable: It cannot be said.
    """
    way = route.forwarding
    if way.encap is not None or any(hop.encap is not None for hop in way.nexthops):
        raise Unsayable("it has an encapsulation, which a file cannot say")
    if way.unknown:
        raise Unsayable(_unknown(way.unknown))
    fields: Fields = {**_goal(route), **_given(way, "gateway", "interface")}
    if way.type != "unicast":
        fields["type"] = way.type
    fields |= {**_given(way, "source"), **_flags(way, "onlink")}
    if way.nexthops:
        fields["nexthops"] = [_hop(hop) for hop in way.nexthops]
    if way.nexthop_id:
        fields["nexthop_id"] = way.nexthop_id
    if way.metrics:
        fields["metrics"] = dict(way.metrics)
    if way.preference != "medium":
        fields["preference"] = way.preference
    if way.scope != _made(Route, fields).forwarding.scope:
        fields["scope"] = _SCOPE_NAMES.get(way.scope, way.scope)
    made = _made(Route, fields)
    if made.key != route.key or not agree(made.forwarding, way):
        raise Unsayable(_NOT_ALL)
    return fields


def _goal(route: Route) -> Fields:
    """What tells a route from others."""
    fields: Fields = {"destination": str(route.destination)}
    if route.table != MAIN:
        fields["table"] = _TABLE_NAMES.get(route.table, route.table)
    if route.metric != (IP6_METRIC if route.family == 6 else 0):
        fields["metric"] = route.metric
    if route.tos:
        fields["tos"] = route.tos
    return fields


def rule_fields(rule: Rule) -> Fields:
    """The fields of a rule.

    Raises:
        Unsayable: It cannot be said.
    """
    fields: Fields = {"priority": rule.priority}
    if rule.table is not None:
        fields["table"] = _TABLE_NAMES.get(rule.table, rule.table)
    fields |= _given(rule, "source", "destination")
    if rule.family == 6 and rule.source is None and rule.destination is None:
        fields["family"] = 6
    fields |= _given(rule, "fwmark")
    if rule.fwmask not in {None, _U32}:
        fields["fwmask"] = rule.fwmask
    fields |= _given(rule, "iif", "oif")
    fields |= {"tos": rule.tos} if rule.tos else {}
    for name in ("uid_range", "source_ports", "destination_ports"):
        pair = getattr(rule, name)
        if pair is not None:
            fields[name] = pair[0] if pair[0] == pair[1] else list(pair)
    fields |= _given(rule, "ip_protocol")
    fields |= _flags(rule, "invert", "l3mdev")
    if rule.action != "lookup":
        fields["action"] = rule.action
    fields |= _given(rule, "goto", "suppress_prefix_length", "suppress_group")
    return _same(fields, Rule, rule)


def neighbour_fields(entry: Neighbour) -> Fields:
    """The fields of a neighbour.

    Raises:
        Unsayable: It cannot be said.
    """
    fields: Fields = {
        "interface": entry.interface,
        "address": str(entry.address),
        **_given(entry, "lladdr"),
        **_flags(entry, "proxy", "router"),
    }
    if not entry.proxy and entry.state != "permanent":
        fields["state"] = entry.state
    return _same(fields, Neighbour, entry)


def nexthop_fields(nexthop: Nexthop) -> Fields:
    """The fields of a nexthop.

    Raises:
        Unsayable: It cannot be said.
    """
    fields: Fields = {
        "id": nexthop.id,
        **_given(nexthop, "gateway", "interface"),
        **_flags(nexthop, "onlink", "blackhole"),
    }
    if nexthop.family == 6 and nexthop.gateway is None:
        fields["family"] = 6
    if nexthop.group:
        fields["group"] = [n if weight == 1 else [n, weight] for n, weight in nexthop.group]
    tuples = {"group": tuple(n if w == 1 else (n, w) for n, w in nexthop.group)}
    _same(fields | tuples, Nexthop, nexthop)
    return fields


def _hop(hop: NextHop) -> Fields:
    fields = {**_given(hop, "gateway", "interface"), **_flags(hop, "onlink")}
    return fields | ({"weight": hop.weight} if hop.weight != 1 else {})


def _given(value: Any, *names: str) -> Fields:
    """The fields that say something; addresses and networks as text."""
    found = ((name, getattr(value, name)) for name in names)
    return {
        name: each if isinstance(each, int | str) else str(each)
        for name, each in found
        if each is not None
    }


def _flags(value: Any, *names: str) -> Fields:
    return {name: True for name in names if getattr(value, name)}


def _made(kind: Any, fields: Fields) -> Any:
    try:
        return kind(**fields)
    except DesiredStateError as error:
        raise Unsayable(str(error)) from None


def _same(fields: Fields, kind: Any, value: Any) -> Fields:
    """The fields, when they say all of a value."""
    if value.unknown:
        raise Unsayable(_unknown(value.unknown))
    try:
        bare = evolve(value, protocol=None)
    except DesiredStateError as error:
        raise Unsayable(str(error)) from None
    if _made(kind, fields) != bare:
        raise Unsayable(_NOT_ALL)
    return fields


def _unknown(attributes: Any) -> str:
    numbers = ", ".join(str(number) for number, _ in attributes)
    return f"the kernel says of it what is not known here (attribute {numbers})"
