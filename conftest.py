"""Runs the Python blocks of the README and of the docs as tests, on asyncio and on trio."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from types import CodeType
from typing import Any
from unittest.mock import patch

import anyio
import pytest
from sybil import Document, Example, Region, Sybil
from sybil.evaluators.python import pad
from sybil.integration.pytest import SybilItem
from sybil.parsers.markdown import CodeBlockParser

SKIP = re.compile(r"<!--\s*skip\b:?\s*(?P<reason>(?:(?!-->).)*?)\s*-->\s*\Z", re.DOTALL)
TIME_LIMIT = 60.0  # seconds: a block that never ends is a failure, not a hang


class SnippetParser(CodeBlockParser):
    """The Python blocks of a Markdown document; `<!-- skip: reason -->` above one leaves it out.

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
    with anyio.fail_after(TIME_LIMIT):
        await eval(code, namespace)


def skipping(reason: str, document: Document, region: Region) -> Callable[[Example], str | None]:
    place = f"{Path(document.path).name}, {document.line_column(region.start)}"
    if not reason:
        raise ValueError(f"{place}: a block that is not run needs `<!-- skip: reason -->`")

    def skip(example: Example) -> str | None:
        pytest.skip(f"{place}: {reason}")

    return skip


def snippets(backend: str) -> Sybil:
    patterns = ["README.md", "docs/*.md", "docs/**/*.md"]
    return Sybil(parsers=[SnippetParser(backend)], patterns=patterns, name=backend)


pytest_collect_file = (snippets("asyncio") + snippets("trio")).pytest()


def pytest_collection_finish(session: pytest.Session) -> None:
    """What a block writes goes to throw-away namespaces, whichever tests run beside it."""
    blocks = [item for item in session.items if isinstance(item, SybilItem)]
    if not blocks:
        return
    # Late, as other tests need not have it, and still before there is a second thread.
    from linx_async.testing.namespaces import NamespaceUnavailable, unshare_this_process

    try:
        unshare_this_process()
    except NamespaceUnavailable as error:
        for block in blocks:
            block.add_marker(pytest.mark.skip(reason=error.reason))
