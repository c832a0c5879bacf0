"""Links as pyroute2 reads and writes them, to compare."""

from __future__ import annotations

from typing import Any

from pyroute2.netlink.rtnl.ifinfmsg import ifinfmsg

from linx_async._kernel.netlink import pack_message
from linx_async.rtnl.codec.kinds import decode_parameters
from linx_async.rtnl.observed_link import ObservedLink

HEADER = 16  # of nlmsghdr


def packed(header: dict[str, int], attributes: list[tuple[str, Any]]) -> bytes:
    """The payload of a link's message, as pyroute2 packs it."""
    message: Any = ifinfmsg()
    message.update(header)
    message["attrs"] = attributes
    message.encode()
    return bytes(message.data[HEADER:])


def unpacked(payload: bytes) -> Any:
    """A link's message, as pyroute2 unpacks it."""
    message: Any = ifinfmsg(pack_message(16, 0, 0, payload))
    message.decode()
    return message


def theirs(payload: bytes) -> dict[str, Any]:
    """What pyroute2 reads of a link."""
    message = unpacked(payload)
    info = message.get_attr("IFLA_LINKINFO")
    properties = message.get_attr("IFLA_PROP_LIST")
    elsewhere = message.get_attr("IFLA_LINK_NETNSID")
    return {
        "index": message["index"],
        "flags": message["flags"],
        "up": message["state"] == "up",
        "name": message.get_attr("IFLA_IFNAME"),
        "mtu": message.get_attr("IFLA_MTU") or 0,
        "address": message.get_attr("IFLA_ADDRESS") or "",
        "permanent_address": message.get_attr("IFLA_PERM_ADDRESS") or "",
        "master": message.get_attr("IFLA_MASTER") or 0,
        "parent": 0 if elsewhere is not None else parent_of(message, info),
        "link_netnsid": elsewhere,
        "alias": message.get_attr("IFLA_IFALIAS") or "",
        "altnames": frozenset(properties.altnames()) if properties else frozenset(),
        "group": message.get_attr("IFLA_GROUP") or 0,
        "operstate": (message.get_attr("IFLA_OPERSTATE") or "UNKNOWN").lower(),
        "kind": info and info.get_attr("IFLA_INFO_KIND"),
    }


def parent_of(message: Any, info: Any) -> int:
    parent = message.get_attr("IFLA_LINK")
    if not parent and info and info.get_attr("IFLA_INFO_KIND") == "vxlan":
        parent = info.get_nested("IFLA_INFO_DATA", "IFLA_VXLAN_LINK")
    return int(parent or 0)


def ours(link: ObservedLink) -> dict[str, Any]:
    """The same of what we read."""
    return {
        "index": link.index,
        "flags": link.flags,
        "up": link.up,
        "name": link.name,
        "mtu": link.mtu,
        "address": link.address,
        "permanent_address": link.permanent_address,
        "master": link.master,
        "parent": link.parent,
        "link_netnsid": link.link_netnsid,
        "alias": link.alias,
        "altnames": link.altnames,
        "group": link.group,
        "operstate": link.operstate,
        "kind": link.kind,
    }


def their_parameters(payload: bytes) -> dict[str, Any]:
    """The parameters of its kind that pyroute2 reads, by our names; those that are plain values."""
    info = unpacked(payload).get_attr("IFLA_LINKINFO")
    data = info and info.get_attr("IFLA_INFO_DATA")
    if not data or isinstance(data, str):
        return {}
    prefix = data.nla_map[0][0].removesuffix("UNSPEC")
    plain = dict(data["attrs"])
    return {
        name.removeprefix(prefix).lower(): "" if value == "none" else value
        for name, value in plain.items()
        if isinstance(value, int | str)
    }


def differing_parameters(link: ObservedLink, payload: bytes) -> dict[str, tuple[Any, Any]]:
    """The parameters that we and pyroute2 read differently; it gives numbers for most names."""
    found = decode_parameters(link.kind or "", link.data)
    return {
        name: (found[name], value)
        for name, value in their_parameters(payload).items()
        if name in found
        and found[name] != value
        and not (isinstance(found[name], str) and isinstance(value, int))
    }
