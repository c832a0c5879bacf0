"""What routes cost: passes over 100,000 and more of them, changes, heals, and memory.

Run it as `python tests/bench/bench_rtnl.py`; it makes throw-away namespaces for itself. With
`--quick` it leaves out the millions, and takes fewer samples.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Mapping
from functools import partial

import anyio

from linx_async import rtnl
from linx_async.rtnl import Encap
from linx_async.testing.namespaces import (
    throwaway,
)
from tests.bench.rtnl_changes import measure_changes
from tests.bench.rtnl_heal import measure_heals
from tests.bench.rtnl_memory import held, held_mixed, looped
from tests.bench.rtnl_passes import measure_growth, measure_mixed, measure_plain
from tests.bench.rtnl_pyroute2 import measure_pyroute2
from tests.bench.rtnl_wire import OURS, ip, testbed
from tests.bench.timing import heading, in_a_process, run_parts

BACKENDS = ("asyncio", "trio")
COUNT = 100_000


def encapsulation() -> Encap | None:
    """One that the kernel takes, as it shows it; None where it takes none."""
    goal = ["10.0.0.0/24", "proto", str(OURS), "encap", "ip", "id", "5", "dst", "192.168.0.9"]
    with testbed():
        try:
            ip("route", "add", *goal, "dev", "b0")
        except subprocess.CalledProcessError:
            print("this kernel has no IP encapsulation of routes: it is left out")
            return None
        (route,) = anyio.run(rtnl.observe).routes.table()
        return route.forwarding.encap


def passes(*, quick: bool) -> None:
    rounds = 5 if quick else 9
    for backend in BACKENDS:
        anyio.run(measure_plain, COUNT, COUNT, rounds, backend, backend=backend)
    mixture = partial(measure_mixed, bound=12.0)
    anyio.run(mixture, COUNT, None, rounds, "asyncio")
    anyio.run(partial(measure_mixed, bound=None), COUNT, encapsulation(), rounds, "asyncio")
    growth = [10_000, 100_000] if quick else [10_000, 100_000, 1_000_000]
    anyio.run(measure_growth, 1000, growth, rounds)


def changes(*, quick: bool) -> None:
    anyio.run(partial(measure_changes, mixture=False), COUNT, COUNT, 1 if quick else 3)
    anyio.run(partial(measure_changes, mixture=True), COUNT, COUNT, 1)
    anyio.run(measure_pyroute2, 2_000 if quick else 10_000, 200, 1)


def heals(*, quick: bool) -> None:
    heading("heal latency, debounce 0")
    with testbed() as indices, throwaway() as foreigner:
        for backend in BACKENDS:
            samples = 20 if quick else 60
            anyio.run(measure_heals, foreigner, indices, samples, backend, backend=backend)


def memory(*, quick: bool) -> None:
    counts = [COUNT] if quick else [COUNT, 1_000_000]
    for count in counts:
        for part in (held, looped):
            in_a_process(part, count)
    in_a_process(held_mixed, COUNT)


PARTS: Mapping[str, Callable[..., None]] = {
    "passes": passes,
    "changes": changes,
    "heals": heals,
    "memory": memory,
}


if __name__ == "__main__":
    sys.exit(run_parts(PARTS, "Measure what routes cost."))
