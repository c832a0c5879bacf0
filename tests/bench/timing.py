"""Times taken by turns in one run, and the tables they are printed in."""

from __future__ import annotations

import argparse
import multiprocessing
import statistics
import time
from collections.abc import Awaitable, Callable, Mapping

from linx_async.testing.namespaces import NamespaceUnavailable, unshare_this_process

Seconds = Mapping[str, float]
Contender = Callable[[], Awaitable[float]]


def took(work: Callable[[], object]) -> Contender:
    """A contender that blocks, as nothing else runs beside it."""

    async def contend() -> float:
        began = time.perf_counter()
        work()
        return time.perf_counter() - began

    return contend


async def by_turns(rounds: int, contenders: Mapping[str, Contender]) -> Seconds:
    """The median of each: every round has all of them once."""
    found: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, contend in contenders.items():
            found[name].append(await contend())
    return {name: statistics.median(times) for name, times in found.items()}


def run_parts(parts: Mapping[str, Callable[..., None]], about: str) -> int:
    """Run the parts of a benchmark that the command line asks for; gives the exit code."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--quick", action="store_true", help="no millions, and fewer samples")
    parser.add_argument("--only", choices=parts, help="one part alone")
    options = parser.parse_args()
    try:
        unshare_this_process()
    except NamespaceUnavailable as error:
        print(f"skipped: {error.reason}")
        return 0
    for name, part in parts.items():
        if options.only in {None, name}:
            part(quick=options.quick)
    return 0


def in_a_process(work: Callable[[int], None], count: int) -> None:
    """Run it in a fresh process in our namespaces."""
    process = multiprocessing.get_context("spawn").Process(target=work, args=(count,))
    process.start()
    process.join()
    if process.exitcode:
        raise RuntimeError(f"{work.__name__} of {count:,} ended with {process.exitcode}")


def heading(text: str) -> None:
    print(f"\n{text}", flush=True)


def row(what: str, value: str, ratio: str = "", bound: str = "") -> None:
    print(f"  {what:<56} {value:>11}  {ratio:<46} {bound}".rstrip(), flush=True)


def in_time(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds >= 10 else f"{seconds * 1000:.2f} ms"


def at_most(value: float, bound: float, unit: str = "") -> str:
    return f"at most {bound:g}{unit}: {'ok' if value <= bound else 'MISSED'}"


def at_least(value: float, bound: float) -> str:
    return f"at least {bound:g}: {'ok' if value >= bound else 'MISSED'}"


def slower(times: Seconds, what: str, than: str, bound: float | None = None) -> None:
    """A row on how much longer one takes than the other."""
    ratio = times[what] / times[than]
    verdict = "" if bound is None else at_most(ratio, bound)
    row(what, in_time(times[what]), f"{ratio:.2f} x the limit", verdict)


def faster(times: Seconds, what: str, than: str, by: str, bound: float | None = None) -> None:
    """A row on how much less one takes than the other, which is called so."""
    ratio = times[than] / times[what]
    verdict = "" if bound is None else at_least(ratio, bound)
    told = f"{ratio:.2f} x as fast as {by} ({in_time(times[than])})"
    row(what, in_time(times[what]), told, verdict)
