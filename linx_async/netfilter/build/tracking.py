"""The objects of a table that conntrack, SYN proxies and security modules are given."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any, Final

from ..._core.checks import U8, U16, U32, between, check_flag, check_text, one_of, wrong
from ..codec.forms import canonical_object, pack
from ..codec.object_abi import ObjectType
from ..codec.statement_abi import Synproxy
from ..codec.words import be32
from ..desired.objects import Object

__all__ = [
    "ct_expectation",
    "ct_helper",
    "ct_timeout",
    "secmark",
    "synproxy",
]

_PROTOCOLS: Final = {"tcp": 6, "udp": 17}
_FAMILIES: Final = {"inet": 1, "ip": 2, "ip6": 10}
_STATES: Final[Mapping[str, Mapping[str, int]]] = {
    "tcp": {
        "syn_sent": 120,
        "syn_recv": 60,
        "established": 432_000,
        "fin_wait": 120,
        "close_wait": 60,
        "last_ack": 30,
        "time_wait": 120,
        "close": 10,
        "syn_sent2": 120,
        "retrans": 300,
        "unack": 300,
    },
    "udp": {"unreplied": 30, "replied": 120},
}
"""States by protocol, in the order of CTA_TIMEOUT_TCP_* and CTA_TIMEOUT_UDP_* from 1, and how many
seconds the kernel has for them (nf_conntrack_proto_tcp.c, nf_conntrack_proto_udp.c)."""
_LONGEST_HELPER: Final = 15  # NF_CT_HELPER_NAME_LEN with its NUL
_LONGEST_CONTEXT: Final = 255  # NFT_SECMARK_CTX_MAXLEN with its NUL
# NFTA_CT_HELPER_*, NFTA_CT_TIMEOUT_*, NFTA_CT_EXPECT_*, NFTA_SECMARK_* of nf_tables.h.
_HELPER_NAME, _HELPER_FAMILY, _HELPER_PROTOCOL = 1, 2, 3
_TIMEOUT_FAMILY, _TIMEOUT_PROTOCOL, _TIMEOUT_DATA = 1, 2, 3
_EXPECT_FAMILY, _EXPECT_PROTOCOL, _EXPECT_PORT, _EXPECT_TIME, _EXPECT_SIZE = 1, 2, 3, 4, 5
_SECMARK_CONTEXT: Final = 1
# NF_SYNPROXY_OPT_*
_MSS, _WSCALE, _SACK_PERM, _TIMESTAMP = 0x01, 0x02, 0x04, 0x08


def ct_helper(
    name: str, helper: str, protocol: str, *, family: str = "inet", comment: str | None = None
) -> Object:
    """A helper of conntrack, for protocols with connections that belong together.

    The kernel's part of it is net/netfilter/nft_ct.c.

    Args:
        name: Its name.
        helper: The kernel's name of it: `ftp`, `sip`, `tftp`…
        protocol: `tcp` or `udp`.
        family: Of the packets: `ip`, `ip6` or `inet`, in a table of which it has to make sense.
        comment: What nft shows with it.

    Raises:
        DesiredStateError: A field is wrong.
    """
    kernel = check_text(helper, "helper", _LONGEST_HELPER)
    if not kernel:
        raise wrong("helper", "is empty")
    body = b"".join(
        (
            pack(_HELPER_NAME, kernel.encode() + b"\0"),
            pack(_HELPER_PROTOCOL, _protocol(protocol)),
            pack(_HELPER_FAMILY, _family(family)),
        )
    )
    return _object(name, ObjectType.CT_HELPER, body, comment)


def ct_timeout(
    name: str,
    protocol: str,
    policy: Mapping[str, int],
    *,
    family: str = "inet",
    comment: str | None = None,
) -> Object:
    """How long conntrack keeps connections (net/netfilter/nft_ct.c).

    Args:
        name: Its name.
        protocol: `tcp` or `udp`.
        policy: Seconds by state: `{"established": 3600}`; for states that are not named, what a
            kernel has whose sysctls nobody changed.
        family: Of the packets: `ip`, `ip6` or `inet`.
        comment: What nft shows with it.

    Raises:
        DesiredStateError: A field is wrong.
    """
    number = _protocol(protocol)
    states = _STATES[protocol]
    if not isinstance(policy, Mapping):
        raise wrong("policy", f"expected seconds by state, got {policy!r:.100}")
    said = {one_of(state, "policy", states): seconds for state, seconds in policy.items()}
    times = b"".join(
        pack(place, be32(between(said.get(state, usual), f"policy[{state!r}]", 1, U32)))
        for place, (state, usual) in enumerate(states.items(), 1)
    )
    body = b"".join(
        (
            pack(_TIMEOUT_PROTOCOL, number),
            pack(_TIMEOUT_FAMILY, _family(family)),
            pack(_TIMEOUT_DATA, times),
        )
    )
    return _object(name, ObjectType.CT_TIMEOUT, body, comment)


def ct_expectation(
    name: str,
    protocol: str,
    port: int,
    timeout_ms: int,
    size: int,
    *,
    family: str = "ip",
    comment: str | None = None,
) -> Object:
    """Connections that are to be expected beside one (net/netfilter/nft_ct.c).

    Args:
        name: Its name.
        protocol: `tcp` or `udp`.
        port: Where they go to.
        timeout_ms: Milliseconds for which they are expected.
        size: How many.
        family: `ip` or `ip6`.
        comment: What nft shows with it.

    Raises:
        DesiredStateError: A field is wrong.
    """
    if family == "inet":
        raise wrong("family", "expected ip or ip6, got 'inet'")
    body = b"".join(
        (
            pack(_EXPECT_FAMILY, _family(family)),
            pack(_EXPECT_PROTOCOL, _protocol(protocol)),
            pack(_EXPECT_PORT, between(port, "port", 1, U16).to_bytes(2, "big")),
            # In the machine's byte order, unlike all else (nft_ct_expect_obj_init()).
            pack(
                _EXPECT_TIME, between(timeout_ms, "timeout_ms", 1, U32).to_bytes(4, sys.byteorder)
            ),
            pack(_EXPECT_SIZE, between(size, "size", 1, U8).to_bytes(1, "big")),
        )
    )
    return _object(name, ObjectType.CT_EXPECT, body, comment)


def synproxy(
    name: str,
    mss: int,
    wscale: int,
    *,
    timestamp: bool = False,
    sack_perm: bool = False,
    comment: str | None = None,
) -> Object:
    """What a proxy for new TCP connections offers: it lets those through that answer.

    The kernel's part of it is net/netfilter/nft_synproxy.c.

    Args:
        name: Its name.
        mss: The maximum segment size, in bytes.
        wscale: The window scale, 0 to 14.
        timestamp: Whether it offers timestamps.
        sack_perm: Whether it offers selective acknowledgement.
        comment: What nft shows with it.

    Raises:
        DesiredStateError: A field is wrong.
    """
    flags = _MSS | _WSCALE
    flags |= _TIMESTAMP if check_flag(timestamp, "timestamp") else 0
    flags |= _SACK_PERM if check_flag(sack_perm, "sack_perm") else 0
    body = b"".join(
        (
            pack(Synproxy.MSS, between(mss, "mss", 1, U16).to_bytes(2, "big")),
            pack(Synproxy.WSCALE, between(wscale, "wscale", 0, 14).to_bytes(1, "big")),
            pack(Synproxy.FLAGS, be32(flags)),
        )
    )
    return _object(name, ObjectType.SYNPROXY, body, comment)


def secmark(name: str, context: str, *, comment: str | None = None) -> Object:
    """A security context for packets, as of SELinux (net/netfilter/nft_meta.c).

    Args:
        name: Its name.
        context: The context: `system_u:object_r:ssh_server_packet_t:s0`.
        comment: What nft shows with it.

    Raises:
        DesiredStateError: A field is wrong.
    """
    text = check_text(context, "context", _LONGEST_CONTEXT)
    if not text:
        raise wrong("context", "is empty")
    return _object(name, ObjectType.SECMARK, pack(_SECMARK_CONTEXT, text.encode() + b"\0"), comment)


def _object(name: str, kind: ObjectType, body: bytes, comment: str | None) -> Object:
    return Object(name, int(kind), canonical_object(kind, body), comment)


def _protocol(value: Any) -> bytes:
    return bytes((_PROTOCOLS[one_of(value, "protocol", _PROTOCOLS)],))


def _family(value: Any) -> bytes:
    return _FAMILIES[one_of(value, "family", _FAMILIES)].to_bytes(2, "big")
