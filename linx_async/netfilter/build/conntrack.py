"""What conntrack knows of packets' connections."""

from __future__ import annotations

from typing import Final

from attrs import frozen

from ..codec.expression_abi import Ct
from ..codec.key_abi import CtKey
from ..codec.words import be32
from . import typeof
from .data import kind_of
from .fields import Field
from .setting import Settable

__all__ = ["ConntrackDirection", "ct"]

_CT: Final = 12  # enum expr_types in nftables' expression.h
_ANY_DIRECTION: Final = 0xFFFFFFFF


def _ct(
    name: str, key: CtKey, kind: str | int, direction: int | None = None, *, host: bool = True
) -> Field:
    found = kind_of(kind)
    attributes = {int(Ct.KEY): be32(key)}
    if direction is not None:
        attributes[Ct.DIRECTION] = bytes([direction])
    way = _ANY_DIRECTION if direction is None else direction
    return Field(
        f"ct {name}",
        found,
        found.length,
        host,
        "ct",
        attributes,
        Ct.DREG,
        typeof=typeof.packed(_CT, (0, key), (1, way)),
    )


@frozen
class ConntrackDirection:
    """What conntrack has of packets in one direction of a connection.

    Attributes:
        direction: 0 of the original one, 1 of the reply's (IP_CT_DIR_*).
    """

    direction: int

    def _field(self, name: str, key: CtKey, kind: str | int, *, host: bool) -> Field:
        word = "reply" if self.direction else "original"
        return _ct(f"{word} {name}", key, kind, self.direction, host=host)

    @property
    def ip_saddr(self) -> Field:
        """The source's IPv4 address."""
        return self._field("ip saddr", CtKey.SRC_IP, "ipv4_addr", host=False)

    @property
    def ip_daddr(self) -> Field:
        """The destination's IPv4 address."""
        return self._field("ip daddr", CtKey.DST_IP, "ipv4_addr", host=False)

    @property
    def ip6_saddr(self) -> Field:
        """The source's IPv6 address."""
        return self._field("ip6 saddr", CtKey.SRC_IP6, "ipv6_addr", host=False)

    @property
    def ip6_daddr(self) -> Field:
        """The destination's IPv6 address."""
        return self._field("ip6 daddr", CtKey.DST_IP6, "ipv6_addr", host=False)

    @property
    def proto_src(self) -> Field:
        """The source's port."""
        return self._field("proto-src", CtKey.PROTO_SRC, "inet_service", host=False)

    @property
    def proto_dst(self) -> Field:
        """The destination's port."""
        return self._field("proto-dst", CtKey.PROTO_DST, "inet_service", host=False)

    @property
    def bytes(self) -> Field:
        """How many bytes there were (net.netfilter.nf_conntrack_acct)."""
        return self._field("bytes", CtKey.BYTES, 64, host=True)

    @property
    def packets(self) -> Field:
        """How many packets there were."""
        return self._field("packets", CtKey.PKTS, 64, host=True)

    @property
    def avgpkt(self) -> Field:
        """Bytes of a packet, on average."""
        return self._field("avgpkt", CtKey.AVGPKT, 64, host=True)

    @property
    def zone(self) -> Settable:
        """The conntrack zone."""
        return Settable.of(self._field("zone", CtKey.ZONE, 16, host=True), Ct.SREG)


class Conntrack:
    """What conntrack knows of a packet's connection (nft(8), "CONNTRACK EXPRESSIONS")."""

    state: Final = _ct("state", CtKey.STATE, "ct_state")
    direction: Final = _ct("direction", CtKey.DIRECTION, "ct_dir")
    status: Final = _ct("status", CtKey.STATUS, "ct_status")
    mark: Final = Settable.of(_ct("mark", CtKey.MARK, "mark"), Ct.SREG)
    expiration: Final = _ct("expiration", CtKey.EXPIRATION, "time")
    l3proto: Final = _ct("l3proto", CtKey.L3PROTOCOL, "nf_proto")
    protocol: Final = _ct("protocol", CtKey.PROTOCOL, "inet_proto", host=False)
    bytes: Final = _ct("bytes", CtKey.BYTES, 64)
    packets: Final = _ct("packets", CtKey.PKTS, 64)
    avgpkt: Final = _ct("avgpkt", CtKey.AVGPKT, 64)
    zone: Final = Settable.of(_ct("zone", CtKey.ZONE, 16), Ct.SREG)
    original: Final = ConntrackDirection(0)
    reply: Final = ConntrackDirection(1)


ct: Final = Conntrack()
