"""The commands and their options."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import anyio
import click

from .._core.errors import LinxError
from .entry import CONVERGED
from .looking import doctor, import_, show
from .monitor_command import monitor
from .options import (
    backend_option,
    check_option,
    confirm_option,
    exit_codes,
    file_argument,
    json_option,
    metrics_option,
    out_option,
    path_of,
    revert_option,
    seconds_option,
    state_option,
    version_option,
)
from .output import show_json
from .running_commands import install_unit, pause, reconcile, resume, status, watch
from .schema import schema
from .shells import completion, man

if TYPE_CHECKING:
    from .metrics_place import MetricsPlace

__all__ = ["linx"]


class _InOrder(click.Group):
    """Lists the commands in the order of their use."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)


@click.group(
    cls=_InOrder, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 96}
)
@version_option
def linx() -> None:
    """Keep the Linux kernel at the state that a file describes.

    FILE is TOML: a [sysctl] table, a [cgroup."path"] table for each cgroup, an [rtnl] table for
    links, addresses, routes, rules, neighbours and nexthops, and a [netfilter] table for firewalls;
    [netns.NAME.rtnl] and so on for other network namespaces, and [options]. It may be a directory
    of such files too. It is checked before anything is done. linx undoes only what it did itself.
    """


@linx.command(
    epilog=exit_codes("nothing to do", "changes are due, or something cannot be done (yet)")
)
@file_argument
@out_option
@revert_option
@state_option
@backend_option
@json_option
def plan(
    file: str,
    out: str | None,
    revert_on_release: bool | None,
    state_dir: str | None,
    backend: str,
    as_json: bool,
) -> int:
    """Say what would be done, and why; change nothing.

    FILE may be - for standard input.
    """
    from .one_pass import one_pass
    from .show import PLAN

    return one_pass(
        PLAN, file, revert_on_release, state_dir, as_json=as_json, backend=backend, out=out
    )


@linx.command(
    short_help="Make the kernel what FILE says, in one pass.",
    epilog=exit_codes("the kernel has what FILE says", "it does not (yet)")
    + "\n  3  it was rolled back",
)
@file_argument
@confirm_option
@check_option
@revert_option
@state_option
@backend_option
@json_option
def apply(
    file: str,
    confirm: float | None,
    check: str | None,
    revert_on_release: bool | None,
    state_dir: str | None,
    backend: str,
    as_json: bool,
) -> int:
    """Make the kernel what FILE says: one pass over each of its tables.

    All is tried, whatever fails. What FILE does not say any more is let go where linx has set it,
    and deleted where linx has made it. FILE may be - for standard input, or what `linx plan --out`
    has written: then nothing is done unless all is as it was then.
    """
    from .one_pass import one_pass
    from .show import APPLY

    return one_pass(
        APPLY,
        file,
        revert_on_release,
        state_dir,
        as_json=as_json,
        backend=backend,
        confirm=confirm,
        check=check,
    )


@linx.command(epilog="\b\nExit codes:\n  0  ended by SIGINT or SIGTERM\n  1  an error")
@file_argument
@seconds_option(
    "--interval",
    None,
    zero=False,
    endless=True,
    help="How often to look at everything, whether the kernel told of changes or not; inf for "
    "never.  [default: as FILE says, else 5]",
)
@seconds_option(
    "--debounce",
    None,
    zero=True,
    endless=False,
    help="How long to gather changes before looking at them.  [default: as FILE says, else 0.1]",
)
@click.option(
    "--monitor/--no-monitor",
    default=None,
    help="Whether to listen to what the kernel tells of changes.  [default: as FILE says, else "
    "monitor]",
)
@metrics_option
@revert_option
@state_option
@backend_option
@json_option
def run(
    file: str,
    interval: float | None,
    debounce: float | None,
    monitor: bool | None,
    metrics: MetricsPlace | None,
    revert_on_release: bool | None,
    state_dir: str | None,
    backend: str,
    as_json: bool,
) -> int:
    """Keep the kernel at what FILE says, in the foreground.

    Writes a line for each thing that happens, and none while all is well. SIGINT and SIGTERM end
    it, a second one at once. SIGHUP has it read FILE anew. FILE may be - for standard input.
    """
    from ..config import load
    from .beside import refuse_beside_others
    from .descriptors import raise_descriptor_limit
    from .place import ControlPlace
    from .run import Pacing, Runner, stamp
    from .state import HostStore

    raise_descriptor_limit()
    pacing = Pacing(interval, debounce, monitor)
    try:
        read = partial(load, path_of(file))
        store, place = HostStore(state_dir), ControlPlace.below(state_dir)
        refuse_beside_others(store.directory)
        runner = Runner(read(), read, store, place, pacing, revert_on_release, as_json, metrics)
        anyio.run(runner.run, backend=backend)
    except LinxError as error:
        if as_json:
            from .show import errors_json

            head = {"time": stamp(), "event": "error", "part": None}
            show_json({**head, "errors": errors_json(file, error), "text": str(error)})
        raise
    return CONVERGED


@linx.command(
    epilog="\b\nExit codes:\n  0  kept; rolled back as it was; with --status: nothing waits\n"
    "  2  not all could be restored; with --status: one waits\n  1  an error: nothing waits"
)
@click.option("--rollback", "word", flag_value="rollback", help="Undo it now, and wait for that.")
@click.option("--status", "word", flag_value="status", help="Say what waits, or what came of it.")
@state_option
@json_option
def confirm(word: str | None, state_dir: str | None, as_json: bool) -> int:
    """Keep what `linx apply --confirm` has applied."""
    from .confirming import confirm
    from .state import HostStore

    return confirm(HostStore(state_dir).directory, word or "confirm", as_json=as_json)


@linx.command(
    short_help="Show it at work, in namespaces that are gone afterwards.",
    epilog=exit_codes("all was healed", "something was not healed in time"),
)
@click.option(
    "--rounds",
    metavar="NUMBER",
    type=click.IntRange(1, 1000),
    default=3,
    show_default=True,
    help="How often each thing is broken.",
)
@seconds_option(
    "--pause",
    0.1,
    zero=True,
    endless=False,
    help="How long to wait between two breaks, so that you can follow.",
)
@click.option("--plain", is_flag=True, help="Write lines in a terminal too, and no live table.")
@backend_option
@json_option
def demo(rounds: int, pause: float, plain: bool, backend: str, as_json: bool) -> int:
    """Show it at work: values, links and a firewall are made, broken by another process, and heal.

    It takes no root and changes nothing on this machine: all of it happens in namespaces of its
    own, which are gone at the end.
    """
    from .demo.outside import perform

    return perform(backend, rounds, pause, as_json=as_json, plain=plain)


linx.add_command(status)
linx.add_command(watch)
linx.add_command(pause)
linx.add_command(resume)
linx.add_command(reconcile)
linx.add_command(install_unit)
linx.add_command(monitor)
linx.add_command(show)
linx.add_command(import_)
linx.add_command(doctor)
linx.add_command(schema)
linx.add_command(completion)
linx.add_command(man)
