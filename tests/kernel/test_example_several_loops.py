"""The example of several loops in one task group, on the network namespace `blue`."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest

from tests.kernel.example_program import example

OURS = "table inet router"


@pytest.fixture
def blue() -> Iterator[str]:
    subprocess.run(["ip", "netns", "add", "blue"], check=True)
    yield "blue"
    subprocess.run(["ip", "netns", "delete", "blue"], check=True)


def in_blue(*words: str) -> str:
    done = subprocess.run(
        ["ip", "netns", "exec", "blue", *words], check=True, capture_output=True, text=True
    )
    return done.stdout


@pytest.mark.parametrize(
    "options", [("--backend", "asyncio", "--supervise"), ("--backend", "trio")], ids=" ".join
)
def test_each_loop_heals_its_own_part(blue: str, options: tuple[str, ...]) -> None:
    with example("several_loops", *options, blue) as program:
        for _ in range(3):
            # The sysctls of lan0 may come before it, and wait; in the end all are applied.
            program.until(": converged; applied: ")
        in_blue("ip", "address", "flush", "dev", "lan0")
        program.until("network: converged; applied: add address 192.0.2.1/24 on lan0")
        in_blue("sysctl", "-q", "net.ipv4.ip_forward=0")
        program.until("sysctls: converged; applied: set net.ipv4.ip_forward = 1 (is 0)")
        in_blue("ip", "link", "delete", "lan0")
        program.until("network: converged; applied: add link lan0")
        code, rest = program.interrupt()
    assert (code, "Traceback" in rest) == (0, False)
    assert OURS in in_blue("nft", "list", "tables")
