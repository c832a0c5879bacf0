"""The commands that fit `linx` into a shell: its completion, and its manual page."""

from __future__ import annotations

import click

__all__ = ["completion", "man"]

SHELLS = ("bash", "zsh", "fish")
VARIABLE = "_LINX_COMPLETE"
"""By which a shell asks the program; click makes it of the program's name."""


_WHERE = """\b
Where it goes:
  bash  linx completion bash > /etc/bash_completion.d/linx  (bash 4.4)
  zsh   linx completion zsh > "${fpath[1]}/_linx"
  fish  linx completion fish > ~/.config/fish/completions/linx.fish

\b
Exit codes:
  0  written
  1  an error"""


@click.command(epilog=_WHERE)
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Write what makes a shell complete commands and options."""
    from click.shell_completion import ShellComplete, get_completion_class

    found = get_completion_class(shell)
    if found is None:
        raise click.ClickException(f"this version of click completes nothing in {shell}")
    source = found(context.find_root().command, {}, "linx", VARIABLE)
    # Not BashComplete's own, which asks the bash that is here for its version: there may be none.
    click.echo(ShellComplete.source(source))


@click.command(
    short_help="Write the manual page.", epilog="\b\nExit codes:\n  0  written\n  1  an error"
)
@click.pass_context
def man(context: click.Context) -> None:
    """Write the manual page, which says what the help of all commands says.

    To have `man linx` find it: linx man > /usr/local/share/man/man1/linx.1
    """
    from importlib import metadata  # late: it takes a while

    from .manual import manual_page

    root = context.find_root().command
    if not isinstance(root, click.Group):
        raise click.ClickException("it is a part of `linx` alone")
    try:
        version = metadata.version("linx-async")
    except metadata.PackageNotFoundError:
        version = ""
    click.echo(manual_page(root, "linx", version), nl=False)
