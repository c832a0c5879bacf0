"""What sysctls cost: a heal, a quiet pass over 1,000 keys, and a pass that sets them all.

Run it as `python tests/bench/bench_sysctl.py`; it makes throw-away namespaces for itself. With
`--check` a quiet pass that costs more than its bound is an error.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import anyio
import anyio.to_thread

from linx_async import Loop, sysctl
from linx_async.testing.links import add_veth
from linx_async.testing.namespaces import (
    Namespaces,
    NamespaceUnavailable,
    throwaway,
    unshare_this_process,
)

BACKENDS = ("asyncio", "trio")
KEYS = 1000
PAIRS = 12
ROUNDS = 40
SAMPLES = 60
HEAL_BOUND = 5.0  # milliseconds, on a quiet machine
QUIET_BOUND = 1.5  # times a plain read of the same files

HEALED = "net.ipv4.conf.lo.arp_filter"
SIDE_EFFECTS = frozenset(
    {"forwarding", "disable_ipv6", "mtu", "addr_gen_mode", "stable_secret", "force_forwarding"}
)

DISTURBER = """
import json, os, random, sys, time

path, samples = sys.argv[1], int(sys.argv[2])
latencies = []
for _ in range(samples):
    # Far enough apart that no heal counts as part of a fight, and is held back.
    time.sleep(random.uniform(0.06, 0.1))
    file = os.open(path, os.O_RDWR)
    began = time.monotonic_ns()
    os.write(file, b"2")
    while os.pread(file, 16, 0) != b"1\\n":
        pass
    latencies.append(time.monotonic_ns() - began)
    os.close(file)
print(json.dumps(latencies))
"""


def path_of(key: str) -> str:
    return "/proc/sys/" + key.replace(".", "/")


def milliseconds(seconds: Sequence[float]) -> float:
    return statistics.median(seconds) * 1000


def verdict(value: float, bound: float, unit: str) -> str:
    return f"bound {bound:g}{unit}: {'ok' if value <= bound else 'MISSED'}"


async def measure_heal(foreigner: Namespaces, samples: int, backend: str) -> None:
    """From another process's write to the restored value, as that process sees it."""
    loop = Loop(sysctl.Source(), {HEALED: 1}, interval=math.inf, debounce=0)
    command = [sys.executable, "-I", "-c", DISTURBER, path_of(HEALED), str(samples)]
    output = "[]"
    async with anyio.create_task_group() as tg:
        await tg.start(loop.run)
        done = await anyio.to_thread.run_sync(lambda: foreigner.run(command, timeout=120))
        output = done.stdout
        loop.stop()
    found = sorted(latency / 1e6 for latency in json.loads(output))
    median, p95 = statistics.median(found), found[int(len(found) * 0.95)]
    print(
        f"heal latency on {backend}: median {median:.2f} ms, 95 % within {p95:.2f} ms, "
        f"{len(found)} samples ({verdict(median, HEAL_BOUND, ' ms')})"
    )


def plain_reads(paths: Sequence[str]) -> float:
    began = time.perf_counter()
    for path in paths:
        file = os.open(path, os.O_RDONLY)
        os.read(file, 65536)
        os.close(file)
    return time.perf_counter() - began


def plain_writes(paths: Sequence[str], data: bytes) -> float:
    began = time.perf_counter()
    for path in paths:
        file = os.open(path, os.O_WRONLY)
        os.write(file, data)
        os.close(file)
    return time.perf_counter() - began


async def in_thread(function: Callable[..., float], *arguments: object) -> float:
    """Seconds a plain loop in a thread takes, with the way there and back."""
    began = time.perf_counter()
    await anyio.to_thread.run_sync(function, *arguments)
    return time.perf_counter() - began


