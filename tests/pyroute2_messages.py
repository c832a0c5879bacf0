"""What pyroute2's message classes make of addresses and neighbours, field by field."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_address
from typing import Any

from pyroute2.netlink.rtnl.ifaddrmsg import ifaddrmsg
from pyroute2.netlink.rtnl.ndmsg import ndmsg

from linx_async._kernel.netlink import attributes, pack_message
from linx_async.rtnl import desired

HEADER = 16
FOREVER = desired.FOREVER
STATES = {
    0x00: "none",
    0x01: "incomplete",
    0x02: "reachable",
    0x04: "stale",
    0x08: "delay",
    0x10: "probe",
    0x20: "failed",
    0x40: "noarp",
    0x80: "permanent",
}


def packed(kind: type[Any], fields: Mapping[str, Any], attrs: list[tuple[str, Any]]) -> bytes:
    """The payload that a message class of pyroute2 makes."""
    message = kind()
    for name, value in fields.items():
        message[name] = value
    message["attrs"] = attrs
    message.encode()
    return bytes(message.data[HEADER:])


def unpacked(kind: type[Any], payload: bytes) -> Any:
    message = kind(pack_message(0, 0, 0, payload))
    message.decode()
    return message


def repacked(kind: type[Any], payload: bytes) -> bytes:
    """What a message class of pyroute2 makes of what it decoded."""
    message = unpacked(kind, payload)
    fields = {name: message[name] for name, _ in kind.fields if "pad" not in name}
    attrs = [
        # A struct comes with its header, which it does not take back.
        (
            name,
            {k: v for k, v in value.items() if k != "header"} if isinstance(value, dict) else value,
        )
        for name, value in message["attrs"]
    ]
    return packed(kind, fields, attrs)


def address(payload: bytes, names: Mapping[int, str]) -> dict[str, Any]:
    """The fields of the address in a payload."""
    message = unpacked(ifaddrmsg, payload)
    is_4 = message["family"] == 2
    flags = message.get_attr("IFA_FLAGS", message["flags"])
    local, other = message.get_attr("IFA_LOCAL"), message.get_attr("IFA_ADDRESS")
    if is_4:
        other = other or "0.0.0.0"
    peer = None if local in {None, other} else other
    cache = message.get_attr("IFA_CACHEINFO") or {}
    broadcast = message.get_attr("IFA_BROADCAST")
    permanent = flags & 0x80
    return {
        "interface": names[message["index"]],
        "address": ip_address(local or other),
        "prefix_length": message["prefixlen"],
        "peer": peer and ip_address(peer),
        "broadcast": broadcast and ip_address(broadcast),
        "label": message.get_attr("IFA_LABEL"),
        "scope": message["scope"] if is_4 else None,
        "valid_lifetime": FOREVER if permanent else cache.get("ifa_valid", FOREVER),
        "preferred_lifetime": (
            0 if permanent and flags & 0x20 else cache.get("ifa_preferred", FOREVER)
        ),
        "nodad": not is_4 and bool(flags & 0x02),
        "noprefixroute": bool(flags & 0x200),
        "metric": message.get_attr("IFA_RT_PRIORITY") or None,
        "protocol": message.get_attr("IFA_PROTO", 0),
        "flags": flags,
        "unknown": unknown(payload, 8, {1, 2, 3, 4, 6, 8, 9, 11}),
    }


def neighbour(payload: bytes, names: Mapping[int, str]) -> dict[str, Any]:
    """The fields of the neighbour in a payload."""
    message = unpacked(ndmsg, payload)
    state, flags = message["state"], message["flags"]
    return {
        "interface": names[message["ifindex"]],
        "address": ip_address(message.get_attr("NDA_DST")),
        "lladdr": hardware_address(message.get_attr("NDA_LLADDR")),
        "proxy": bool(flags & 0x08),
        "router": bool(flags & 0x80),
        "state": "none" if flags & 0x08 else STATES.get(state, hex(state)),
        "protocol": message.get_attr("NDA_PROTOCOL", 0),
        "flags": flags | message.get_attr("NDA_FLAGS_EXT", 0) << 8,
        "unknown": unknown(payload, 12, {1, 2, 3, 4, 12, 15}),
    }


def hardware_address(text: str | None) -> str | None:
    """One of 4 or 16 bytes it writes as an IP address."""
    if not text:
        return None
    try:
        return ip_address(text).packed.hex(":")
    except ValueError:
        return text


def unknown(payload: bytes, header: int, known: set[int]) -> tuple[tuple[int, bytes], ...]:
    return tuple(found for found in attributes(payload, header) if found[0] not in known)
