"""The loops of a router, side by side: its network, its sysctls and its firewall.

    ip netns add blue
    python examples/several_loops.py --supervise blue

No loop knows of the others, and their order does not matter: a sysctl of lan0 waits until lan0 is
there. Ctrl-C ends them. What they have made stays, and the next run goes on with it.
"""

from __future__ import annotations

import argparse
import signal
from collections.abc import Callable
from typing import Any

import anyio

from linx_async import (
    FileStore,
    LinxError,
    Loop,
    NetworkNamespace,
    Report,
    Source,
    SourceError,
    Supervisor,
    netfilter,
    rtnl,
    sysctl,
)

NETWORK = {
    "links": [{"name": "lan0", "kind": "bridge", "up": True}],
    "addresses": [("lan0", "192.0.2.1/24")],
}
SYSCTLS = {"net.ipv4.ip_forward": 1, "net.ipv4.conf.lan0.rp_filter": 1}
FIREWALL = """
    table inet router {
        chain input {
            type filter hook input priority filter; policy drop;
            ct state established,related accept
            iifname { lo, lan0 } accept
        }
    }
"""


def loops_of(scope: NetworkNamespace) -> list[Loop[Any, Any, Any]]:
    """A loop for each subsystem; all keep what they own below /run, which a restart reads."""
    store = FileStore()
    parts: list[tuple[str, Source[Any, Any, Any], Any]] = [
        ("network", rtnl.Source(scope), NETWORK),
        ("sysctls", sysctl.Source(scope), SYSCTLS),
        ("firewall", netfilter.Source(scope), netfilter.parse(FIREWALL)),
    ]
    return [
        Loop(source, desired, name=name, interval=60, store=store, on_report=telling(name))
        for name, source, desired in parts
    ]


def telling(name: str) -> Callable[[Report[Any] | SourceError], None]:
    """What prints the outcome of each pass."""
    return lambda outcome: print(f"{name}: {outcome}")


async def run(loops: list[Loop[Any, Any, Any]], supervise: bool) -> None:
    """Run the loops until SIGINT or SIGTERM: the first that crashes ends all, or is restarted."""
    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async with anyio.create_task_group() as group:
            if supervise:
                group.start_soon(Supervisor(*loops).run)
            else:
                for loop in loops:
                    group.start_soon(loop.run)
            await anext(signals)
            group.cancel_scope.cancel()


def main() -> None:
    """Read the command line, and run."""
    parser = argparse.ArgumentParser(description="Keep a network namespace that routes.")
    parser.add_argument("--supervise", action="store_true", help="restart a loop that crashes")
    parser.add_argument("--backend", choices=["asyncio", "trio"], default="asyncio")
    parser.add_argument("name", metavar="NAME", help="a namespace of ip-netns(8)")
    given = parser.parse_args()
    try:
        loops = loops_of(NetworkNamespace.named(given.name))
    except LinxError as error:
        parser.error(str(error))
    anyio.run(run, loops, given.supervise, backend=given.backend)


if __name__ == "__main__":
    main()
