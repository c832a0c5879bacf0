"""What the kernel keeps with packets: meta, routes and sockets."""

from __future__ import annotations

from typing import Final

from ..codec.expression_abi import Meta, Rt, Socket
from ..codec.key_abi import MetaKey, RtKey, SocketKey
from ..codec.words import be32
from . import typeof
from .data import kind_of
from .fields import Field
from .setting import Settable

__all__ = ["meta", "rt", "socket"]

# enum expr_types in nftables' expression.h
_META: Final = 9
_SOCKET: Final = 10
_RT: Final = 25


def _meta(name: str, key: MetaKey, kind: str | int, *, host: bool = True) -> Field:
    found = kind_of(kind)
    return Field(
        f"meta {name}",
        found,
        found.length,
        host,
        "meta",
        {Meta.KEY: be32(key)},
        Meta.DREG,
        typeof=typeof.packed(_META, (0, key)),
    )


class MetaFields:
    """What the kernel keeps with a packet (nft(8), "META EXPRESSIONS")."""

    length: Final = _meta("length", MetaKey.LEN, 32)
    protocol: Final = _meta("protocol", MetaKey.PROTOCOL, "ether_type", host=False)
    priority: Final = Settable.of(_meta("priority", MetaKey.PRIORITY, "classid"), Meta.SREG)
    mark: Final = Settable.of(_meta("mark", MetaKey.MARK, "mark"), Meta.SREG)
    iif: Final = _meta("iif", MetaKey.IIF, "iface_index")
    """By the index of the interface: `iifname` goes by its name."""
    oif: Final = _meta("oif", MetaKey.OIF, "iface_index")
    iifname: Final = _meta("iifname", MetaKey.IIFNAME, "ifname")
    oifname: Final = _meta("oifname", MetaKey.OIFNAME, "ifname")
    iiftype: Final = _meta("iiftype", MetaKey.IIFTYPE, "iface_type")
    oiftype: Final = _meta("oiftype", MetaKey.OIFTYPE, "iface_type")
    iifgroup: Final = _meta("iifgroup", MetaKey.IIFGROUP, "devgroup")
    oifgroup: Final = _meta("oifgroup", MetaKey.OIFGROUP, "devgroup")
    ibrname: Final = _meta("ibrname", MetaKey.BRI_IIFNAME, "ifname")
    obrname: Final = _meta("obrname", MetaKey.BRI_OIFNAME, "ifname")
    skuid: Final = _meta("skuid", MetaKey.SKUID, "uid")
    skgid: Final = _meta("skgid", MetaKey.SKGID, "gid")
    nfproto: Final = _meta("nfproto", MetaKey.NFPROTO, "nf_proto")
    l4proto: Final = _meta("l4proto", MetaKey.L4PROTO, "inet_proto")
    pkttype: Final = Settable.of(_meta("pkttype", MetaKey.PKTTYPE, "pkt_type"), Meta.SREG)
    cpu: Final = _meta("cpu", MetaKey.CPU, 32)
    cgroup: Final = _meta("cgroup", MetaKey.CGROUP, 32)
    rtclassid: Final = _meta("rtclassid", MetaKey.RTCLASSID, "realm")


def _rt(name: str, key: RtKey, kind: str | int, *, host: bool) -> Field:
    found = kind_of(kind)
    record = typeof.packed(_RT, (0, key))
    return Field(
        f"rt {name}", found, found.length, host, "rt", {Rt.KEY: be32(key)}, Rt.DREG, typeof=record
    )


class Route:
    """What the routing decision was (nft(8), "ROUTING EXPRESSIONS")."""

    classid: Final = _rt("classid", RtKey.CLASSID, "realm", host=True)
    ip_nexthop: Final = _rt("ip nexthop", RtKey.NEXTHOP4, "ipv4_addr", host=False)
    ip6_nexthop: Final = _rt("ip6 nexthop", RtKey.NEXTHOP6, "ipv6_addr", host=False)
    mtu: Final = _rt("mtu", RtKey.TCPMSS, 16, host=True)


def _socket(name: str, key: SocketKey, kind: str | int) -> Field:
    found = kind_of(kind)
    record = typeof.packed(_SOCKET, (0, key))
    return Field(
        f"socket {name}",
        found,
        found.length,
        True,
        "socket",
        {Socket.KEY: be32(key)},
        Socket.DREG,
        typeof=record,
    )


class SocketFields:
    """What socket of this machine a packet is for (nft(8), "SOCKET EXPRESSION")."""

    transparent: Final = _socket("transparent", SocketKey.TRANSPARENT, 1)
    mark: Final = _socket("mark", SocketKey.MARK, "mark")
    wildcard: Final = _socket("wildcard", SocketKey.WILDCARD, 1)


meta: Final = MetaFields()
rt: Final = Route()
socket: Final = SocketFields()
