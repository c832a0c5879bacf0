"""Runs the blocks of the README and of the docs as tests; Python on asyncio and on trio."""

from __future__ import annotations

import ast
import inspect
import os
import re
import subprocess
import traceback
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from types import CodeType
from typing import Any, TypeAlias
from unittest.mock import patch

import anyio
import pytest
from sybil import Document, Example, Region, Sybil
from sybil.evaluators.python import pad
from sybil.integration.pytest import SybilItem
from sybil.parsers.markdown import CodeBlockParser
from sybil.sybil import SybilCollection

from linx_async._kernel.release import kernel_release
from linx_async.testing.namespaces import (
    NamespaceUnavailable,
    cgroup2_writable,
    unshare_this_process,
)
from tests.blocks import SKIP, TIME_LIMIT, BlockParser, leave
from tests.emptying import empty
from tests.settings import put_back, settings

pytest_plugins = ["linx_async.testing.pytest_plugin"]

NEEDS = re.compile(r"<!--\s*needs:\s*(?P<what>(?:(?!-->).)*?)\s*-->\s*\Z", re.DOTALL)
Evaluator: TypeAlias = Callable[[Example], str | None]


class SnippetParser(CodeBlockParser):
    """The Python blocks of a Markdown document; `<!-- skip: reason -->` above one leaves it out.

    `<!-- needs: a cgroup -->` leaves it out where there is none; `LACKING` has what may be needed.
    A block may await at its top level. Blocks of a document share their names.
    """

    language = "python"

    def __init__(self, backend: str) -> None:
        super().__init__()
        self.backend = backend

    def __call__(self, document: Document) -> Iterable[Region]:
        for region in super().__call__(document):
            if skip := SKIP.search(document.text, 0, region.start):
                region.evaluator = skipping(skip["reason"], document, region)
            elif needs := NEEDS.search(document.text, 0, region.start):
                region.evaluator = needing(needs["what"], self.evaluate)
            yield region

    def evaluate(self, example: Example) -> str | None:
        code = compile(
            pad(example.parsed, example.line + example.parsed.line_offset),
            example.path,
            "exec",
            flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT,
            dont_inherit=True,
        )
        if code.co_flags & inspect.CO_COROUTINE:
            anyio.run(run_in_time, code, example.namespace, backend=self.backend)
        else:
            # A block that says `anyio.run(main)` gets the backend whose turn it is.
            with patch.object(anyio, "run", partial(anyio.run, backend=self.backend)):
                exec(code, example.namespace)
        return None


async def run_in_time(code: CodeType, namespace: dict[str, Any]) -> None:
    try:
        with anyio.fail_after(TIME_LIMIT):
            await eval(code, namespace)
    except ExceptionGroup as group:  # sybil 10 cannot show one
        raise AssertionError("".join(traceback.format_exception(group))) from None


def skipping(reason: str, document: Document, region: Region) -> Evaluator:
    place = f"{Path(document.path).name}, {document.line_column(region.start)}"
    if not reason:
        raise ValueError(f"{place}: a block that is not run needs `<!-- skip: reason -->`")

    def skip(example: Example) -> str | None:
        pytest.skip(f"{place}: {reason}")

    return skip


def needing(what: str, evaluate: Evaluator) -> Evaluator:
    needs = [LACKING[each] for each in what.split(", ")]

    def evaluate_where_it_can(example: Example) -> str | None:
        for lacking in needs:
            if reason := lacking():
                pytest.skip(f"{Path(example.path).name}: {reason}")
        return evaluate(example)

    return evaluate_where_it_can


def older_than(*version: int) -> str:
    return f"it takes Linux {version[0]}.{version[1]}" if kernel_release() < version else ""


def no_cgroup() -> str:
    return "" if cgroup2_writable() else "there is no cgroup v2 that this user may write to"


def no_cgroup_mount() -> str:
    mounts = Path("/proc/self/mountinfo").read_text(errors="surrogateescape")
    return "" if " - cgroup2 " in mounts else "cgroup v2 is not mounted"


def no_proc() -> str:
    command = ["unshare", "--pid", "--fork", "--mount-proc", "true"]
    done = subprocess.run(command, capture_output=True, check=False)
    return "" if done.returncode == 0 else "no /proc may be mounted here"


LACKING: dict[str, Callable[[], str]] = {
    "Linux 5.14": partial(older_than, 5, 14),
    "Linux 5.18": partial(older_than, 5, 18),
    "Linux 6.9": partial(older_than, 6, 9),
    "a cgroup": no_cgroup,
    "a /proc of one's own": no_proc,
    "cgroup v2": no_cgroup_mount,
}
"""Why a block that needs this cannot be run here; empty where it can."""


PAGES = ("README.md", "docs/*.md", "docs/**/*.md")


SETTINGS: dict[Path, str] = {}
"""The sysctls that a page begins with, whatever was run before it."""


def begin_anew(_names: dict[str, Any]) -> None:
    put_back(SETTINGS)


def leave_nothing(_names: dict[str, Any]) -> None:
    """What is run after a page in the namespace that it changed finds that empty."""
    if SETTINGS:  # else it is the machine's own
        empty()


def snippets(backend: str) -> Sybil:
    return Sybil(
        parsers=[SnippetParser(backend)],
        patterns=PAGES,
        name=backend,
        setup=begin_anew,
        teardown=leave_nothing,
    )


# What is not Python has nothing to do with a backend, and a rule: see there.
all_else = Sybil(
    parsers=[BlockParser()], patterns=PAGES, name="else", setup=begin_anew, teardown=leave
)
pytest_collect_file = SybilCollection([all_else, snippets("asyncio"), snippets("trio")]).pytest()


def pytest_collection_finish(session: pytest.Session) -> None:
    """What a block writes goes to throw-away namespaces, whichever tests run beside it."""
    blocks = [item for item in session.items if isinstance(item, SybilItem)]
    if not blocks:
        return
    shared = os.environ.get("LINX_TESTS_SHARED")
    if shared is None:  # else a worker of the suite, which was isolated from the first
        try:  # before there is a second thread
            unshare_this_process()
        except NamespaceUnavailable as error:
            shared = error.reason
    if shared:
        for block in blocks:
            block.add_marker(pytest.mark.skip(reason=shared))
    else:
        SETTINGS.update(settings())
