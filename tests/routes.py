"""Routes in plain words, by our codec and by pyroute2's, to be compared."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_address, ip_network
from typing import Any

from pyroute2.netlink.rtnl.rtmsg import rtmsg

from linx_async._kernel.netlink import pack_message
from linx_async.rtnl.desired import Encap, NextHop, Route
from linx_async.rtnl.desired.checks import IP
from linx_async.rtnl.desired.forwarding import METRICS, PREFERENCES, ROUTE_TYPES, WITHOUT_WAY

NEWROUTE = 24
FAMILIES = {2: 4, 10: 6}
ONLINK = 4
LATER_ATTRIBUTES = {30: "RTA_NH_ID", 17: "RTAX_FASTOPEN_NO_COOKIE"}  # unknown to pyroute2 0.9
LATER_METRIC = "fastopen_no_cookie"
METRIC_NAMES = {
    "congctl": "RTAX_CC_ALGO",
    **{name: f"RTAX_{name.upper()}" for name in METRICS if name != "congctl"},
}
Plain = dict[str, Any]


def in_words(route: Route) -> Plain:
    """What our codec made of a message, as far as pyroute2 tells it too."""
    does = route.forwarding
    return {
        "destination": route.destination,
        "table": route.table,
        "metric": route.metric,
        "tos": route.tos,
        "type": ROUTE_TYPES[route.type],
        "scope": does.scope,
        "protocol": does.protocol,
        "flags": does.flags,
        "gateway": does.gateway,
        "interface": does.interface,
        "source": does.source,
        "onlink": does.onlink,
        "nexthops": sorted(map(hop_in_words, does.nexthops), key=repr),
        "by nexthop": bool(does.nexthop_id),
        "metrics": {
            METRIC_NAMES[name]: None if name == LATER_METRIC else value
            for name, value in does.metrics
        },
        "preference": PREFERENCES[does.preference],
        "encap": encap_in_words(does.encap),
    }


def hop_in_words(hop: NextHop) -> Plain:
    return {
        "gateway": hop.gateway,
        "interface": hop.interface,
        "weight": hop.weight,
        "flags": hop.flags,
        "onlink": hop.onlink,
        "encap": encap_in_words(hop.encap),
    }


def encap_in_words(encap: Encap | None) -> int | None:
    return None if encap is None else encap.type


def by_pyroute2(payload: bytes, names: Mapping[int, str]) -> Plain:
    """What pyroute2 makes of the same message."""
    message: Any = rtmsg(pack_message(NEWROUTE, 0, 1, payload))
    message.decode()
    found = named(message)
    flags, kind = message["flags"], message["type"]
    by_nexthop = "RTA_NH_ID" in found
    version = FAMILIES[message["family"]]
    if by_nexthop and kind == ROUTE_TYPES["blackhole"]:
        kind = ROUTE_TYPES["unicast"]
    nowhere = by_nexthop or kind in {ROUTE_TYPES[name] for name in WITHOUT_WAY}
    way = {} if nowhere else found
    wild = "0.0.0.0" if version == 4 else "::"
    return {
        "destination": ip_network(f"{found.get('RTA_DST', wild)}/{message['dst_len']}"),
        "table": found.get("RTA_TABLE", message["table"]),
        "metric": found.get("RTA_PRIORITY", 0),
        "tos": message["tos"],
        "type": kind,
        "scope": message["scope"],
        "protocol": message["proto"],
        "flags": flags,
        "gateway": gateway_of(way),
        "interface": names.get(way.get("RTA_OIF", 0)),
        "source": address_or_none(found.get("RTA_PREFSRC")),
        "onlink": bool(flags & ONLINK) and not nowhere,
        "nexthops": sorted(
            (hop_of(hop, names) for hop in way.get("RTA_MULTIPATH", ())),
            key=repr,
        ),
        "by nexthop": by_nexthop,
        "metrics": named(found.get("RTA_METRICS", {"attrs": []})),
        "preference": found.get("RTA_PREF", 0),
        "encap": way.get("RTA_ENCAP_TYPE"),
    }


def hop_of(hop: Any, names: Mapping[int, str]) -> Plain:
    found = named(hop)
    return {
        "gateway": gateway_of(found),
        "interface": names.get(hop["oif"]),
        "weight": hop["hops"] + 1,
        "flags": hop["flags"],
        "onlink": bool(hop["flags"] & ONLINK),
        "encap": found.get("RTA_ENCAP_TYPE"),
    }


def named(message: Any) -> Plain:
    """The attributes by name; those that pyroute2 does not know yet without their value."""
    found: Plain = {}
    for name, value, *_ in message["attrs"]:
        if name == "UNKNOWN":
            found[LATER_ATTRIBUTES[value["header"]["type"]]] = None
        else:
            found[name] = value
    return found


def gateway_of(found: Plain) -> IP | None:
    via: Plain = found.get("RTA_VIA") or {}
    return address_or_none(found.get("RTA_GATEWAY") or via.get("addr"))


def address_or_none(value: str | None) -> IP | None:
    return None if value is None else ip_address(value)


def packed_by_pyroute2(route: Route, indices: Mapping[str, int], protocol: int) -> bytes:
    """The payload that pyroute2 makes of a route without nexthop id and encapsulation."""
    does = route.forwarding
    version = route.family
    attributes: list[tuple[str, Any]] = [
        ("RTA_DST", str(route.destination.network_address)),
        ("RTA_TABLE", route.table),
        ("RTA_PRIORITY", route.metric),
        *gateway_attributes(does.gateway, version),
        ("RTA_OIF", indices.get(does.interface or "")),
        ("RTA_PREFSRC", None if does.source is None else str(does.source)),
        ("RTA_PREF", PREFERENCES[does.preference] if version == 6 else None),
    ]
    if does.metrics:
        metrics = [(METRIC_NAMES[name], value) for name, value in does.metrics]
        attributes.append(("RTA_METRICS", {"attrs": metrics}))
    if does.nexthops:
        hops = [
            {
                "flags": ONLINK if hop.onlink else 0,
                "hops": hop.weight - 1,
                "oif": indices[hop.interface or ""] if hop.interface else 0,
                "attrs": gateway_attributes(hop.gateway, version),
            }
            for hop in does.nexthops
        ]
        attributes.append(("RTA_MULTIPATH", hops))
    message: Any = rtmsg()
    message["family"] = {4: 2, 6: 10}[version]
    message["dst_len"] = route.destination.prefixlen
    message["tos"] = route.tos
    message["table"] = min(route.table, 252)
    message["proto"] = protocol
    message["scope"] = does.scope
    message["type"] = ROUTE_TYPES[route.type]
    message["flags"] = ONLINK if does.onlink else 0
    message["attrs"] = [(name, value) for name, value in attributes if value is not None]
    message.encode()
    return bytes(message.data[16:])


def gateway_attributes(gateway: Any, version: int) -> list[tuple[str, Any]]:
    if gateway is None:
        return []
    if gateway.version == version:
        return [("RTA_GATEWAY", str(gateway))]
    return [("RTA_VIA", {"family": 10 if gateway.version == 6 else 2, "addr": str(gateway)})]
