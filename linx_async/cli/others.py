"""Who else manages this machine, and what to set so that both can."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Final

from attrs import frozen

__all__ = ["Other", "others", "processes"]

_LONGEST: Final = 15  # TASK_COMM_LEN with its NUL


@frozen
class Other:
    """Somebody else.

    Attributes:
        name: Who.
        how: How that is known.
        advice: What to set, or to know.
        settled: Whether it is set already.
    """

    name: str
    how: str
    advice: str
    settled: bool = False


_KNOWN: Final = (
    (
        "NetworkManager",
        ("NetworkManager",),
        (
            "have it leave linx's links alone: [keyfile] unmanaged-devices=interface-name:NAME;… in"
            " /etc/NetworkManager/conf.d/linx.conf"
        ),
    ),
    (
        "firewalld",
        ("firewalld",),
        (
            "it keeps tables of its own, and packets pass both: what either drops is dropped; open"
            " in both what is to be open, and give linx's tables other names than firewalld"
        ),
    ),
    (
        "docker",
        ("dockerd",),
        (
            "it sets net.ipv4.ip_forward, and keeps bridges (docker0, br-*), routes and tables of"
            " its own: say nothing of those, and net.ipv4.ip_forward = 1; where it finds that set,"
            " it does not drop what is forwarded between other networks: do so in a table of linx"
        ),
    ),
    (
        "Kubernetes",
        ("kubelet", "kube-proxy", "cilium-agent", "calico-node"),
        "it keeps sysctls, links, routes and tables of its own: say nothing of what it keeps",
    ),
    ("libvirt", ("libvirtd", "virtnetworkd"), "it keeps virbr* and their tables: leave them out"),
    (
        "tuned",
        ("tuned",),
        "a profile's [sysctl] writes the same keys: keep each in one place (tuned-adm active)",
    ),
    (
        "a DHCP client",
        ("dhclient", "dhcpcd", "udhcpc"),
        (
            "addresses and default routes of its links are its own: leave them out, or give yours"
            " another metric"
        ),
    ),
    (
        "a routing daemon",
        ("bird", "zebra", "bgpd", "ospfd", "keepalived"),
        (
            "its routes have a tag of its own; see that it does not clean up those of protocol 76,"
            " and that no two say one destination in one table with one metric"
        ),
    ),
    ("connman or wicked", ("connmand", "wickedd"), "have it leave linx's links alone"),
)
_NETWORKD: Final = ("ManageForeignRoutes", "ManageForeignRoutingPolicyRules")
_NO: Final = re.compile(r"no|false|off|0|n|f", re.IGNORECASE)


def processes(proc: Path = Path("/proc"), *, network: os.stat_result | None = None) -> set[str]:
    """The names of the programs that run (proc_pid_comm(5)). Blocks.

    Args:
        proc: Where they are told.
        network: The network namespace that they run in; None is any. Those of other users, whose
            namespace is not told to us, are left out.
    """
    found = set()
    for directory in proc.glob("[0-9]*"):
        try:
            if network and not os.path.samestat((directory / "ns/net").stat(), network):
                continue
            found.add((directory / "comm").read_text(errors="replace").strip())
        except OSError:
            continue  # it has ended meanwhile
    return found


def others(
    running: Collection[str], root: Path = Path("/"), *, at_boot: bool = True
) -> list[Other]:
    """Who else manages the machine. Blocks.

    Args:
        running: The names of the programs that run.
        root: Where the files of the system are.
        at_boot: Whether to tell also of what does its work at boot, and does not run any more.
    """
    found = [*_networkd(running, root)]
    for name, programs, advice in _KNOWN:
        here = [each for each in programs if each[:_LONGEST] in running]
        if here:
            found.append(Other(name, f"{here[0]} runs", advice))
    return [*found, *_ufw(root), *_nftables(root)] if at_boot else found


def _networkd(running: Collection[str], root: Path) -> Iterator[Other]:
    if "systemd-networkd"[:_LONGEST] not in running:
        return
    said: dict[str, str] = {}
    # Of files of one name the last place's counts alone (networkd.conf(5)).
    drop_ins = {
        file.name: file
        for place in ("usr/lib", "run", "etc")
        for file in (root / place / "systemd/networkd.conf.d").glob("*.conf")
    }
    named = (drop_ins[name] for name in sorted(drop_ins))
    for file in (root / "etc/systemd/networkd.conf", *named):
        said |= dict(re.findall(r"^\s*(\w+)\s*=\s*(\S+)", _text(file), re.MULTILINE))
    off = {name for name, value in said.items() if _NO.fullmatch(value)}
    lacking = [f"{name}=no" for name in _NETWORKD if name not in off]
    advice = (
        "it takes away foreign routes and rules when it starts or sets up a link: in"
        f" /etc/systemd/networkd.conf.d/linx.conf say [Network] {' '.join(lacking)}"
        if lacking
        else "it leaves foreign routes and rules alone"
    )
    if "ManageForeignNextHops" not in off:
        advice += "; from systemd 256 on, ManageForeignNextHops=no has it leave nexthops alone too"
    advice += (
        "; of links that a .network file matches it takes foreign addresses too: have it leave"
        " those of linx to themselves ([Link] Unmanaged=yes)"
    )
    yield Other("systemd-networkd", "systemd-networkd runs", advice, not lacking)


def _ufw(root: Path) -> Iterator[Other]:
    if re.search(r"^\s*ENABLED\s*=\s*yes", _text(root / "etc/ufw/ufw.conf"), re.MULTILINE):
        advice = (
            "it keeps tables of its own, and packets pass both; it also writes the sysctls of"
            " /etc/ufw/sysctl.conf: in /etc/default/ufw say IPT_SYSCTL="
        )
        settled = re.search(r"^IPT_SYSCTL\s*=\s*$", _text(root / "etc/default/ufw"), re.MULTILINE)
        yield Other("ufw", "/etc/ufw/ufw.conf has ENABLED=yes", advice, settled is not None)


def _nftables(root: Path) -> Iterator[Other]:
    wanted = list((root / "etc/systemd/system").glob("*.wants/nftables.service"))
    flushes = re.search(r"^\s*flush ruleset", _text(root / "etc/nftables.conf"), re.MULTILINE)
    if wanted and flushes:
        advice = (
            "each start of it takes away all tables, also those of linx that nobody holds at that"
            " moment: in /etc/nftables.conf delete its own tables instead of `flush ruleset`, or"
            " disable nftables.service, and take the rules over by `linx import nft`"
        )
        yield Other("nftables.service", "it is enabled, and flushes the ruleset", advice)


def _text(file: Path) -> str:
    try:
        return file.read_text(errors="replace")
    except OSError:
        return ""
