"""The options that commands share."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from functools import partial
from typing import Any, TypeAlias

import click

from .._core.errors import DesiredStateError
from .._core.pace import checked_seconds

__all__ = [
    "backend_option",
    "exit_codes",
    "file_argument",
    "json_option",
    "revert_option",
    "seconds_option",
    "state_option",
    "version_option",
]

Option: TypeAlias = Callable[[Callable[..., Any]], Callable[..., Any]]


def exit_codes(converged: str, otherwise: str) -> str:
    """What the help says of them."""
    return f"\b\nExit codes:\n  0  {converged}\n  2  {otherwise}\n  1  an error"


def _seconds(
    context: click.Context, parameter: click.Parameter, value: float, *, zero: bool, endless: bool
) -> float:
    try:
        return checked_seconds(parameter.human_readable_name, value, zero=zero, endless=endless)
    except DesiredStateError as error:
        raise click.BadParameter(str(error).partition(": ")[2], context, parameter) from None


def _backend(context: click.Context, parameter: click.Parameter, value: str) -> str:
    if value == "trio" and importlib.util.find_spec("trio") is None:
        raise click.BadParameter("trio is not installed: pip install trio", context, parameter)
    return value


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


def seconds_option(name: str, default: float, *, zero: bool, endless: bool, help: str) -> Option:
    """An option that takes a time."""
    return click.option(
        name,
        metavar="SECONDS",
        type=float,
        default=default,
        show_default=True,
        callback=partial(_seconds, zero=zero, endless=endless),
        help=help,
    )


file_argument: Option = click.argument("file", metavar="FILE", type=click.Path())
json_option: Option = click.option(
    "--json", "as_json", is_flag=True, help="Write JSON instead of text."
)
revert_option: Option = click.option(
    "--revert-on-release",
    is_flag=True,
    help="Give what has left FILE its value from before linx came back; else it is left as it is.",
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
