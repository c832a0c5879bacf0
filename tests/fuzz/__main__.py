"""Feeds mutated dumps to every decoder: each has to read or refuse them, in bounds."""

from __future__ import annotations

import argparse
import faulthandler
import resource
import signal
import sys
import tempfile
import time
import traceback
import tracemalloc
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random, SystemRandom
from types import FrameType
from typing import Final

from linx_async._kernel.netlink import NetlinkDecodeError
from linx_async.testing.namespaces import NamespaceUnavailable, unshare_this_process
from tests.fuzz.mutations import mutated
from tests.fuzz.seeds import Seeds
from tests.fuzz.targets import TARGETS, Target, seeds_of

FAILED: Final = 1
SKIPPED: Final = 77
MOST_FAILURES: Final = 20

PATIENCE = 10.0
"""Seconds of processor time that one input may take before it is said to loop."""
MEMORY: Final = 512 * 2**20
"""Bytes that the process may grow by, all in all (RLIMIT_AS)."""
TRACED: Final = 32
"""One input of so many is traced."""
BASE, FACTOR = 2**20, 400
"""The most that one input may allocate: bytes, and bytes for each of its own."""

Failure = tuple[str, bytes]


class Looped(BaseException):
    """An input took too long; no `except Exception` may hide it."""


class Unbounded(Exception):
    """An input took more memory than its size accounts for."""


def main() -> int:
    options = parse()
    signal.signal(signal.SIGPROF, too_long)
    # Where Python itself does not come back, this tells where, and the signal ends it. (A thread
    # of faulthandler's would free memory while tracemalloc starts: now and then that crashes.)
    faulthandler.enable()
    faulthandler.register(signal.SIGVTALRM, chain=True)
    if options.replay:
        name, file = options.replay
        told = failure(TARGETS[name], Path(file).read_bytes(), traced=True)
        print(told or "read, or refused as it should be")
        return FAILED if told else 0
    try:
        # An ordinary user enters other namespaces only from a user namespace of his own.
        unshare_this_process()
        seeds = Seeds.of_this_kernel()
    except NamespaceUnavailable as error:
        print(f"skipped: there is nothing to start from: {error.reason}")
        return SKIPPED
    number = SystemRandom().getrandbits(32) if options.seed is None else options.seed
    print(
        f"{options.seconds:g} seconds, --seed {number}; from {len(seeds.datagrams)} datagrams and"
        f" {sum(map(len, seeds.payloads.values()))} messages of the kernel",
        flush=True,
    )
    limit_memory()
    return told_of(fuzz(seeds, Random(number), options.seconds))


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("seconds", nargs="?", type=float, default=180.0, help="default: 180")
    parser.add_argument("--seed", type=int, help="where chance starts; default: anywhere")
    parser.add_argument(
        "--replay",
        nargs=2,
        metavar=("TARGET", "FILE"),
        help=f"give one of {', '.join(TARGETS)} the bytes of a file",
    )
    options = parser.parse_args()
    if not options.seconds > 0:
        parser.error(f"seconds: {options.seconds:g} is not above 0")
    if options.replay and options.replay[0] not in TARGETS:
        parser.error(f"--replay: {options.replay[0]!r} is none of {', '.join(TARGETS)}")
    return options


def limit_memory() -> None:
    """What is allocated without bound is a MemoryError here, and not the machine's trouble."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (limit, resource.getrlimit(resource.RLIMIT_AS)[1]))


def fuzz(seeds: Seeds, random: Random, seconds: float) -> list[Failure]:
    """Feed each target in turn until the time is up; gives what went wrong."""
    failures: list[Failure] = []
    known: set[tuple[str, ...]] = set()
    inputs: Counter[str] = Counter()
    starts = {name: seeds_of(name, seeds, random) for name in TARGETS}
    for name, target in TARGETS.items():
        for seed in starts[name]:
            failure(target, seed, traced=False)  # what is imported and cached is no input's doing
    end = time.monotonic() + seconds
    while time.monotonic() < end and len(failures) < MOST_FAILURES:
        for name, target in TARGETS.items():
            signal.setitimer(signal.ITIMER_VIRTUAL, 3 * TRACED * PATIENCE)
            for count in range(TRACED):
                data = mutated(random, starts[name])
                inputs[name] += 1
                told = failure(target, data, traced=count == 0)
                # One of a kind is enough: the place at which it went wrong tells the kind.
                place = told.splitlines()[-4:-1]
                if told and (name, *place) not in known:
                    known.add((name, *place))
                    failures.append((f"{name}: {told}", data))
    signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    print(", ".join(f"{name} {count}" for name, count in inputs.items()))
    return failures


def failure(target: Target, data: bytes, *, traced: bool) -> str:
    """What went wrong with an input; empty where nothing did."""
    try:
        with in_time(), in_bounds(len(data)) if traced else unbounded():
            target(data)
    except NetlinkDecodeError:
        return ""
    except (Exception, Looped):
        return traceback.format_exc()
    return ""


@contextmanager
def in_time() -> Iterator[None]:
    signal.setitimer(signal.ITIMER_PROF, PATIENCE)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


@contextmanager
def unbounded() -> Iterator[None]:
    yield


@contextmanager
def in_bounds(size: int) -> Iterator[None]:
    tracemalloc.start()
    try:
        yield
    finally:
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    if peak > BASE + FACTOR * size:
        raise Unbounded(f"{peak} bytes for an input of {size}")


def too_long(_signal: int, _frame: FrameType | None) -> None:
    raise Looped(f"it took more than {PATIENCE:g} s")


def told_of(failures: list[Failure]) -> int:
    folder = Path(tempfile.mkdtemp(prefix="linx-fuzz-")) if failures else Path()
    for number, (what, data) in enumerate(failures):
        file = folder / str(number)
        file.write_bytes(data)
        name = what.split(":", 1)[0]
        print(f"\n{what}\nreplay: python -m tests.fuzz --replay {name} {file}")
    print(f"{len(failures)} kinds of failures")
    return FAILED if failures else 0


if __name__ == "__main__":
    sys.exit(main())
