"""`linx doctor`: what this kernel and these permissions allow, and who else manages the machine."""

from __future__ import annotations

import os
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from anyio import to_thread
from attrs import define, evolve, field, frozen

from .._core.errors import LinxError, OpError, ScopeGone, SourceError
from .._core.store import runtime_directory
from .._kernel.cgroupfs import cgroup2_mounts
from .._kernel.files import read_file
from .._kernel.netns import NetworkNamespace
from .._kernel.nfnetlink import NfnetlinkSocket
from .._kernel.programs import find, version
from .._kernel.release import kernel_release
from .others import Other, others, processes
from .output import say, shade
from .where import call_in

__all__ = ["Examination", "Finding"]


@frozen
class Finding:
    """One thing that was looked at.

    Attributes:
        part: The subsystem that it is about.
        well: Whether it is as it should be.
        text: What it is.
        cure: What to do about it; empty where nothing is to be done.
    """

    part: str
    well: bool
    text: str
    cure: str = ""


@define
class Examination:
    """What was found. Nothing is changed by looking.

    Attributes:
        netns: The network namespace that is asked about; None is ours, and all of the machine.
        findings: What this kernel and these permissions allow.
        others: Who else manages the machine.
    """

    netns: NetworkNamespace | None = None
    findings: list[Finding] = field(factory=list)
    others: list[Other] = field(factory=list)

    @property
    def is_well(self) -> bool:
        """Whether there is nothing to do."""
        return all(each.well for each in self.findings) and all(
            each.settled for each in self.others
        )

    async def make(self) -> None:
        """Look at it all.

        Raises:
            ScopeGone: There is no such namespace.
        """
        if self.netns is None:
            self.findings += await to_thread.run_sync(lambda: [*_sysctl(), *_cgroup()])
            self.findings += await _networks()
            self.others += await to_thread.run_sync(lambda: others(processes()))
        else:
            await self._look_into(self.netns)
        self.findings += await to_thread.run_sync(lambda: [*_programs(), *_records()])

    async def _look_into(self, netns: NetworkNamespace) -> None:
        try:
            found = [await call_in(netns, _of_network)]
            here = await call_in(netns, lambda: os.stat("/proc/thread-self/ns/net"))
        except ScopeGone:
            raise
        except SourceError as error:
            why = str(error).removeprefix(f"{netns}: ")
            self.findings.append(Finding(str(netns), False, why, "run as root"))
            return
        found += await _networks(netns)
        self.findings += [evolve(each, part=f"{netns}: {each.part}") for each in found]
        running = await to_thread.run_sync(lambda: processes(network=here))
        self.others += await to_thread.run_sync(lambda: others(running, at_boot=False))

    def show(self) -> None:
        """Write it for people."""
        for each in self.findings:
            mark = shade("ok", "green") if each.well else shade("no", "red")
            cure = f": {each.cure}" if each.cure else ""
            say(f"{mark}  {shade(each.part, bold=True)}: {shade(each.text + cure)}")
        for other in self.others:
            mark = shade("ok", "green") if other.settled else shade("see", "yellow")
            say(f"{mark} {shade(other.name, bold=True)} ({other.how}): {shade(other.advice)}")

    def to_json(self) -> dict[str, Any]:
        """It, for `--json`."""
        return {
            "command": "doctor",
            "well": self.is_well,
            "findings": [
                {"part": each.part, "ok": each.well, "text": each.text, "cure": each.cure or None}
                for each in self.findings
            ],
            "others": [
                {
                    "name": each.name,
                    "found": each.how,
                    "advice": each.advice,
                    "settled": each.settled,
                }
                for each in self.others
            ],
        }


def _sysctl() -> Iterator[Finding]:
    yield _of_network()
    yield _writable("of the machine", "vm/swappiness")


def _of_network() -> Finding:
    """Whether sysctls of the calling thread's network namespace may be written."""
    return _writable("of this network", "net/ipv4/ip_forward")


