"""The recordings of the demo and of `linx watch` in the docs are what the program still shows."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from linx_async.cli.watch_columns import table
from tests.kernel.nft_program import nft_or_skip
from tests.kernel.program import ROOT, in_terminal
from tests.recordings.terminal import Size, Written, film

FOLDER = ROOT / "docs" / "recordings"
SVG = "{http://www.w3.org/2000/svg}"
WIDTH = 80
TALL = Size(WIDTH, 200)
CONTROLS = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
ABOUT_THE_USER = re.compile(r"\(root|\(uid|asyncio\)|kernel\.hostname")
"""Who made the recording, on which kernel; the host name is only for root to write."""


def alike(text: str) -> str:
    """Text without what may differ: numbers, the plural after them, and blanks."""
    text = re.sub(r"\d+(\.\d+)?", "#", text)
    return re.sub(r"\s", "", re.sub(r"(# \w+?)s?\b", r"\1", text))


@cache
def lines(recording: Path) -> list[list[str]]:
    """Each line that is to be seen in a recording at any time, as its pieces of text."""
    groups = ET.parse(recording).iter(f"{SVG}g")
    found = [[each.text or "" for each in group.findall(f"{SVG}text")] for group in groups]
    return [line for line in found if line and not ABOUT_THE_USER.search(" ".join(line))]


def test_the_demo_still_writes_all_that_its_recording_shows_and_shows_it_so() -> None:
    nft_or_skip()
    code, written = in_terminal("demo", "--rounds", "1", "--pause", "0", COLUMNS=str(WIDTH))
    assert code == 0, written
    recorded = lines(FOLDER / "demo.svg")[1:]  # the first is what was typed
    now = alike(CONTROLS.sub(" ", written))
    assert [text for line in recorded for text in line if alike(text) not in now] == []
    seen = {alike(" ".join(line)) for line in recorded}
    screen = film([Written(0.0, written.encode())], TALL, rate=1, rest=1).frames[-1]
    last = [" ".join(run.text for run in row) for row in screen.rows if row]
    assert [
        line for line in last if alike(line) not in seen and not ABOUT_THE_USER.search(line)
    ] == []


def test_watch_still_has_the_columns_that_its_recording_shows() -> None:
    recorded = {alike(" ".join(line)) for line in lines(FOLDER / "watch.svg")}
    heads = [line.plain for line in table([], WIDTH)]
    assert [line for line in heads if alike(line) not in recorded] == []
    assert len(heads) == 2


@pytest.mark.parametrize("recording", sorted(FOLDER.glob("*.svg")), ids=lambda path: path.stem)
def test_a_recording_is_small_and_loads_and_runs_nothing(recording: Path) -> None:
    text = recording.read_text(encoding="utf-8")
    assert len(text) < 300 * 1024
    assert {element.tag.removeprefix(SVG) for element in ET.fromstring(text).iter()} == {
        *("svg", "title", "desc", "style", "rect", "g", "text"),
    }
    assert not re.search(r"href|url\(|@import|@font-face|\son\w+=", text)


def test_a_recording_that_a_page_shows_is_there_and_says_what_it_shows() -> None:
    pages = [ROOT / "README.md", *ROOT.glob("docs/**/*.md")]
    shown = [
        (alt, (page.parent / path).resolve())
        for page in pages
        for alt, path in re.findall(
            r"!\[(.*?)\]\(([^)]*recordings/.*?)\)", page.read_text(encoding="utf-8")
        )
    ]
    assert {path for _, path in shown} == {*FOLDER.glob("*.svg")}
    assert all(alt for alt, _ in shown)
