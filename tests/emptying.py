"""A network namespace emptied, for whoever uses it next."""

from __future__ import annotations

import shutil
import subprocess

from tests.iproute2 import ip, listed

__all__ = ["empty"]

FIRST_RULES = {0, 32766, 32767}
"""The kernel's own, by their priorities."""


def empty() -> None:
    """Delete all links but lo, what is not the kernel's of addresses, routes and rules, and tables.

    Sysctls stay as they are.
    """
    for link in listed("link", "show"):
        if link["ifname"] != "lo":
            # One that went with its peer is no matter.
            subprocess.run(["ip", "link", "del", link["ifname"]], capture_output=True, check=False)
    ip("address", "flush", "dev", "lo", "scope", "global")
    ip("nexthop", "flush")
    for family in ("-4", "-6"):
        routes = listed("-details", family, "route", "show", "table", "all")
        for protocol in {route["protocol"] for route in routes} - {"kernel"}:
            ip(family, "route", "flush", "table", "all", "proto", protocol)
        for rule in listed(family, "rule", "show"):
            if rule["priority"] not in FIRST_RULES:
                ip(family, "rule", "del", "priority", str(rule["priority"]))
    if shutil.which("nft"):
        subprocess.run(["nft", "flush", "ruleset"], check=True)
