"""The loops around one incarnation of a container: its namespaces, by pid, and its cgroup."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import anyio

from examples.tank.cgroups import Place
from examples.tank.container import Container
from examples.tank.reports import Reporter, unsettled
from linx_async import Loop, NetworkNamespace, cgroup, netfilter, rtnl, sysctl

__all__ = ["converged", "loops_around"]

PATIENCE: Final = 10.0
"""Seconds until all is as desired, and the workload may go."""

AnyLoop = Loop[Any, Any, Any]


def loops_around(container: Container, pid: int, place: Place | None) -> list[AnyLoop]:
    """Loops for what a container has, and for nothing that it does not.

    The process is pinned here: a scope is one incarnation's, and never that of a later process
    which happens to have its pid. So each incarnation has loops of its own. What they own goes
    with the namespaces, and is recorded in memory alone.

    Raises:
        ScopeGone: The process has ended.
    """
    scope = NetworkNamespace.of_pid(pid)

    def loop(part: str, source: Any, desired: Any) -> AnyLoop:
        name = f"{container.name} {part}"
        return Loop(source, desired, name=name, debounce=0, on_report=Reporter(name))

    loops = []
    if "net" in container.spawn.namespaces:
        loops.append(loop("network", rtnl.Source(scope), container.ends(pid)[1]))
    if container.sysctl.settings:
        loops.append(loop("sysctl", sysctl.Source(scope), container.sysctl))
    if container.firewall is not None:
        source = netfilter.Source(scope, lifetime=container.firewall.lifetime)
        loops.append(loop("firewall", source, container.firewall.compiled))
    if place is not None and place.limits:
        loops.append(loop("limits", cgroup.Source(place.path), place.limits))
    return loops


async def converged(loops: Iterable[AnyLoop]) -> None:
    """Wait until all is as desired.

    Raises:
        TimeoutError: Something is not, and the message says what.
    """
    for loop in loops:
        with anyio.move_on_after(PATIENCE) as limit:
            await loop.wait_converged()
        if limit.cancelled_caught:
            report = loop.last_report
            left = ["no pass could run"] if report is None else unsettled(report)
            raise TimeoutError(f"{loop.name}: {'; '.join(left)}")
