"""The manual page of the command, made of what its help says."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from inspect import cleandoc

import click

__all__ = ["manual_page"]

_AS_IT_IS = "\b"
"""What click has before a paragraph that is not to be filled."""


def manual_page(command: click.Group, name: str, version: str) -> str:
    """The page in the language of man(7).

    Args:
        command: The command with all commands below it.
        name: What it is called.
        version: Of which version it is.
    """
    first, *rest = _paragraphs(command.help)
    lines = [
        f'.TH {name.upper()} 1 "" "linx-async {_said(version)}"',
        ".SH NAME",
        rf"{name} \- {_said(' '.join(first).rstrip('.'))}",
        ".SH SYNOPSIS",
        rf".B {name}",
        r"[\fIOPTIONS\fR] \fICOMMAND\fR [\fIARGUMENTS\fR]",
        ".SH DESCRIPTION",
        *_text(rest),
        ".SH OPTIONS",
        *_options(command, name),
        ".SH COMMANDS",
    ]
    for path, each in _below(command, name):
        lines += _described(each, path)
    return "\n".join(lines) + "\n"


def _below(command: click.Group, path: str) -> Iterator[tuple[str, click.Command]]:
    """The commands of a group, and those of groups in it, with what they are called."""
    context = click.Context(command, info_name=path)
    for name in command.list_commands(context):
        each = command.get_command(context, name)
        if each is None or each.hidden:
            continue
        yield f"{path} {name}", each
        if isinstance(each, click.Group):
            yield from _below(each, f"{path} {name}")


def _described(command: click.Command, path: str) -> Iterator[str]:
    context = click.Context(command, info_name=path)
    usage = " ".join(command.collect_usage_pieces(context))
    yield f".SS {_said(path)} {_said(usage)}"
    yield from _text(_paragraphs(command.help))
    yield from _options(command, path)
    yield from _text(_paragraphs(command.epilog))


def _options(command: click.Command, path: str) -> Iterator[str]:
    context = click.Context(command, info_name=path)
    for parameter in command.get_params(context):
        record = parameter.get_help_record(context)
        if record is not None and record[1]:
            yield ".TP"
            yield rf"\fB{_said(record[0])}\fR"
            yield _said(record[1])


def _paragraphs(text: str | None) -> list[list[str]]:
    blocks = re.split(r"\n[ \t]*\n", cleandoc(text or "").strip())
    return [block.splitlines() for block in blocks if block.strip()]


def _text(paragraphs: Iterable[list[str]]) -> Iterator[str]:
    for lines in paragraphs:
        yield ".PP"
        if lines[0].strip() == _AS_IT_IS:
            yield ".nf"
            yield from map(_said, lines[1:])
            yield ".fi"
        else:
            yield _said(" ".join(line.strip() for line in lines))


def _said(text: str) -> str:
    """Text that troff takes as it is: groff_char(7), man(7)."""
    plain = text.replace("\\", r"\e").replace("-", r"\-").replace("'", r"\(aq")
    return rf"\&{plain}" if plain.startswith((".", "'")) else plain
