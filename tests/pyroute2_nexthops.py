"""Nexthops as pyroute2 reads and writes them, in the fields of our own value."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from ipaddress import ip_address
from typing import Any

from pyroute2.netlink import nlmsg

from linx_async._kernel.netlink import pack_message
from linx_async.rtnl.desired import Nexthop

__all__ = ["nexthop_by_pyroute2", "nexthop_fields"]

FAMILIES = {4: 2, 6: 10, None: 0}
VERSIONS = {family: version for version, family in FAMILIES.items()}
MEMBER = struct.Struct("=IBBH")


class NexthopMessage(nlmsg):  # type: ignore[misc]  # pyroute2 is not typed
    """struct nhmsg of include/uapi/linux/nexthop.h, which pyroute2 has no class for."""

    prefix = "NHA_"
    fields = (
        ("family", "B"),
        ("scope", "B"),
        ("protocol", "B"),
        ("resvd", "B"),
        ("flags", "I"),
    )
    nla_map = (
        (0, "NHA_UNSPEC", "none"),
        (1, "NHA_ID", "uint32"),
        (2, "NHA_GROUP", "cdata"),
        (3, "NHA_GROUP_TYPE", "uint16"),
        (4, "NHA_BLACKHOLE", "flag"),
        (5, "NHA_OIF", "uint32"),
        (6, "NHA_GATEWAY", "ipaddr"),
    )


def nexthop_fields(payload: bytes, names: Mapping[int, str]) -> dict[str, Any]:
    """The fields of the nexthop that pyroute2 decodes."""
    message: Any = NexthopMessage(pack_message(0, 0, 1, payload))
    message.decode()
    get = message.get_attr
    gateway, group = get("NHA_GATEWAY"), get("NHA_GROUP")
    members = MEMBER.iter_unpack(group) if group else ()
    return {
        "id": get("NHA_ID"),
        "gateway": gateway and ip_address(gateway),
        "interface": names.get(get("NHA_OIF")),
        "onlink": bool(message["flags"] & 4),
        "blackhole": bool(get("NHA_BLACKHOLE")),
        "family": VERSIONS[message["family"]],
        "group": tuple((number, low + 1) for number, low, _, _ in members),
        "protocol": message["protocol"],
        "flags": message["flags"],
    }


def nexthop_by_pyroute2(nexthop: Nexthop, indices: Mapping[str, int]) -> bytes:
    """The payload of a message for a nexthop, as pyroute2 encodes it."""
    group = b"".join(MEMBER.pack(number, weight - 1, 0, 0) for number, weight in nexthop.group)
    attrs = {
        "NHA_ID": nexthop.id,
        "NHA_GROUP": group or None,
        "NHA_BLACKHOLE": nexthop.blackhole or None,
        "NHA_OIF": nexthop.interface and indices[nexthop.interface],
        "NHA_GATEWAY": nexthop.gateway and str(nexthop.gateway),
    }
    message: Any = NexthopMessage()
    message["family"] = FAMILIES[nexthop.family]
    message["protocol"] = nexthop.protocol
    message["flags"] = 4 if nexthop.onlink else 0
    message["attrs"] = [(name, value) for name, value in attrs.items() if value is not None]
    message.encode()
    return bytes(message.data[16:])
