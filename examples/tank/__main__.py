"""Containers whose network, sysctls, firewall and limits are kept as a file says.

    python -m examples.tank examples/tank/web.toml

It ends when all workloads have ended, or at Ctrl-C or SIGTERM: then it asks them to end, and at a
second one, or when they take too long, it kills them. Nothing of them is left. After a kill -9
the workloads are gone too, and the next tank removes what else there is.
"""

from __future__ import annotations

import argparse
import logging
import math
import re
import signal
import sys
from collections.abc import AsyncIterator, Iterable
from pathlib import Path

import anyio

from examples.tank.container import Container
from examples.tank.description import read
from examples.tank.life import leaves
from examples.tank.tank import Tank
from linx_async import FileStore, LinxError

CAP_SYS_ADMIN = 21  # linux/capability.h
NO_ROOT = """\
this takes root, if only in a user namespace, with a network of its own:
    unshare --user --map-root-user --net --mount python -m examples.tank …"""
SIGNALS = (signal.SIGINT, signal.SIGTERM)


async def run(containers: Iterable[Container], given: argparse.Namespace) -> int:
    """Run the containers; the exit code."""
    tank = Tank(containers, FileStore(given.records), given.cgroup)
    well = False
    with anyio.open_signal_receiver(*SIGNALS) as signals:
        async with anyio.create_task_group() as group:
            group.start_soon(obey, signals, tank, given.grace)
            well = await tank.run()
            group.cancel_scope.cancel()
    return 0 if well else 1


async def obey(signals: AsyncIterator[signal.Signals], tank: Tank, grace: float) -> None:
    """Stop at the first signal; kill at the second, or after the seconds of grace."""
    number = await anext(signals)
    logging.getLogger("examples.tank").info("%s: all are asked to end", number.name)
    tank.stop()
    with anyio.move_on_after(grace):
        await anext(signals)
    tank.kill()


def may_administrate() -> bool:
    """Whether this process has CAP_SYS_ADMIN (proc_pid_status(5))."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    (effective,) = re.findall(r"^CapEff:\s*(\w+)$", status, re.MULTILINE)
    return bool(int(effective, 16) >> CAP_SYS_ADMIN & 1)


def seconds(text: str) -> float:
    """An argument in seconds."""
    number = float(text)
    if not 0 <= number < math.inf:
        raise argparse.ArgumentTypeError(f"expected zero or more seconds, got {text}")
    return number


def main() -> int:
    """Read the command line, and run; the exit code."""
    what, _, more = (__doc__ or "").partition("\n")
    parser = argparse.ArgumentParser(
        prog="python -m examples.tank",
        description=what,
        epilog=more,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("files", metavar="FILE", nargs="+", type=Path, help="describes containers")
    parser.add_argument("--backend", choices=["asyncio", "trio"], default="asyncio")
    parser.add_argument(
        "--cgroup", metavar="PATH", default="tank", help="to make theirs in; default: tank"
    )
    parser.add_argument(
        "--records", metavar="DIR", help="for what is ours on the host; default: below /run"
    )
    parser.add_argument(
        "--grace", metavar="SECONDS", type=seconds, default=5.0, help="to end by itself; default: 5"
    )
    parser.add_argument("--debug", action="store_true", help="say more")
    given = parser.parse_args()
    level = logging.DEBUG if given.debug else logging.INFO
    logging.basicConfig(format="tank: %(message)s", level=logging.WARNING)
    logging.getLogger("examples.tank").setLevel(level)
    try:
        containers = [each for file in given.files for each in read(file)]
        if not may_administrate():
            raise LinxError(NO_ROOT)
        return anyio.run(run, containers, given, backend=given.backend)
    except LinxError as error:
        print(f"tank: {error}", file=sys.stderr)
    except ExceptionGroup as group:
        known, others = group.split(LinxError)
        if known is None or others is not None:
            raise
        for each in leaves(known):
            print(f"tank: {each}", file=sys.stderr)
    except KeyboardInterrupt:  # before or after it listens to signals
        return 128 + signal.SIGINT
    return 1


if __name__ == "__main__":
    sys.exit(main())
