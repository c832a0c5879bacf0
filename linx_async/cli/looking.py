"""The commands that look: `show`, `doctor`, and `import` of foreign files."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anyio
import click

from .._core.errors import LinxError
from .entry import CHANGES, CONVERGED
from .options import (
    backend_option,
    exit_codes,
    file_argument,
    json_option,
    netns_option,
    path_of,
    state_option,
)
from .output import complain, show_json

__all__ = ["doctor", "import_", "show"]

_WHOLE = exit_codes("all of it was written", "something was left out, as it says")


@click.command(epilog=_WHOLE)
@click.argument("names", metavar="[NAME]...", nargs=-1)
@click.option(
    "--as-config",
    is_flag=True,
    help="Write a TOML file. To apply it on this machine changes nothing: what would is left out, "
    "and told as a comment and on standard error.",
)
@click.option(
    "--ours/--all",
    default=False,
    help="Only what linx put there, or what others did too.  [default: all]",
)
@click.option(
    "--part",
    "parts",
    type=click.Choice(["sysctl", "cgroup", "rtnl", "netfilter"]),
    multiple=True,
    help="Only this subsystem; may be given several times.",
)
@netns_option
@click.option(
    "--protocol",
    metavar="TAG",
    type=click.IntRange(5, 255),
    help="The tag of what is ours in a network.  [default: that of the records, or 76]",
)
@state_option
@backend_option
@json_option
def show(
    names: tuple[str, ...],
    as_config: bool,
    ours: bool,
    parts: tuple[str, ...],
    netns: str | None,
    protocol: int | None,
    state_dir: str | None,
    backend: str,
    as_json: bool,
) -> int:
    """Show what the kernel has.

    NAME is an interface, a table of nf_tables (fw, or inet/fw), a sysctl or what sysctls begin with
    (net.ipv4.conf), or a cgroup; without names it is all links, addresses, routes, rules,
    neighbours, nexthops and tables, and of the sysctls and cgroups those that are ours. What the
    kernel makes by itself is not shown.
    """
    from .selection import Selection
    from .show_state import ShownState, kinds_of
    from .signals import until_signal
    from .state import HostStore
    from .where import netns_of

    def work() -> int:
        there = None if netns is None else netns_of(netns)
        selection = Selection(names, kinds_of(parts, there), ours, there)
        state = ShownState(selection, HostStore(state_dir), protocol)

        async def look() -> None:
            await state.look()
            if as_config:
                await state.settle()

        came = anyio.run(until_signal, look, backend=backend)
        if came is not None:
            complain(f"interrupted by {came.name}")
            return 128 + came
        if as_json:
            show_json({**state.to_json(as_config=as_config), "errors": []})
        elif as_config:
            click.echo(state.text(), nl=False, color=False)
            state.complain()
        else:
            state.show()
        return CONVERGED if state.is_whole else CHANGES

    empty = {"command": "show", "parts": [], "whole": False, "config": None}
    return _or_errors(work, empty, "", as_json)


@click.group("import")
def import_() -> None:
    """Make a file of desired state of files of sysctl.d or of nft.

    It is written to standard output. What cannot be imported is told on standard error, and in
    comments of the file, by file and line.
    """


@import_.command("sysctl", epilog=_WHOLE)
@click.argument("paths", metavar="[FILE|DIR]...", nargs=-1, type=click.Path(readable=False))
@click.option("--system", is_flag=True, help="Read what is applied at boot: see sysctl.d(5).")
@click.option(
    "--root",
    metavar="DIR",
    type=click.Path(file_okay=False, exists=True),
    default="/",
    help="Where --system finds the system's directories.  [default: /]",
)
@backend_option
@json_option
def import_sysctl(
    paths: tuple[str, ...], system: bool, root: str, backend: str, as_json: bool
) -> int:
    """Make a [sysctl] table of files and directories of sysctl.d(5).

    A file in an earlier DIR takes the place of one of the same name in a later DIR; all files of
    directories are read in the order of their names, and each FILE after them. Of several lines for
    one key the last counts. Wildcards stand for what there is now.
    """
    if not (paths or system):
        raise click.UsageError("name files or directories, or say --system")
    from .importing import import_sysctl, told

    what = ", ".join([*(["the system's sysctl.d"] if system else []), *paths])

    def work() -> int:
        found = import_sysctl(paths, system=system, root=root, backend=backend)
        return told(what, found, as_json=as_json)

    return _imported(work, what, as_json)


@import_.command("nft", epilog=_WHOLE)
@file_argument
@json_option
def import_nft(file: str, as_json: bool) -> int:
    """Make a [netfilter] table of a file in nft's syntax.

    The text stays as it is; what it includes is put in its place. FILE may be - for standard input.
    """
    from .importing import import_nft, told

    return _imported(lambda: told(file, import_nft(path_of(file)), as_json=as_json), file, as_json)


@click.command(
    short_help="Say what can be done on this machine, and who else is at it.",
    epilog=exit_codes("all is well", "something cannot be done here, or is to be set by others"),
)
@netns_option
@backend_option
@json_option
def doctor(netns: str | None, backend: str, as_json: bool) -> int:
    """Say what can be done on this machine, and who else manages it.

    The kernel is asked in ways that change nothing. Of others it is told what to set, so that they
    and linx leave each other alone. Of another network namespace it is told what can be done
    there, and who runs in it.
    """
    from .doctor import Examination
    from .signals import until_signal
    from .where import netns_of

    def work() -> int:
        made = Examination(None if netns is None else netns_of(netns))
        came = anyio.run(until_signal, made.make, backend=backend)
        if came is not None:
            complain(f"interrupted by {came.name}")
            return 128 + came
        if as_json:
            show_json({**made.to_json(), "errors": []})
        else:
            made.show()
        return CONVERGED if made.is_well else CHANGES

    empty = {"command": "doctor", "well": False, "findings": [], "others": []}
    return _or_errors(work, empty, "", as_json)


def _imported(work: Callable[[], int], what: str, as_json: bool) -> int:
    empty: dict[str, Any] = {"command": "import", "config": None, "problems": [], "notes": []}
    return _or_errors(work, empty, what, as_json)


def _or_errors(work: Callable[[], int], empty: dict[str, Any], file: str, as_json: bool) -> int:
    """Do it; where it cannot be done, that is told in JSON too."""
    try:
        return work()
    except LinxError as error:
        if as_json:
            from .show import errors_json

            show_json({**empty, "errors": errors_json(file, error)})
        raise
