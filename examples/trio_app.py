"""A trio application that keeps sysctls for as long as it runs, and tells what each pass did.

    python examples/trio_app.py net.ipv4.ip_forward=1 net.ipv4.conf.all.rp_filter=1

Ctrl-C ends it. What it has set stays set.
"""

from __future__ import annotations

import argparse

import trio

from linx_async import DesiredStateError, Loop, sysctl


async def keep(desired: sysctl.Desired) -> None:
    """Run a loop beside what else the application does, until that is cancelled."""
    loop = Loop(sysctl.Source(), desired, interval=60)
    async with loop.reports() as reports, trio.open_nursery() as nursery:
        await nursery.start(loop.run)  # goes on after the first pass
        async for outcome in reports:
            print(outcome)


def pair(word: str) -> tuple[str, str]:
    """The two sides of KEY=VALUE."""
    key, equals, value = word.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"expected KEY=VALUE, got {word!r}")
    return key, value


def main() -> None:
    """Read the command line, and run."""
    parser = argparse.ArgumentParser(description="Keep sysctls, in a trio application.")
    parser.add_argument(
        "settings", metavar="KEY=VALUE", type=pair, nargs="+", help="net.ipv4.ip_forward=1"
    )
    try:
        desired = sysctl.Desired(dict(parser.parse_args().settings))
    except DesiredStateError as error:
        parser.error(str(error))
    try:
        trio.run(keep, desired)
    except* KeyboardInterrupt:  # within a group, where it came in the middle of a nursery
        print("stopped")


if __name__ == "__main__":
    main()
