"""What tables cost: loads, quiet passes and changes of many rules and elements, and memory.

Run it as `python tests/bench/bench_netfilter.py`; it moves into namespaces of its own first. With
`--quick` it leaves out the million, and takes fewer samples.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping

import anyio

from tests.bench.netfilter_edits import ELEMENT_BOUND, measure_edits, measure_one_more
from tests.bench.netfilter_loads import measure_load
from tests.bench.netfilter_many import measure_many
from tests.bench.netfilter_memory import held_elements, held_rules
from tests.bench.netfilter_passes import measure_quiet
from tests.bench.netfilter_tables import hashed, ranges, ruled, rules
from tests.bench.netfilter_wire import Plain
from tests.bench.timing import in_a_process, run_parts

BACKENDS = ("asyncio", "trio")
KINDS = (hashed, ranges)
RULES, ELEMENTS, MANY = 10_000, 100_000, 1_000_000


def loads(*, quick: bool) -> None:
    rounds = 3 if quick else 5
    anyio.run(measure_load, f"{RULES:,} rules", rules(RULES), ruled(range(RULES)), rounds)
    for kind in KINDS:
        table = kind.table(kind.elements(ELEMENTS))
        what = f"{ELEMENTS:,} elements ({kind.name})"
        anyio.run(measure_load, what, table, kind.text(ELEMENTS), rounds)


def passes(*, quick: bool) -> None:
    rounds = 3 if quick else 7
    for backend in BACKENDS:
        what = f"{RULES:,} rules, on {backend}"
        anyio.run(measure_quiet, what, rules(RULES), Plain.rules, rounds, backend=backend)
        for kind in KINDS if backend == BACKENDS[0] else KINDS[:1]:
            table = kind.table(kind.elements(ELEMENTS))
            what = f"{ELEMENTS:,} elements ({kind.name}), on {backend}"
            anyio.run(measure_quiet, what, table, Plain.elements, rounds, backend=backend)


def changes(*, quick: bool) -> None:
    rounds = 3 if quick else 5
    for kind in KINDS:
        anyio.run(measure_one_more, kind, ELEMENTS, rounds, ELEMENT_BOUND)
    anyio.run(measure_edits, RULES, 3 if quick else 5)


def million(*, quick: bool) -> None:
    if not quick:
        anyio.run(measure_many, hashed, MANY)


def memory(*, quick: bool) -> None:
    in_a_process(held_rules, RULES)
    in_a_process(held_elements, ELEMENTS)


PARTS: Mapping[str, Callable[..., None]] = {
    "loads": loads,
    "passes": passes,
    "changes": changes,
    "million": million,
    "memory": memory,
}


if __name__ == "__main__":
    sys.exit(run_parts(PARTS, "Measure what tables cost."))
