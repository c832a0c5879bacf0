"""The commands that are about a running `linx run`: ask it, tell it, and have systemd run it."""

from __future__ import annotations

import click

from .options import backend_option, exit_codes, json_option, state_option

__all__ = ["install_unit", "pause", "reconcile", "resume", "status", "watch"]

_PARTS = click.argument("parts", metavar="[PART]...", nargs=-1)
_CODES = "\b\nExit codes:\n  0  done\n  1  an error: no `linx run` is running, it has no such part"


def _ask(do: str, parts: tuple[str, ...], state_dir: str | None, as_json: bool) -> int:
    from .ask import tell
    from .requests import Request

    return tell(state_dir, Request(do, parts), as_json=as_json)


@click.command(epilog=exit_codes("every part is converged", "some are not (yet)"))
@_PARTS
@state_option
@json_option
def status(parts: tuple[str, ...], state_dir: str | None, as_json: bool) -> int:
    """Say how the parts fare that `linx run` keeps.

    Of each: its state, its last pass, what is waiting, conflicts or failed, what is due while it is
    paused, how often its loop was restarted. PART is a name as it is told here, or how names begin:
    cgroup is all cgroups.
    """
    return _ask("status", parts, state_dir, as_json)


@click.command(short_help="Have `linx run` apply nothing, and tell what is due.", epilog=_CODES)
@_PARTS
@state_option
@json_option
def pause(parts: tuple[str, ...], state_dir: str | None, as_json: bool) -> int:
    """Have `linx run` look only: it tells what is due, and applies nothing until `linx resume`.

    Once this command is done, no pass is under way that could apply anything. Without PART all
    parts are paused, and those that a reload brings.
    """
    return _ask("pause", parts, state_dir, as_json)


@click.command(epilog=_CODES)
@_PARTS
@state_option
@json_option
def resume(parts: tuple[str, ...], state_dir: str | None, as_json: bool) -> int:
    """Have `linx run` apply again what is due, after `linx pause`."""
    return _ask("resume", parts, state_dir, as_json)


@click.command(
    short_help="Have `linx run` make a pass now, and say what came of it.",
    epilog=exit_codes("every part is converged", "some are not (yet)"),
)
@_PARTS
@state_option
@json_option
def reconcile(parts: tuple[str, ...], state_dir: str | None, as_json: bool) -> int:
    """Have `linx run` make a pass now, and say what came of it; also where it is paused."""
    return _ask("reconcile", parts, state_dir, as_json)


@click.command(
    short_help="Show, live, how the parts fare that `linx run` keeps.",
    epilog=exit_codes("in the end every part is converged", "some are not (yet)")
    + ": no `linx run` is running, or it has ended",
)
@_PARTS
@click.option("--plain", is_flag=True, help="Write a line for each change of state, and no table.")
@backend_option
@state_option
@json_option
def watch(
    parts: tuple[str, ...], plain: bool, backend: str, state_dir: str | None, as_json: bool
) -> int:
    """Show, live, how the parts fare that `linx run` keeps, until q or Ctrl-C.

    Of each: its state, when its last pass was, why and how long that took, how much drift was
    healed, how much waits, conflicts or failed, and how long a change took to be looked into: the
    last one, and about the median. Below it is what is wrong, and what happened last. PART is a
    name as it is told here, or how names begin: cgroup is all cgroups.

    Where standard output is no terminal, each change of state is a line. Where `linx run` ends, it
    is waited for.
    """
    from .watch import watch as show

    return show(state_dir, parts, plain=plain, as_json=as_json, backend=backend)


@click.command(
    "install-unit",
    short_help="Write a hardened systemd unit for `linx run FILE`.",
    epilog="\b\nExit codes:\n  0  done\n  1  an error",
)
@click.argument("file", metavar="[FILE]", type=click.Path(), default="/etc/linx/host.toml")
@click.option("--print", "print_only", is_flag=True, help="Write it to standard output instead.")
@click.option(
    "--name", metavar="NAME.service", default="linx.service", show_default=True, help="Its name."
)
@click.option(
    "--directory",
    metavar="DIR",
    type=click.Path(file_okay=False),
    default="/etc/systemd/system",
    show_default=True,
    help="Where to write it.",
)
@click.option("--force", is_flag=True, help="Write over another one of that name.")
@json_option
def install_unit(
    file: str, print_only: bool, name: str, directory: str, force: bool, as_json: bool
) -> int:
    """Write a hardened systemd unit that runs `linx run FILE`, with this very program.

    It is not enabled and not started: systemctl does that. FILE is /etc/linx/host.toml where none
    is named. The unit says what it leaves open, and why.
    """
    from .install import install

    return install(file, None if print_only else directory, name, force=force, as_json=as_json)
