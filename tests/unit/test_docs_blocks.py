"""Every fenced block of the docs runs, is read, or says why not."""

from __future__ import annotations

import re
import textwrap
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest
from sybil import Document, Example

from tests.blocks import BlockParser, blocks_in, leave, mistakes_in
from tests.links import Link, read, verdict

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted(ROOT.glob("docs/**/*.md"))]
DIAGRAMS = ROOT / "docs" / "diagrams"
SVG = "{http://www.w3.org/2000/svg}"


def page(text: str) -> str:
    return textwrap.dedent(text).lstrip("\n")


def run(text: str) -> None:
    """Run the blocks of a page, one after the other."""
    document = Document(page(text), "here/page.md")
    namespace: dict[str, Any] = {}
    try:
        for region in BlockParser()(document):
            example = Example(document, 1, 1, region, namespace)
            assert region.evaluator is not None
            region.evaluator(example)
    finally:
        leave(namespace)


@pytest.mark.parametrize("place", PAGES, ids=lambda place: str(place.relative_to(ROOT)))
def test_a_page_keeps_the_rule(place: Path) -> None:
    assert not list(mistakes_in(place.read_text(encoding="utf-8")))


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        ("```\nls\n```\n", "line 1: a block without a language"),
        ("\n~~~ruby\nputs\n~~~\n", "line 2: a block in 'ruby', which nobody runs or reads here"),
        ("<!-- skip: -->\n```sh\nls\n```\n", "line 2: `<!-- skip: reason -->` has to give"),
        ("```{code-block} python\nx\n```\n", "line 1: code that nobody runs"),
        ("```{eval-rst}\n.. code-block:: python\n\n   x\n```\n", "line 1: code that nobody runs"),
        ("- one\n\n  ```\n  ls\n  ```\n", "line 3: a block without a language"),
    ],
)
def test_a_block_that_nobody_runs_is_told_with_its_line(text: str, mistake: str) -> None:
    (found,) = mistakes_in(text)
    assert found.startswith(mistake)


@pytest.mark.parametrize(
    "text",
    [
        "```text\nanything\n```\n",
        "```python\nx = 1\n```\n",
        "```{toctree}\npage\n```\n",
        "<!-- skip: it takes a ruby -->\n```ruby\nputs\n```\n",
        "<!-- skip: it takes\na ruby -->\n\n```ruby\nputs\n```\n",
    ],
)
def test_what_is_shown_or_run_or_says_why_not_is_no_mistake(text: str) -> None:
    assert not list(mistakes_in(text))


def test_a_mark_is_for_the_block_right_below_it_alone() -> None:
    marked, other = blocks_in("<!-- skip: why -->\n```sh\nls\n```\n\n```sh\nls\n```\n")
    assert (marked.reason, other.reason) == ("why", None)


def test_a_fence_in_a_longer_one_is_text() -> None:
    (block,) = blocks_in("````text\n```\n````\n")
    assert block.text == "```\n"


def test_a_block_that_is_not_closed_is_told() -> None:
    with pytest.raises(ValueError, match="line 3: a block that is not closed"):
        list(blocks_in("one\n\n```sh\nls\n"))


def test_a_mistake_fails_the_collection_with_the_file_and_the_line() -> None:
    with pytest.raises(ValueError, match=r"here/page\.md, line 1: a block without a language"):
        run("```\nls\n```\n")


def test_a_file_is_read_by_the_programs_own_loader() -> None:
    run("```toml\n[sysctl]\nnet.ipv4.ip_forward = 1\n```\n")
    with pytest.raises(AssertionError, match=r"page\.md:2: \[sysclt\].*did you mean \[sysctl\]"):
        run("```toml\n[sysclt]\n```\n")


def test_commands_find_the_files_that_the_page_has_shown() -> None:
    run(
        """
        ```toml
        # host.d/one.toml
        [sysctl]
        net.ipv4.ip_forward = 1
        ```

        ```sh
        linx apply host.d
        test "$(cat /proc/sys/net/ipv4/ip_forward)" = 1
        ```

        ```console
        $ linx plan host.d
        …
        host.d: nothing to do
        ```
        """
    )


def test_a_command_that_fails_fails_the_block_even_if_others_follow() -> None:
    with pytest.raises(AssertionError, match=r"page\.md:1: exit code 3\nnever"):
        run("```sh\necho never\n(exit 3)\necho again\n```\n")


def test_output_is_compared_but_where_it_is_left_out() -> None:
    run("```console\n$ echo one two; echo three; echo four\none …\n…\nfour\n$ true\n```\n")
    with pytest.raises(AssertionError, match=r"should have written:\ntwo\n\nand wrote:\none\n"):
        run("```console\n$ echo one\ntwo\n```\n")


def test_commands_cannot_change_the_machine() -> None:
    run(
        """
        ```sh
        ip link add only-here type bridge
        echo kept > kept && cat kept
        ! touch /etc/only-here 2>/dev/null
        ```
        """
    )


def test_json_and_units_are_read() -> None:
    run('```json\n{"do": "pause"}\n```\n\n```ini\n[Service]\nExecStart=\nExecStart=/x\n```\n')
    with pytest.raises(ValueError, match="Expecting"):
        run("```json\n{do: 1}\n```\n")


@pytest.mark.parametrize(
    "place",
    [*PAGES, ROOT / "CHANGELOG.md", *sorted(ROOT.glob("examples/**/*.md"))],
    ids=lambda place: str(place.relative_to(ROOT)),
)
def test_a_page_links_to_files_that_are_there(place: Path) -> None:
    text = place.read_text(encoding="utf-8")
    for block in blocks_in(text):
        text = text.replace(block.text, "")
    for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text):
        if "://" not in target:
            assert (place.parent / target).exists(), target


@pytest.mark.parametrize("drawing", sorted(DIAGRAMS.glob("*.svg")), ids=lambda path: path.stem)
def test_a_diagram_is_said_in_words_has_both_themes_and_loads_nothing(drawing: Path) -> None:
    text = drawing.read_text(encoding="utf-8")
    root = ET.fromstring(text)
    assert root.findtext(f"{SVG}title")
    assert root.findtext(f"{SVG}desc")
    assert "@media (prefers-color-scheme: dark)" in text
    assert not re.search(r"href|url\((?!#)|@import|@font-face|<script|\son\w+=", text)
    shown = [each.read_text(encoding="utf-8") for each in PAGES]
    alts = [
        alt
        for each in shown
        for alt in re.findall(rf"!\[(.*?)\]\([^)]*diagrams/{drawing.name}\)", each)
    ]
    assert alts
    assert all(alts)


def link(status: str, info: str = "") -> Link:
    return Link("page.md:1", "https://example.org/", status, info)


def test_a_link_that_is_broken_is_told() -> None:
    code, lines = verdict([link("working"), link("broken", "404 Client Error: Not Found")])
    assert code == 1
    assert lines == [
        "page.md:1: https://example.org/: broken: 404 Client Error: Not Found",
        "2 links, 1 of them bad",
    ]


def test_without_a_network_no_link_is_said_to_be_good_or_bad() -> None:
    code, lines = verdict([link("broken", "Failed to resolve 'example.org'"), link("timeout")])
    assert code == 77
    assert lines[-1] == "skipped: there is no network: none of 2 links was checked"


def test_the_report_of_sphinx_is_read() -> None:
    line = '{"filename": "a.md", "lineno": 3, "status": "broken", "uri": "%s", "info": "why"}'
    found = read([line % "https://example.org/", line % "b.html"])
    assert found == [Link("a.md:3", "https://example.org/", "broken", "why")]