async def measure_quiet(keys: Sequence[str], rounds: int, backend: str) -> float:
    """A pass over keys that are right, and plain reads of their files, by turns."""
    paths = list(map(path_of, keys))
    loop = Loop(sysctl.Source(), dict.fromkeys(keys, 0), interval=math.inf)
    plain, passes = [], []
    async with anyio.create_task_group() as tg:
        await tg.start(loop.run)
        await loop.reconcile()
        for _ in range(rounds):
            plain.append(await in_thread(plain_reads, paths))
            began = time.perf_counter()
            report = await loop.reconcile()
            passes.append(time.perf_counter() - began)
            assert report.converged
            assert not report.applied
        loop.stop()
    ratio = statistics.median(passes) / statistics.median(plain)
    print(
        f"quiet pass over {len(keys)} keys on {backend}: {milliseconds(passes):.1f} ms, "
        f"plain reads {milliseconds(plain):.1f} ms: ratio {ratio:.2f} "
        f"({verdict(ratio, QUIET_BOUND, '')})"
    )
    return ratio


async def measure_first(keys: Sequence[str], rounds: int, backend: str) -> None:
    """A first pass over keys that are all wrong, and plain writes of their files, by turns."""
    paths = list(map(path_of, keys))
    desired: Mapping[str, int] = dict.fromkeys(keys, 0)
    plain, passes = [], []
    for _ in range(rounds):
        plain.append(await in_thread(plain_writes, paths, b"1"))
        began = time.perf_counter()
        report = await sysctl.reconcile(desired)
        passes.append(time.perf_counter() - began)
        assert report.converged
        assert len(report.applied) == len(keys)
    ratio = statistics.median(passes) / statistics.median(plain)
    print(
        f"first pass that sets {len(keys)} keys on {backend}: {milliseconds(passes):.1f} ms, "
        f"plain writes {milliseconds(plain):.1f} ms: ratio {ratio:.2f} (no bound)"
    )


def flags(interface: str) -> list[str]:
    """The keys of an interface that can be 0 and 1, and change no other."""
    found = []
    for family in ("ipv4", "ipv6"):
        directory = Path("/proc/sys/net", family, "conf", interface)
        for name in sorted(entry.name for entry in directory.iterdir()):
            key = f"net.{family}.conf.{interface}.{name}"
            if name not in SIDE_EFFECTS and all(takes(path_of(key), text) for text in "10"):
                found.append(key)
    return found


def takes(path: str, text: str) -> bool:
    try:
        file = os.open(path, os.O_RDWR)
    except OSError:
        return False
    try:
        os.write(file, text.encode())
        return os.pread(file, 16, 0) == f"{text}\n".encode()
    except OSError:
        return False
    finally:
        os.close(file)


def main() -> int:
    parser = argparse.ArgumentParser(description="Measure what sysctls cost.")
    parser.add_argument("--check", action="store_true", help="fail where a quiet pass is too slow")
    parser.add_argument("--samples", type=int, default=SAMPLES, help="heals to measure")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="passes to measure")
    options = parser.parse_args()
    try:
        unshare_this_process()
    except NamespaceUnavailable as error:
        print(f"skipped: {error.reason}")
        return 0
    interfaces = [name for number in range(PAIRS) for name in (f"a{number}", f"b{number}")]
    for one, other in zip(interfaces[::2], interfaces[1::2], strict=True):
        add_veth(one, other)
    keys = [key for interface in interfaces for key in flags(interface)][:KEYS]
    assert len(keys) == KEYS, f"{len(keys)} keys are too few: more interfaces are needed"
    with throwaway() as foreigner:
        for backend in BACKENDS:
            anyio.run(measure_heal, foreigner, options.samples, backend, backend=backend)
    ratios = [
        anyio.run(measure_quiet, keys, options.rounds, backend, backend=backend)
        for backend in BACKENDS
    ]
    for backend in BACKENDS:
        anyio.run(measure_first, keys, max(options.rounds // 4, 1), backend, backend=backend)
    return int(options.check and max(ratios) > QUIET_BOUND)


if __name__ == "__main__":
    sys.exit(main())
