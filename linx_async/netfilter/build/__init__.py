"""Rules written in Python, without nft."""

from __future__ import annotations

from typing import Final

from .concatenations import Concatenation, concat
from .conntrack import ConntrackDirection, ct
from .fields import Field
from .keys import Key, Mapped
from .logs import log
from .matches import Match
from .members import VerdictMap
from .metadata import meta, rt, socket
from .nat import dnat, snat
from .objects import counter_object, limit_object, quota_object
from .packet import (
    arp,
    dccp,
    ether,
    icmp,
    icmpv6,
    ip,
    ip6,
    sctp,
    tcp,
    th,
    udp,
    udplite,
    vlan,
)
from .ports import masquerade, redirect
from .references import counter, limit_reference, object_reference, quota_reference
from .rejecting import reject
from .routing import FibLookup, fib
from .rules import Built, rule
from .setting import Assignment, Settable
from .statements import flow_add, limit, notrack, queue, quota
from .terms import Term
from .tracking import ct_expectation, ct_helper, ct_timeout, secmark, synproxy
from .verdicts import Verdict, accept, continue_, drop, goto, jump, return_

iif: Final = meta.iif
iifname: Final = meta.iifname
oif: Final = meta.oif
oifname: Final = meta.oifname
mark: Final = meta.mark
skuid: Final = meta.skuid
skgid: Final = meta.skgid
pkttype: Final = meta.pkttype
"""What nft also takes without `meta`."""

__all__ = [
    "Assignment",
    "Built",
    "Concatenation",
    "ConntrackDirection",
    "FibLookup",
    "Field",
    "Key",
    "Mapped",
    "Match",
    "Settable",
    "Term",
    "Verdict",
    "VerdictMap",
    "accept",
    "arp",
    "concat",
    "continue_",
    "counter",
    "counter_object",
    "ct",
    "ct_expectation",
    "ct_helper",
    "ct_timeout",
    "dccp",
    "dnat",
    "drop",
    "ether",
    "fib",
    "flow_add",
    "goto",
    "icmp",
    "icmpv6",
    "iif",
    "iifname",
    "ip",
    "ip6",
    "jump",
    "limit",
    "limit_object",
    "limit_reference",
    "log",
    "mark",
    "masquerade",
    "meta",
    "notrack",
    "object_reference",
    "oif",
    "oifname",
    "pkttype",
    "queue",
    "quota",
    "quota_object",
    "quota_reference",
    "redirect",
    "reject",
    "return_",
    "rt",
    "rule",
    "sctp",
    "secmark",
    "skgid",
    "skuid",
    "snat",
    "socket",
    "synproxy",
    "tcp",
    "th",
    "udp",
    "udplite",
    "vlan",
]
