"""The command `monitor`: what it takes, and how it ends."""

from __future__ import annotations

import anyio
import click

from .._core.errors import LinxError
from .options import backend_option, json_option, path_of, seconds_option

__all__ = ["monitor"]

_EPILOG = """\b
WHAT is one of:
  rtnl             links, addresses, routes, rules, neighbours and nexthops;
                   link, address, route, rule, neighbour, nexthop: one kind of them
  netfilter        nf_tables: each change, with the generation, the pid and the program
  sysctl:KEY       a sysctl, or all below a prefix, as in sysctl:net.ipv4.conf.eth0
  cgroup:PATH      a cgroup: its limits and events, its end and return, its children
  sysctl, cgroup   those that FILE has

\b
Exit codes:
  0  ended by SIGINT, by SIGTERM, by --for or by --count
  2  the time of --for was over before there were as many events as --count says
  1  an error, or nobody reads what is written any more"""


@click.command(epilog=_EPILOG)
@click.argument("words", metavar="[WHAT]...", nargs=-1)
@click.option(
    "--file",
    metavar="FILE",
    type=click.Path(),
    help="Listen to what a file of desired state is about: its sysctls, its cgroups, and the "
    "network namespaces that it has. It may be - for standard input.",
)
@click.option(
    "--netns",
    metavar="NAME|PATH|PID",
    help="The network namespace, as ip-netns(8) calls it, by its path, or as a process's.  "
    "[default: this one]",
)
@click.option(
    "--count", metavar="N", type=click.IntRange(1), help="End when so many events were told."
)
@seconds_option(
    "--for", None, zero=False, endless=True, help="End after that time, from when it listens."
)
@backend_option
@json_option
def monitor(
    words: tuple[str, ...],
    file: str | None,
    netns: str | None,
    count: int | None,
    backend: str,
    as_json: bool,
    **options: float | None,
) -> int:
    """Tell what happens to links, routes, firewalls, sysctls and cgroups, as the kernel tells it.

    It needs no `linx run` and changes nothing. Where nothing is named, it listens to rtnl and to
    netfilter in this network namespace, and with --file to the sysctls and cgroups of FILE too;
    without a file, sysctls and cgroups have to be named. netfilter takes CAP_NET_ADMIN: where it
    was not named and may not be listened to, that is told and the rest goes on.
    """
    from .monitor import Monitor
    from .monitor_wanted import Wanted, sources_of
    from .where import netns_of

    if file is not None and netns is not None:
        raise click.UsageError("a file says itself which namespaces it has: give --file or --netns")
    try:
        wanted = Wanted.of(words, has_file=file is not None)
        config = None
        if file is not None:
            from ..config import load

            config = load(path_of(file))
        there = None if netns is None else netns_of(netns)
        sources = sources_of(wanted, there, config)
        made = Monitor(sources, as_json, count, options["for"])
        return anyio.run(made.run, backend=backend)
    except LinxError as error:
        if as_json:
            from .output import show_json
            from .show import errors_json
            from .telling import stamp

            head = {"time": stamp(), "event": "error", "part": None}
            show_json({**head, "errors": errors_json(file or "", error), "text": str(error)})
        raise
