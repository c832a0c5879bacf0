"""The commands and their options."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio
import click

from .._core.errors import LinxError
from .entry import CHANGES, CONVERGED, ERROR
from .options import (
    backend_option,
    exit_codes,
    file_argument,
    json_option,
    revert_option,
    seconds_option,
    state_option,
    version_option,
)
from .output import complain, show_json

if TYPE_CHECKING:
    from .show import Words

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
    links, addresses, routes, rules, neighbours and nexthops, and a [netfilter] table for firewalls.
    It is checked before anything is done. linx undoes only what it did itself.
    """


@linx.command(
    epilog=exit_codes("nothing to do", "changes are due, or something cannot be done (yet)")
)
@file_argument
@revert_option
@state_option
@json_option
def plan(file: str, revert_on_release: bool, state_dir: str | None, as_json: bool) -> int:
    """Say what would be done, and why; change nothing.

    FILE may be - for standard input.
    """
    from .show import PLAN

    return _pass(PLAN, file, revert_on_release, state_dir, as_json)


@linx.command(epilog=exit_codes("the kernel has what FILE says", "it does not (yet)"))
@file_argument
@revert_option
@state_option
@json_option
def apply(file: str, revert_on_release: bool, state_dir: str | None, as_json: bool) -> int:
    """Make the kernel what FILE says: one pass over each of its tables.

    All is tried, whatever fails. What FILE does not say any more is let go where linx has set it,
    and deleted where linx has made it. FILE may be - for standard input.
    """
    from .show import APPLY

    return _pass(APPLY, file, revert_on_release, state_dir, as_json)


@linx.command(epilog="\b\nExit codes:\n  0  ended by SIGINT or SIGTERM\n  1  an error")
@file_argument
@seconds_option(
    "--interval",
    5.0,
    zero=False,
    endless=True,
    help="How often to look at everything, whether the kernel told of changes or not; inf for "
    "never.",
)
@seconds_option(
    "--debounce",
    0.1,
    zero=True,
    endless=False,
    help="How long to gather changes before looking at them.",
)
@click.option(
    "--monitor/--no-monitor",
    default=True,
    help="Whether to listen to what the kernel tells of changes.  [default: monitor]",
)
@revert_option
@state_option
@backend_option
@json_option
def run(
    file: str,
    interval: float,
    debounce: float,
    monitor: bool,
    revert_on_release: bool,
    state_dir: str | None,
    backend: str,
    as_json: bool,
) -> int:
    """Keep the kernel at what FILE says, in the foreground.

    Writes a line for each thing that happens, and none while all is well. SIGINT and SIGTERM end
    it, a second one at once. FILE may be - for standard input.
    """
    from ..config import load
    from .run import Pacing, Runner, raise_descriptor_limit, stamp
    from .state import HostStore

    raise_descriptor_limit()
    pacing = Pacing(interval, debounce, monitor)
    try:
        config = load(_path(file))
        runner = Runner(config, HostStore(state_dir), pacing, revert_on_release, as_json)
        anyio.run(runner.run, backend=backend)
    except LinxError as error:
        if as_json:
            head = {"time": stamp(), "event": "error", "part": None}
            show_json({**head, "errors": _errors_json(file, error), "text": str(error)})
        raise
    return CONVERGED


@linx.command(epilog=exit_codes("all was healed", "something was not healed in time"))
@click.option(
    "--rounds",
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


def _pass(
    words: Words, file: str, revert_on_release: bool, state_dir: str | None, as_json: bool
) -> int:
    """`plan` or `apply`, to the exit code."""
    from ..config import load
    from .passes import Passes
    from .show import results_json, show_results
    from .signals import until_signal
    from .state import HostStore

    try:
        passes = Passes(load(_path(file)), HostStore(state_dir), revert_on_release)
        came = anyio.run(until_signal, passes.apply if words.done else passes.plan)
    except LinxError as error:
        if as_json:
            errors = _errors_json(file, error)
            head = {"command": words.command, "file": file, "converged": False}
            show_json({**head, "parts": [], "errors": errors})
        raise
    if as_json:
        show_json(results_json(words, passes))
    else:
        show_results(words, passes)
    if came is not None:
        complain(f"interrupted by {came.name}: not every part had its turn")
        return 128 + came
    if passes.trouble or any(result.error for result in passes.results):
        return ERROR
    return CONVERGED if all(result.converged for result in passes.results) else CHANGES


def _errors_json(file: str, error: LinxError) -> list[dict[str, Any]]:
    from ..config import ConfigError, Problem
    from .show import problems_json

    problems = error.problems if isinstance(error, ConfigError) else [Problem(file, str(error))]
    return problems_json(problems)


def _path(file: str) -> str:
    return "/dev/stdin" if file == "-" else file
