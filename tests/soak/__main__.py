"""Random stories over the real kernel, one seed after the other, for as long as one likes."""

from __future__ import annotations

import argparse
import sys
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from random import SystemRandom
from typing import Any, Final

import pytest
from attrs import define, field
from hypothesis import HealthCheck, seed, settings
from hypothesis.stateful import run_state_machine_as_test

import linx_async
from linx_async.testing.namespaces import NamespaceUnavailable, unshare_this_process
from tests.kernel import (
    test_cgroup_stateful,
    test_netfilter_stateful,
    test_rtnl_stateful,
    test_sysctl_stateful,
)
from tests.loop_guard import LoopGuard

FAILED: Final = 1
SKIPPED: Final = 77
MOST_FAILURES: Final = 5

STORIES: Final[dict[str, Any]] = {
    "rtnl": test_rtnl_stateful.Story,
    "netfilter": test_netfilter_stateful.Story,
    "sysctl": test_sysctl_stateful.Story,
    "cgroup": test_cgroup_stateful.Scene,
}
BACKENDS: Final = ("asyncio", "trio")
PROGRESS: Final = 60.0
"""Seconds between two lines of progress."""
OF_A_SEED: Final = settings(
    max_examples=20,
    stateful_step_count=25,
    deadline=None,
    database=None,
    derandomize=False,
    report_multiple_bugs=False,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
GUARD: Final = LoopGuard(Path(linx_async.__file__).parent)


def main() -> int:
    options = parse()
    try:
        unshare_this_process()
        return soak(options)
    except NamespaceUnavailable as error:
        print(f"skipped: {error.reason}")
    except pytest.skip.Exception as reason:
        print(f"skipped: {reason}")
    return SKIPPED


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("seconds", nargs="?", type=float, default=600.0, help="default: 600")
    parser.add_argument("names", nargs="*", help=f"of {', '.join(STORIES)}; default: rtnl")
    parser.add_argument("--seed", type=int, help="tell the stories of this seed alone")
    parser.add_argument("--backend", choices=BACKENDS, help="default: both in turn")
    options = parser.parse_args()
    options.names = options.names or ["rtnl"]
    if not options.seconds > 0:
        parser.error(f"seconds: {options.seconds:g} is not above 0")
    if strangers := sorted(set(options.names) - set(STORIES)):
        parser.error(f"{', '.join(strangers)}: none of {', '.join(STORIES)}")
    return options


@define
class Tally:
    """What has been told so far, those stories among it that shorten one that failed."""

    stories: int = 0
    passes: int = 0
    failures: int = 0
    began: float = field(factory=time.monotonic)
    told: float = field(factory=time.monotonic)

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.began

    def count_story(self) -> None:
        self.stories += 1
        if time.monotonic() > self.told + PROGRESS:
            self.tell()

    def tell(self) -> None:
        self.told = time.monotonic()
        counts = f"{self.stories} stories, {self.passes} passes, {self.failures} failures"
        print(f"{self.seconds:.0f} s: {counts}", flush=True)


def soak(options: argparse.Namespace) -> int:
    """Tell stories until the time is up, or too many of them failed."""
    tally = Tally()
    stories = {(name, each): counted(name, each, tally) for name in STORIES for each in BACKENDS}
    for name, backend, number in rounds(options):
        if tally.seconds > options.seconds or tally.failures == MOST_FAILURES:
            break
        wrong = failure(stories[name, backend], number)
        if wrong:
            tally.failures += 1
            again = f"python -m tests.soak 1 {name} --backend {backend} --seed {number}"
            print(f"\n{wrong}\n\nagain: {again}\n", flush=True)
    tally.tell()
    return FAILED if tally.failures else 0


def rounds(options: argparse.Namespace) -> Iterator[tuple[str, str, int]]:
    """What to tell, on which backend, from which seed; for ever, if none was given."""
    numbers = SystemRandom()
    while True:
        for name in options.names:
            for backend in [options.backend] if options.backend else BACKENDS:
                number = numbers.getrandbits(32) if options.seed is None else options.seed
                yield name, backend, number
        if options.seed is not None:
            return


def counted(name: str, backend: str, tally: Tally) -> type[Any]:
    """The stories of a name, which count themselves and their passes."""
    machine = STORIES[name]

    class Counted(machine):  # type: ignore[misc, valid-type]
        def __init__(self) -> None:
            tally.count_story()
            super().__init__()

        def one_pass(self, **named: Any) -> Any:
            tally.passes += 1
            return super().one_pass(**named)

    return type("Story", (Counted,), {"backend": backend})


def failure(story: type[Any], number: int) -> str:
    """What went wrong with the stories of a seed, and the shortest that shows it; or nothing."""
    with GUARD.watching() as blocking:
        try:
            run_state_machine_as_test(seed(number)(story), settings=OF_A_SEED)
        except Exception as error:
            return "".join(traceback.format_exception(error))
    return "\n".join(f"on the event loop's thread: {call}" for call in blocking)


if __name__ == "__main__":
    sys.exit(main())