def _writable(what: str, key: str) -> Finding:
    well = os.access(f"/proc/sys/{key}", os.W_OK)
    can = "may be written" if well else "may not be written"
    cure = "" if well else "run as root; in a container /proc/sys may be mounted read-only"
    return Finding("sysctl", well, f"sysctls {what} {can}", cure)


def _cgroup() -> Iterator[Finding]:
    mount = next(cgroup2_mounts(read_file("/proc/self/mountinfo")), None)
    if mount is None:
        yield Finding("cgroup", False, "cgroup v2 is not mounted", "mount -t cgroup2 none /mnt")
        return
    well = os.access(os.path.join(mount.point, "cgroup.procs"), os.W_OK)
    if not well:
        cure = "run as root, or have a subtree delegated (Delegate= in systemd.resource-control(5))"
        yield Finding("cgroup", False, f"{mount.point} may not be written", cure)
        return
    try:
        names = read_file(os.path.join(mount.point, "cgroup.controllers")).strip()
    except OSError:
        names = ""
    controllers = f"limits of {names}" if names else "no controllers"
    cure = "" if names else "they may be held by cgroup v1: boot with cgroup_no_v1=all"
    yield Finding("cgroup", bool(names), f"{mount.point}: {controllers}", cure)


async def _networks(netns: NetworkNamespace | None = None) -> list[Finding]:
    """What may be done to networks and firewalls: the kernel is asked, and nothing comes of it."""
    from ..netfilter.owners import has_persistent_owners

    release = kernel_release()
    tags = Finding(
        "rtnl",
        release >= (5, 18),
        "addresses have tags" if release >= (5, 18) else "addresses have no tags before Linux 5.18",
        "" if release >= (5, 18) else "the record says which are ours: keep the state directory",
    )
    pyroute = find_spec("pyroute2") is not None
    kinds = Finding(
        "rtnl",
        pyroute,
        f"pyroute2 is {'' if pyroute else 'not '}installed, for the parameters of kinds of links",
        "" if pyroute else "pip install 'linx-async[rtnl]'",
    )
    try:
        async with await _open(netns) as socket:
            persists = await has_persistent_owners(socket, "inet")
    except OpError as error:
        why = str(error).removeprefix(f"{error.key}: ")
        return [_refused("rtnl", why), _refused("netfilter", why), tags, kinds]
    except LinxError as error:
        return [Finding("netfilter", False, str(error), "load nf_tables"), tags, kinds]
    owned = "may be owned, and stay when their owner ends"
    unowned = "cannot be owned and stay before Linux 6.9: others may write to them"
    return [
        Finding("rtnl", True, "links, addresses, routes and rules may be changed"),
        tags,
        kinds,
        Finding("netfilter", True, f"tables may be changed; they {owned if persists else unowned}"),
    ]


async def _open(netns: NetworkNamespace | None) -> NfnetlinkSocket:
    if netns is None:
        return await NfnetlinkSocket.open()
    target = await to_thread.run_sync(netns.open)
    try:
        return await NfnetlinkSocket.open(opener=target.call)
    finally:
        target.close()


def _refused(part: str, why: str) -> Finding:
    return Finding(part, False, f"may not be changed: {why}", "run as root, or with CAP_NET_ADMIN")


def _programs() -> Iterator[Finding]:
    from ..netfilter import parse

    try:
        nft = find("nft", "install nftables; rules that are TOML tables do without")
        parse("table inet examined {\n}\n", links={})
    except LinxError as error:
        yield Finding("netfilter", False, f"rules in nft's syntax cannot be compiled: {error}")
    else:
        told = version(nft) or nft.path
        yield Finding("netfilter", True, f"rules in nft's syntax are compiled by {told}")


def _records() -> Iterator[Finding]:
    place = runtime_directory()
    there = next((each for each in (place, *place.parents) if each.exists()), Path("/"))
    well = os.access(there, os.W_OK)
    cure = "" if well else "give --state-dir a directory of yours that the boot empties"
    can = "can be kept" if well else "cannot be kept"
    yield Finding("records", well, f"records of what linx has set {can} in {place}", cure)
