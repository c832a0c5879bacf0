"""Which sysctls change others: names of one knob, values that spread, and the order of writes."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from .._flat.values import number
from .keys import interface_of, joined, parts_of

__all__ = ["affected", "effects", "either_or", "influences", "rank", "same_knob", "undo"]

_IP_FORWARD = frozenset({"net.ipv4.ip_forward", "net.ipv4.conf.all.forwarding"})
_CONNTRACK = frozenset({"net.nf_conntrack_max", "net.netfilter.nf_conntrack_max"})
_ALIASES = {"net.ipv4.ip_forward": "net.ipv4.conf.all.forwarding"} | dict.fromkeys(
    _CONNTRACK, "net.netfilter.nf_conntrack_max"
)
_UNITS: dict[tuple[str, str, str], tuple[str, int | None]] = {
    ("ipv4", "neigh", "base_reachable_time"): ("base_reachable_time_ms", 1000),
    ("ipv6", "neigh", "base_reachable_time"): ("base_reachable_time_ms", 1000),
    ("ipv4", "neigh", "retrans_time"): ("retrans_time_ms", 10),
    # In jiffies (net/ipv6/ndisc.c), and in packets of a size that depends on the machine.
    ("ipv6", "neigh", "retrans_time"): ("retrans_time_ms", None),
    ("ipv4", "neigh", "unres_qlen"): ("unres_qlen_bytes", None),
    ("ipv6", "neigh", "unres_qlen"): ("unres_qlen_bytes", None),
    ("ipv4", "route", "gc_min_interval"): ("gc_min_interval_ms", 1000),
    ("ipv6", "route", "gc_min_interval"): ("gc_min_interval_ms", 1000),
}
"""Names of one knob in a coarse and in a fine unit (net/core/neighbour.c, net/ipv6/route.c)."""
_COARSE = {(*place, fine): leaf for (*place, leaf), (fine, _) in _UNITS.items()}

_EITHER_OR = (
    ("vm.dirty_bytes", "vm.dirty_ratio"),
    ("vm.dirty_background_bytes", "vm.dirty_background_ratio"),
    ("vm.overcommit_kbytes", "vm.overcommit_ratio"),
)
"""Writing one of them sets the other to 0 (mm/page-writeback.c, mm/util.c)."""
_OTHER_OF_PAIR = {one: other for pair in _EITHER_OR for one, other in (pair, pair[::-1])}

_SPREADS_V6 = frozenset(
    {"forwarding", "disable_ipv6", "ignore_routes_with_linkdown", "addr_gen_mode"}
)
"""Settings that `all` sets for `default` and for every interface (net/ipv6/addrconf.c)."""
_NOT_COPIED_V4 = frozenset(
    {"forwarding", "disable_xfrm", "disable_policy", "promote_secondaries", "route_localnet"}
    | {"drop_unicast_in_l2_multicast"}
)
"""Settings whose handler does not copy the default (net/ipv4/devinet.c)."""
_STABLE_PRIVACY = "2"
_EVERYWHERE = frozenset({"all", "default"})


def rank(key: str) -> tuple[int, str]:
    """Where a key comes in a pass: what overwrites others first, what is overwritten last."""
    match parts_of(key):
        case _ if key in _IP_FORWARD:
            level = 0
        case ("net", _, "conf" | "neigh", "all", _):
            level = 1
        case ("net", _, "conf" | "neigh", "default", _):
            level = 2
        case (*_, "stable_secret" | "disable_ipv6"):
            level = 3
        case _:
            level = 4 if interface_of(key) else 0
    return level, key


def same_knob(key: str) -> tuple[str, int | None]:
    """The name under which the kernel keeps the value, and the factor from this key's unit to it.

    Two keys of one name are one knob: net.ipv4.ip_forward and net.ipv4.conf.all.forwarding
    (net/ipv4/devinet.c), a time in seconds and in milliseconds (net/core/neighbour.c). The factor
    is None where it depends on how the kernel was built.
    """
    if key in _ALIASES:
        return _ALIASES[key], 1
    match parts_of(key):
        case ("net", family, group, *_, leaf) as parts if (family, group, leaf) in _UNITS:
            fine, factor = _UNITS[family, group, leaf]
            return joined(*parts[:-1], fine), factor
    return key, 1


def either_or(keys: Iterable[str]) -> Iterator[tuple[str, str]]:
    """The pairs among these keys of which only one can be other than 0."""
    present = set(keys)
    return (pair for pair in _EITHER_OR if present.issuperset(pair))


def undo(key: str, _ours: str | None, original: str) -> str | None:
    """What to write to put an original back; None where only the other of a pair can do it.

    vm.dirty_bytes takes no 0, and a 0 in vm.overcommit_kbytes makes vm.overcommit_ratio 0 as well.
    """
    return None if key in _OTHER_OF_PAIR and number(original) == 0 else original


def effects(key: str, text: str, others: Collection[str]) -> dict[str, str]:
    """What writing a text to a key does to the others: their values afterwards.

    A value is empty where it cannot be told. An interface's key does not follow its default any
    more when it was written, or came after the default was; nothing shows it, and it is told as if
    it did.
    """
    found = {other: value for other, value in _named(key, text) if other in others}
    family, group, values = _spread(key, text)
    if values:
        endings = tuple(values)
        for other in others:
            # parts_of() is too slow to ask it of every key there is.
            if not other.endswith(endings):
                continue
            match parts_of(other):
                case ("net", its_family, its_group, name, leaf) if (
                    (its_family, its_group) == (family, group)
                    and leaf in values
                    and name not in _EVERYWHERE
                ):
                    found[other] = values[leaf]
    return found


def affected(key: str, text: str, interfaces: Collection[str]) -> frozenset[str]:
    """The other keys that writing a text to a key may change, given the names of all interfaces."""
    family, group, values = _spread(key, text)
    spread = {joined("net", family, group, name, leaf) for name in interfaces for leaf in values}
    return frozenset({other for other, _ in _named(key, text)} | spread) - {key}


def influences(key: str) -> frozenset[str]:
    """The keys that, when they are written, may change this one; itself among them."""
    found = {key, *_other_names(key)}
    if key in _OTHER_OF_PAIR:
        found.add(_OTHER_OF_PAIR[key])
    match parts_of(key):
        case ("net", "ipv4", "conf", _, "forwarding"):
            found |= _IP_FORWARD
        case ("net", "ipv4", "conf", "all", "accept_redirects"):
            found |= _IP_FORWARD
        case ("net", "ipv4", "conf", name, leaf) if (
            name not in _EVERYWHERE and leaf not in _NOT_COPIED_V4
        ):
            found.add(f"net.ipv4.conf.default.{leaf}")
        case ("net", "ipv6", "conf", name, leaf) if name != "all":
            found |= _causes_v6(key, name, leaf)
        case ("net", family, "neigh", name, leaf) if name not in _EVERYWHERE:
            default = f"net.{family}.neigh.default.{leaf}"
            found |= {default, *_other_names(default)}
    return frozenset(found)


def _causes_v6(key: str, name: str, leaf: str) -> set[str]:
    causes = set()
    if leaf in _SPREADS_V6 or (leaf == "force_forwarding" and name != "default"):
        causes.add(f"net.ipv6.conf.all.{leaf}")
    if leaf == "mtu" and name != "default":
        causes |= {"net.ipv6.conf.all.disable_ipv6", joined(*parts_of(key)[:-1], "disable_ipv6")}
    if leaf == "addr_gen_mode" and name != "default":
        causes.add("net.ipv6.conf.default.stable_secret")
        causes.add(joined(*parts_of(key)[:-1], "stable_secret"))
    return causes


def _named(key: str, text: str) -> Iterator[tuple[str, str]]:
    """The effects on keys that can be named."""
    for other in _other_names(key):
        yield other, _in_unit_of(other, key, text)
    if key in _OTHER_OF_PAIR:
        yield _OTHER_OF_PAIR[key], "0"
    match parts_of(key):
        case _ if key in _IP_FORWARD:
            # net/ipv4/devinet.c, inet_forward_change
            yield "net.ipv4.conf.default.forwarding", text
            yield "net.ipv4.conf.all.accept_redirects", "0" if number(text) else "1"
        case ("net", "ipv6", "conf", "all", leaf) if leaf in _SPREADS_V6:
            yield f"net.ipv6.conf.default.{leaf}", text
        case ("net", "ipv6", "conf", name, "disable_ipv6") as parts if name not in _EVERYWHERE:
            # net/ipv6/addrconf.c, addrconf_notify: what is up again has the link's MTU
            if number(text) == 0:
                yield joined(*parts[:-1], "mtu"), ""
        case ("net", "ipv6", "conf", name, "stable_secret") as parts if name not in _EVERYWHERE:
            yield joined(*parts[:-1], "addr_gen_mode"), _STABLE_PRIVACY


def _spread(key: str, text: str) -> tuple[str, str, dict[str, str]]:
    """The effects on every interface: of which family and group of keys, and by last name."""
    match parts_of(key):
        case _ if key in _IP_FORWARD:
            return "ipv4", "conf", {"forwarding": text}
        case ("net", "ipv6", "conf", "all", "disable_ipv6") if number(text) == 0:
            return "ipv6", "conf", {"disable_ipv6": text, "mtu": ""}
        case ("net", "ipv6", "conf", "all", leaf) if leaf in _SPREADS_V6 | {"force_forwarding"}:
            return "ipv6", "conf", {leaf: text}
        case ("net", "ipv6", "conf", "default", "stable_secret"):
            return "ipv6", "conf", {"addr_gen_mode": _STABLE_PRIVACY}
        case ("net", "ipv4", "conf", "default", leaf) if leaf not in _NOT_COPIED_V4:
            # Interfaces whose own key was never written follow their default.
            return "ipv4", "conf", {leaf: text}
        case ("net", family, "neigh", "default", leaf):
            others = {parts_of(o)[-1]: _in_unit_of(o, key, text) for o in _other_names(key)}
            return family, "neigh", {leaf: text, **others}
    return "", "", {}


def _other_names(key: str) -> frozenset[str]:
    """The other names of a knob."""
    for names in (_IP_FORWARD, _CONNTRACK):
        if key in names:
            return names - {key}
    match parts_of(key):
        case ("net", family, group, *_, leaf) as parts:
            fine, _ = _UNITS.get((family, group, leaf), ("", None))
            other = fine or _COARSE.get((family, group, leaf))
            return frozenset({joined(*parts[:-1], other)} if other else ())
    return frozenset()


def _in_unit_of(other: str, key: str, text: str) -> str:
    """A value in the unit of another name of the knob; empty where it cannot be told."""
    factor, other_factor = same_knob(key)[1], same_knob(other)[1]
    if factor == other_factor:
        return text
    value = number(text)
    if value is None or factor is None or other_factor is None:
        return ""
    return str(value * factor // other_factor)
