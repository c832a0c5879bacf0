"""The command that writes the JSON Schema of the file."""

from __future__ import annotations

import click

__all__ = ["schema"]


@click.command(
    short_help="Write the JSON Schema of FILE, for editors.",
    epilog="\b\nExit codes:\n  0  written\n  1  an error",
)
@click.option("--json", is_flag=True, help="Write JSON: it is, in any case.")
@click.option("--path", "as_path", is_flag=True, help="Write the name of the file that it is in.")
def schema(json: bool, as_path: bool) -> None:
    """Write the JSON Schema of FILE, from which editors complete it and mark mistakes.

    A first line like "#:schema ./linx.schema.json" leads editors to it (taplo, Even Better TOML),
    once it was written there: linx schema > linx.schema.json
    """
    from importlib import resources  # late: it takes a while

    file = resources.files("linx_async.config").joinpath("schema.json")
    click.echo(file if as_path else file.read_text(encoding="utf-8"), nl=as_path)
