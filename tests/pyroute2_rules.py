"""Rules as pyroute2's message class reads and writes them, in the fields of our own value."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any

from pyroute2.netlink.rtnl.fibmsg import FR_ACT_VALUES, fibmsg

from linx_async._kernel.netlink import pack_message
from linx_async.rtnl.desired import Rule

__all__ = ["rule_by_pyroute2", "rule_fields"]

FAMILIES = {4: 2, 6: 10}
VERSIONS = {2: 4, 10: 6}


def rule_fields(payload: bytes) -> dict[str, Any]:
    """The fields of the rule that pyroute2 decodes."""
    message: Any = fibmsg(pack_message(0, 0, 1, payload))
    message.decode()
    get = message.get_attr
    mark, mask = get("FRA_FWMARK"), get("FRA_FWMASK")
    action = FR_ACT_VALUES[message["action"]].removeprefix("FR_ACT_").lower()
    return {
        "priority": get("FRA_PRIORITY") or 0,
        "table": get("FRA_TABLE") or message["table"] or None,
        "source": network(get("FRA_SRC"), message["src_len"]),
        "destination": network(get("FRA_DST"), message["dst_len"]),
        "family": VERSIONS[message["family"]],
        "fwmark": None if mark is None and mask is None else mark or 0,
        "fwmask": mask,
        "iif": get("FRA_IIFNAME"),
        "oif": get("FRA_OIFNAME"),
        "tos": message["tos"],
        "uid_range": span(get("FRA_UID_RANGE")),
        "ip_protocol": get("FRA_IP_PROTO"),
        "source_ports": span(get("FRA_SPORT_RANGE")),
        "destination_ports": span(get("FRA_DPORT_RANGE")),
        "invert": bool(message["flags"] & 2),
        "action": "lookup" if action == "to_tbl" else action,
        "goto": get("FRA_GOTO"),
        "suppress_prefix_length": unless_all(get("FRA_SUPPRESS_PREFIXLEN")),
        "suppress_group": unless_all(get("FRA_SUPPRESS_IFGROUP")),
        "l3mdev": bool(get("FRA_L3MDEV")),
        "protocol": get("FRA_PROTOCOL"),
        "flags": message["flags"],
    }


def rule_by_pyroute2(rule: Rule) -> bytes:
    """The payload of a message for a rule, as pyroute2 encodes it."""
    numbers = {name: number for number, name in FR_ACT_VALUES.items()}
    table = rule.table or 0
    name = "TO_TBL" if rule.action == "lookup" else rule.action.upper()
    header = {
        "family": FAMILIES[rule.family],
        "dst_len": rule.destination.prefixlen if rule.destination else 0,
        "src_len": rule.source.prefixlen if rule.source else 0,
        "tos": rule.tos,
        "table": table if table < 256 else 252,
        "action": numbers[f"FR_ACT_{name}"],
        "flags": 2 if rule.invert else 0,
    }
    attrs = {
        "FRA_PRIORITY": rule.priority,
        "FRA_TABLE": rule.table,
        "FRA_SRC": rule.source and str(rule.source.network_address),
        "FRA_DST": rule.destination and str(rule.destination.network_address),
        "FRA_FWMARK": rule.fwmark,
        "FRA_FWMASK": rule.fwmask,
        "FRA_IIFNAME": rule.iif,
        "FRA_OIFNAME": rule.oif,
        "FRA_UID_RANGE": spanned(rule.uid_range),
        "FRA_IP_PROTO": rule.ip_protocol,
        "FRA_SPORT_RANGE": spanned(rule.source_ports),
        "FRA_DPORT_RANGE": spanned(rule.destination_ports),
        "FRA_GOTO": rule.goto,
        "FRA_SUPPRESS_PREFIXLEN": rule.suppress_prefix_length,
        "FRA_SUPPRESS_IFGROUP": rule.suppress_group,
        "FRA_L3MDEV": 1 if rule.l3mdev else None,
        "FRA_PROTOCOL": rule.protocol,
    }
    message: Any = fibmsg()
    message.update(header)
    message["attrs"] = [(name, value) for name, value in attrs.items() if value is not None]
    message.encode()
    return bytes(message.data[16:])


def network(text: str | None, bits: int) -> Any:
    return ip_network(f"{text}/{bits}", strict=False) if bits else None


def span(text: str | None) -> tuple[int, ...] | None:
    return None if text is None else tuple(map(int, text.split(":")))


def spanned(pair: tuple[int, int] | None) -> str | None:
    return None if pair is None else f"{pair[0]}:{pair[1]}"


def unless_all(number: int | None) -> int | None:
    return None if number == 2**32 - 1 else number
