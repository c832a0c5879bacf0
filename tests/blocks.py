"""The fenced blocks of the docs: what each has to be, by its language, and how it is run."""

from __future__ import annotations

import configparser
import contextlib
import json
import re
import shutil
import sys
import tempfile
import textwrap
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import pytest
from attrs import frozen
from sybil import Document, Example, Region

from linx_async.config import ConfigError, parse
from linx_async.testing.namespaces import Namespaces, NamespaceUnavailable, throwaway

__all__ = ["SKIP", "TIME_LIMIT", "Block", "BlockParser", "blocks_in", "leave", "mistakes_in"]

TIME_LIMIT: Final = 60.0  # seconds: a block that never ends is a failure, not a hang
SKIP: Final = re.compile(r"<!--\s*skip\b:?\s*(?P<reason>(?:(?!-->).)*?)\s*-->\s*\Z", re.DOTALL)
"""The comment right above a block that is not run."""
ELSEWHERE: Final = frozenset({"python"})
"""Run by a parser of their own."""
SHOWN: Final = frozenset({"text"})
"""Output, formulas, pictures: there is nothing to run."""

_FENCE: Final = re.compile(r"(?P<before>[ >]*)(?P<fence>`{3,}|~{3,})[ \t]*(?P<info>[^`]*?)[ \t]*")
_CODE_DIRECTIVE: Final = re.compile(r"\{(code|code-block|sourcecode|parsed-literal)\}")
_IN_RST: Final = re.compile(
    r"^\s*\.\. (code|code-block|sourcecode|parsed-literal)::|::$", re.MULTILINE
)
_NAMED: Final = re.compile(r"# (?P<name>[\w.-]+(?:/[\w.-]+)*\.\w+)\n")
"""The first line of a block that is a file, which commands after it find by that name."""

_PROTECT: Final = """
mount --bind "$1" "$1"
mount -t tmpfs tmpfs /etc/systemd/system 2>/dev/null || true
mount -o remount,bind,ro / 2>/dev/null || ! test -w /etc
"""
"""Leaves nothing of the machine's own to write to, but for this directory, /run and the units."""


@frozen
class Block:
    """One fenced block.

    Attributes:
        language: What stands behind the fence.
        text: What is in it.
        line: The line of the fence, from 1.
        start: Where the fence begins, in the text of the page.
        end: Where the closing one ends.
        reason: Why it is not run: what the comment above it says; None where there is none.
    """

    language: str
    text: str
    line: int
    start: int
    end: int
    reason: str | None

    @property
    def is_directive(self) -> bool:
        """Whether it is for Sphinx to read."""
        return self.language.startswith("{")


def blocks_in(page: str) -> Iterator[Block]:
    """The fenced blocks of a page in Markdown.

    Raises:
        ValueError: One is not closed.
    """
    opening: re.Match[str] | None = None
    began, first, position = 0, 0, 0
    for number, line in enumerate(page.splitlines(keepends=True), 1):
        found = _FENCE.fullmatch(line.rstrip("\n"))
        if opening is None:
            if found:
                opening, began, first = found, position, number
        elif found and not found["info"] and found["fence"].startswith(opening["fence"]):
            inside = page[began:position].partition("\n")[2]
            skip = SKIP.search(page, 0, began)
            yield Block(
                opening["info"],
                textwrap.dedent(inside),
                first,
                began,
                position + len(line.rstrip("\n")),
                None if skip is None else skip["reason"],
            )
            opening = None
        position += len(line)
    if opening is not None:
        raise ValueError(f"line {first}: a block that is not closed")


def mistakes_in(page: str) -> Iterator[str]:
    """What is wrong with the blocks of a page: by line, and what to do."""
    for block in blocks_in(page):
        if mistake := _mistake(block):
            yield f"line {block.line}: {mistake}"


def _mistake(block: Block) -> str:
    if block.is_directive:
        if _CODE_DIRECTIVE.match(block.language) or (
            block.language == "{eval-rst}" and _IN_RST.search(block.text)
        ):
            return "code that nobody runs: write it as a fence with its language"
        return ""
    if not block.language:
        return "a block without a language: name it; `text` is for output"
    if block.reason is not None:
        return "" if block.reason else "`<!-- skip: reason -->` has to give the reason"
    if block.language in {*ELSEWHERE, *SHOWN, *RUNNERS}:
        return ""
    return (
        f"a block in {block.language!r}, which nobody runs or reads here: "
        "put `<!-- skip: reason -->` above it"
    )


