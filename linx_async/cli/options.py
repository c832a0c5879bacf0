"""The options that commands share."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import click

from .._core.errors import DesiredStateError
from .._core.pace import checked_seconds

if TYPE_CHECKING:
    from .metrics_place import MetricsPlace

__all__ = [
    "STANDARD_INPUT",
    "backend_option",
    "check_option",
    "confirm_option",
    "exit_codes",
    "file_argument",
    "json_option",
    "metrics_option",
    "netns_option",
    "out_option",
    "path_of",
    "revert_option",
    "seconds_option",
    "state_option",
    "version_option",
]

Option: TypeAlias = Callable[[Callable[..., Any]], Callable[..., Any]]


STANDARD_INPUT: Final = "/dev/stdin"


def path_of(file: str) -> str:
    """The path of a FILE, which may be - for standard input."""
    return STANDARD_INPUT if file == "-" else file


def exit_codes(converged: str, otherwise: str) -> str:
    """What the help says of them."""
    return f"\b\nExit codes:\n  0  {converged}\n  2  {otherwise}\n  1  an error"


def _seconds(
    context: click.Context,
    parameter: click.Parameter,
    value: float | None,
    *,
    zero: bool,
    endless: bool,
) -> float | None:
    if value is None:
        return None
    try:
        return checked_seconds(parameter.human_readable_name, value, zero=zero, endless=endless)
    except DesiredStateError as error:
        raise click.BadParameter(str(error).partition(": ")[2], context, parameter) from None


class _Seconds(click.FloatRange):
    name = "number of seconds"


def _command(context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    """A shell command; none is no check that says yes, as a variable that is not set would."""
    if value is not None and not value.strip():
        raise click.BadParameter("expected a command, got none", context, parameter)
    return value


def _backend(context: click.Context, parameter: click.Parameter, value: str) -> str:
    if value == "trio" and importlib.util.find_spec("trio") is None:
        text = "trio is not installed: pip install 'linx-async[trio]'"
        raise click.BadParameter(text, context, parameter)
    return value


def _metrics(
    context: click.Context, parameter: click.Parameter, value: str | None
) -> MetricsPlace | None:
    if value is None:
        return None
    from .metrics_place import MetricsError, MetricsPlace  # late: few need it

    if importlib.util.find_spec("prometheus_client") is None:
        text = "prometheus-client is not installed: pip install 'linx-async[prometheus]'"
        raise click.BadParameter(text, context, parameter)
    try:
        return MetricsPlace.parse(value)
    except MetricsError as error:
        raise click.BadParameter(str(error), context, parameter) from None


def _show_version(context: click.Context, _parameter: click.Parameter, asked: bool) -> None:
    if not asked:
        return
    from importlib import metadata  # late: it takes a while

    try:
        version = metadata.version("linx-async")
    except metadata.PackageNotFoundError:
        version = "(a source tree that is not installed)"
    click.echo(f"linx {version}")
    context.exit()


def seconds_option(
    name: str, default: float | None, *, zero: bool, endless: bool, help: str
) -> Option:
    """An option that takes a time; without a default, it is None where it was not given."""
    return click.option(
        name,
        metavar="SECONDS",
        type=float,
        default=default,
        show_default=default is not None,
        callback=partial(_seconds, zero=zero, endless=endless),
        help=help,
    )


file_argument: Option = click.argument(
    "file",
    metavar="FILE",
    type=click.Path(readable=False),  # whoever reads it tells why it cannot be read
)
json_option: Option = click.option(
    "--json", "as_json", is_flag=True, help="Write JSON instead of text."
)
metrics_option: Option = click.option(
    "--metrics",
    metavar="ADDR",
    callback=_metrics,
    help="Serve metrics for Prometheus at http://ADDR/metrics, to everybody who can connect: "
    "127.0.0.1:9100, [::1]:9100, or :9100 for the former. The port 0 is any that is free.",
)
netns_option: Option = click.option(
    "--netns",
    metavar="NAME|PATH|PID",
    help="Another network namespace than that of this process: a name of ip-netns(8), a path, or "
    "the pid of a process in it.",
)
out_option: Option = click.option(
    "--out",
    metavar="PLAN",
    type=click.Path(dir_okay=False),
    help="Write the plan to a file too, which `linx apply PLAN` does as long as nothing has moved.",
)
confirm_option: Option = click.option(
    "--confirm",
    metavar="SECONDS",
    type=_Seconds(min=0, max=86400, min_open=True),
    help="Roll it back unless `linx confirm` comes within that time, counted from before the first "
    "change.",
)
check_option: Option = click.option(
    "--check",
    metavar="CMD",
    callback=_command,
    help="Run a shell command afterwards: where it ends with 0, all is kept, else rolled back at "
    "once. It has the time that --confirm gives; without that, 60 seconds.",
)
revert_option: Option = click.option(
    "--revert-on-release/--no-revert-on-release",
    default=None,
    help="Whether to give what has left FILE its value from before linx came back, or to leave it "
    "as it is.  [default: as FILE says, else not]",
)
state_option: Option = click.option(
    "--state-dir",
    metavar="DIR",
    type=click.Path(file_okay=False),
    help="Where the records of what linx has set are kept.  [default: /run/linx-async, or the "
    "user's runtime directory]",
)
backend_option: Option = click.option(
    "--backend",
    type=click.Choice(["asyncio", "trio"]),
    default="asyncio",
    show_default=True,
    callback=_backend,
    help="The event loop.",
)
version_option: Option = click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_show_version,
    help="Show the version and exit.",
)
