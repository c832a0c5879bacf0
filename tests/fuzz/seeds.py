"""Real dumps and announcements: what mutations start from."""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from contextlib import closing
from typing import Final

from attrs import field, frozen

from linx_async._kernel.netlink import Flag, Message, pack_message, split
from linx_async._kernel.netlink_open import open_socket
from linx_async._kernel.netns import NetworkNamespace
from linx_async.rtnl.codec import address, link, neighbour, nexthop, rule
from linx_async.rtnl.codec.route_encode import dump_request
from linx_async.rtnl.codec.wire import Type
from linx_async.rtnl.interest import ALL_GROUPS
from linx_async.testing.namespaces import throwaway
from tests.fuzz.nft import nft_payloads

__all__ = ["Seeds"]

_PATIENCE: Final = 10.0
_DATAGRAM: Final = 65536

# Those that a kernel or an iproute2 does not know are left out.
_COMMANDS: Final = """
link add one type veth peer name two
link add br0 type bridge vlan_filtering 1
link add dummy0 type dummy
link add vlan7 link one type vlan id 7 protocol 802.1ad
link add vx0 type vxlan id 7 local 10.0.0.1 dstport 4789 ttl 9
link add vx6 type vxlan id 8 group ff02::5 dev one dstport 4790
link add mac0 link one type macvlan mode bridge
link add bond0 type bond mode 802.3ad miimon 100
link add vrf0 type vrf table 100
link add gre0x type gre local 10.0.0.1 remote 10.0.0.2 ttl 4
link add gen0 type geneve id 5 remote 10.0.0.9
link set one up
link set two master br0
link set two up
link set br0 up
link property add dev one altname another-name-for-it
link set one alias with-words
address add 10.0.0.1/24 broadcast + label one:x dev one
address add 10.1.0.1 peer 10.1.0.2/32 dev one
address add 10.0.0.9/24 valid_lft 1000 preferred_lft 500 dev one
address add fd00::1/64 nodad dev one
route add 192.0.2.0/24 via 10.0.0.2 proto 76 mtu 1400 advmss 1300
route add 198.51.100.0/24 proto 76 nexthop via 10.0.0.2 weight 3 nexthop via 10.0.0.3
route add 203.0.113.0/24 via inet6 fe80::1 dev one proto 76
route add 10.9.0.0/16 encap mpls 100/200 via 10.0.0.2 proto 76
route add 10.10.0.0/16 encap ip id 5 dst 10.0.0.2 dev one proto 76
route add blackhole 10.11.0.0/16 table 1000 metric 7
route add 2001:db8::/32 via fd00::2 proto 76 metric 5
route add 2001:db8:1::/48 proto 76 nexthop via fd00::2 nexthop via fd00::3
route add 2001:db8:2::/48 encap seg6 mode encap segs fc00::1,fc00::2 dev one proto 76
route add unreachable 2001:db8:3::/48 proto 76
nexthop add id 1 via 10.0.0.2 dev one protocol 76
nexthop add id 2 blackhole
nexthop add id 3 via fd00::2 dev one
nexthop add id 4 via 10.0.0.3 dev one
nexthop add id 10 group 1,3/4 protocol 76
nexthop add id 11 group 1/4 type resilient buckets 8
route add 10.12.0.0/16 nhid 1 proto 76
rule add from 10.0.0.0/8 to 192.0.2.0/24 fwmark 1/3 table 100 priority 500 protocol 76
rule add iif one ipproto tcp sport 1-2 dport 80 uidrange 0-9 lookup 200
rule add not from fd00::/8 prohibit
neighbour add 10.0.0.77 lladdr 02:00:00:00:00:77 dev one nud permanent
neighbour add proxy 10.0.0.88 dev one
neighbour add fd00::77 lladdr 02:00:00:00:00:78 dev one nud permanent router
"""

_DUMPS: Final[Sequence[tuple[str, int, bytes]]] = (
    ("link", Type.GETLINK, link.DUMP),
    ("address", Type.GETADDR, address.DUMP),
    ("route", Type.GETROUTE, dump_request(4)),
    ("route", Type.GETROUTE, dump_request(6)),
    ("rule", Type.GETRULE, rule.DUMP),
    ("neighbour", Type.GETNEIGH, neighbour.DUMP),
    ("neighbour", Type.GETNEIGH, neighbour.DUMP_PROXIES),
    ("nexthop", Type.GETNEXTHOP, nexthop.DUMP),
)


@frozen
class Seeds:
    """What a kernel said.

    Attributes:
        payloads: Of messages, by what they are about.
        datagrams: Whole datagrams of dumps, of answers and of announcements, with what ends them.
    """

    payloads: dict[str, list[bytes]] = field(factory=dict)
    datagrams: list[bytes] = field(factory=list)

    @classmethod
    def of_this_kernel(cls) -> Seeds:
        """What it says of a namespace with something of everything in it.

        Raises:
            NamespaceUnavailable: There are no namespaces to be had.
        """
        with throwaway("net") as box:
            target = NetworkNamespace.at_path(box.path("net")).open()
            try:
                with (
                    closing(target.call(lambda: open_socket(groups=ALL_GROUPS))) as listener,
                    closing(target.call(open_socket)) as requests,
                ):
                    requests.settimeout(_PATIENCE)
                    for command in filter(None, _COMMANDS.splitlines()):
                        box.run(["ip", *command.split()], check=False)
                    return cls._said(listener, requests)
            finally:
                target.close()

    @classmethod
    def _said(cls, listener: socket.socket, requests: socket.socket) -> Seeds:
        found = cls()
        for number, (name, kind, payload) in enumerate(_DUMPS, 1):
            flags = Flag.REQUEST | Flag.DUMP
            requests.send(pack_message(kind, flags, number, payload))
            found._take(name, _datagrams(requests, _is_end))
        # A refusal that is told in words.
        requests.send(pack_message(Type.NEWROUTE, Flag.REQUEST | Flag.ACK, 99, bytes(12)))
        found._take(None, _datagrams(requests, _is_end))
        found._take(None, _datagrams(listener, lambda _: False))
        found.payloads.update({name: there for name, there in nft_payloads().items() if there})
        return found

    def _take(self, name: str | None, datagrams: list[bytes]) -> None:
        self.datagrams.extend(datagrams)
        if name is not None:
            payloads = self.payloads.setdefault(name, [])
            for datagram in datagrams:
                payloads += [each.payload for each in split(datagram) if each.type > 15]


def _is_end(message: Message) -> bool:
    return message.type in {2, 3}


def _datagrams(sock: socket.socket, ends: Callable[[Message], bool]) -> list[bytes]:
    found: list[bytes] = []
    try:
        while not found or not any(map(ends, split(found[-1]))):
            found.append(sock.recv(_DATAGRAM))
    except BlockingIOError:
        pass
    return found