class BlockParser:
    """For Sybil: the blocks of a page that are not in Python; a mistake fails the collection.

    One that is marked is no test: its page says why.
    """

    def __call__(self, document: Document) -> Iterator[Region]:
        name = Path(document.path).name
        if wrong := list(mistakes_in(document.text)):
            raise ValueError("; ".join(f"{document.path}, {each}" for each in wrong))
        for block in blocks_in(document.text):
            if block.language in RUNNERS and block.reason is None:
                evaluate = _evaluator(block, f"{name}:{block.line}")
                yield Region(block.start, block.end, block, evaluate)


def _evaluator(block: Block, place: str) -> Callable[[Example], None]:
    def evaluate(example: Example) -> None:
        RUNNERS[block.language](block, place, example.namespace)

    return evaluate


class _Page:
    """Where the commands of one page run: namespaces and a directory of their own."""

    def __init__(self) -> None:
        self._stack = contextlib.ExitStack()
        self.directory = Path(self._stack.enter_context(tempfile.TemporaryDirectory()))
        self._box: Namespaces | None = None

    def write(self, name: str, text: str) -> None:
        path = self.directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def run(self, command: str) -> tuple[int, str]:
        if self._box is None:
            try:
                box = self._stack.enter_context(throwaway("net", "uts", "ipc", "mount"))
            except NamespaceUnavailable as error:
                pytest.skip(error.reason)
            self._box = box
            self._box.run(["sh", "-ec", _PROTECT, "protect", str(self.directory)])
        programs = Path(sys.executable).parent
        done = self._box.run(
            ["bash", "-euo", "pipefail", "-c", f'exec 2>&1; PATH="{programs}:$PATH"\n{command}'],
            env={"HOME": str(self.directory), "NO_COLOR": "1", "COLUMNS": "120"},
            cwd=self.directory,
            timeout=TIME_LIMIT,
            check=False,
        )
        return done.returncode, done.stdout

    def close(self) -> None:
        self._stack.close()


def leave(namespace: dict[str, Any]) -> None:
    """The page has ended: throw away what its commands ran in."""
    page = namespace.pop("its page", None)
    if isinstance(page, _Page):
        page.close()


def _page_of(namespace: dict[str, Any]) -> _Page:
    page: _Page = namespace.get("its page") or _Page()
    namespace["its page"] = page
    return page


def _load(block: Block, place: str, namespace: dict[str, Any]) -> None:
    """A file of desired state: the program's own loader takes it."""
    if "nft" in block.text and shutil.which("nft", path="/usr/sbin:/sbin:/usr/bin:/bin") is None:
        pytest.skip("nft is not installed")
    try:
        # So many empty lines before it, that it is told with its line of the page.
        parse("\n" * block.line + block.text, file=place.rpartition(":")[0])
    except ConfigError as error:
        raise AssertionError(str(error)) from None
    if named := _NAMED.match(block.text):
        _page_of(namespace).write(named["name"], block.text)


def _run(block: Block, place: str, namespace: dict[str, Any]) -> None:
    """Commands: all of them succeed."""
    code, output = _page_of(namespace).run(block.text)
    assert code == 0, f"{place}: exit code {code}\n{output}"


def _replay(block: Block, place: str, namespace: dict[str, Any]) -> None:
    """Commands with what they write; `…` stands for anything, in a line or in place of some."""
    prompt = block.text[:2]
    assert prompt in {"$ ", "# "}, f"{place}: begin with a prompt, `$ ` or `# `"
    for part in re.split(rf"^{re.escape(prompt)}", block.text, flags=re.MULTILINE)[1:]:
        command, _, expected = part.partition("\n")
        _, output = _page_of(namespace).run(command)
        assert re.fullmatch(_pattern(expected), output), (
            f"{place}: {command}\nshould have written:\n{expected}\nand wrote:\n{output}"
        )


def _pattern(expected: str) -> str:
    """What output looks like that was written down with `…` in it."""
    return "".join(
        r"(?:.*\n)*?" if line == "…\n" else re.escape(line).replace("…", ".*")
        for line in expected.splitlines(keepends=True)
    )


def _decode(block: Block, place: str, namespace: dict[str, Any]) -> None:
    json.loads(block.text)


def _read_units(block: Block, place: str, namespace: dict[str, Any]) -> None:
    """Units of systemd, where a key may be there twice."""
    parser = configparser.ConfigParser(strict=False, interpolation=None, delimiters=("=",))
    parser.read_string(block.text, place)


RUNNERS: Final[Mapping[str, Callable[[Block, str, dict[str, Any]], None]]] = {
    "toml": _load,
    "sh": _run,
    "console": _replay,
    "json": _decode,
    "ini": _read_units,
}
"""What is done with a block, by its language."""
