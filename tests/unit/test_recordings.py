"""The recordings of the docs: what a terminal showed, drawn as SVG."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

from hypothesis import given
from hypothesis import strategies as st

from tests.recordings.svg import LINE, draw
from tests.recordings.terminal import Film, Frame, Run, Size, Style, Written, film

SIZE = Size(20, 3)
SVG = "{http://www.w3.org/2000/svg}"

COLOURS = st.sampled_from(["default", "green", "brightblack", "ff8700"])
STYLES = st.builds(Style, COLOURS, COLOURS, st.booleans(), st.booleans(), st.booleans())
RUNS = st.builds(Run, st.integers(0, 19), st.integers(1, 20), st.text(min_size=1), STYLES)
ROWS = st.lists(RUNS, max_size=2).map(tuple)
FRAMES = st.lists(st.tuples(ROWS, ROWS, ROWS), min_size=1, max_size=5).map(
    lambda screens: tuple(Frame(number / 4, rows) for number, rows in enumerate(screens))
)
FILMS = st.builds(Film, st.just(SIZE), FRAMES, st.just(5.0))


def drawn(made: Film) -> str:
    return draw(made, title="a < b", description="c & d")


def written(*texts: str, apart: float = 1.0) -> list[Written]:
    return [Written(number * apart, text.encode()) for number, text in enumerate(texts)]


def shown(made: Film) -> list[list[str]]:
    """The texts on each frame's screen, line by line."""
    return [[" ".join(run.text for run in row) for row in frame.rows] for frame in made.frames]


@given(FILMS)
def test_any_film_is_well_formed_and_the_same_one_gives_the_same_bytes(made: Film) -> None:
    first = drawn(made)
    assert ET.fromstring(first).findtext(f"{SVG}title") == "a < b"
    assert drawn(made) == first


def test_text_is_text_and_what_xml_takes_amiss_is_escaped() -> None:
    made = film(written("<b> & 'x' ]]> \x1b[32mgreen"), SIZE, rate=10, rest=1)
    texts = [element.text for element in ET.fromstring(drawn(made)).iter(f"{SVG}text")]
    assert texts == ["<b> & 'x' ]]>", "green"]


def test_a_frame_is_what_stands_on_the_screen_and_not_what_scrolled_away() -> None:
    made = film(
        written("one\r\n", "two\r\nthree\r\nfour", "\x1b[2J\x1b[Hfive"), SIZE, rate=9, rest=1
    )
    assert shown(made) == [["one", "", ""], ["two", "three", "four"], ["five", "", ""]]
    assert [frame.at for frame in made.frames] == [0, 1, 2]
    assert made.end == 3


def test_there_are_no_more_frames_a_second_than_asked_for_and_the_last_is_whole() -> None:
    made = film(
        written(*(f"\r{number}" for number in range(100)), apart=0.01), SIZE, rate=5, rest=1
    )
    assert len(made.frames) == 5
    assert shown(made)[-1][0] == "99"


def test_what_is_read_in_pieces_makes_no_half_drawn_frame() -> None:
    pieces = [Written(0.099, b"half"), Written(0.101, b" and half")]
    assert shown(film(pieces, SIZE, rate=10, rest=1)) == [["half and half", "", ""]]


def test_a_screen_that_stays_the_same_is_one_frame() -> None:
    assert len(film(written("same", "\rsame", "\rsame"), SIZE, rate=1, rest=1).frames) == 1


def test_colours_weights_and_columns_are_kept() -> None:
    text = "a  \x1b[1;31mb\x1b[0m\x1b[2mc\x1b[0m\x1b[38;5;2md\x1b[0m\x1b[7me\x1b[0m"
    (row, *_) = film(written(text), SIZE, rate=1, rest=1).frames[0].rows
    assert row == (
        Run(0, 1, "a", Style()),
        Run(3, 1, "b", Style("red", bold=True)),
        Run(4, 1, "c", Style("brightblack")),
        Run(5, 1, "d", Style("00cd00")),
        Run(6, 1, "e", Style("black", "white")),
    )


def test_a_wide_character_takes_two_cells() -> None:
    (row, *_) = film(written("語 x"), SIZE, rate=1, rest=1).frames[0].rows
    assert row == (Run(0, 4, "語 x", Style()),)


def test_where_nothing_moves_the_last_frame_stands() -> None:
    svg = drawn(film(written("first", "\rnext ", "\rlast "), SIZE, rate=1, rest=1))
    assert "@media(prefers-reduced-motion:reduce){.s{animation:none!important}}" in svg
    strip = ET.fromstring(svg).find(f"{SVG}svg/{SVG}g[@class='s']")
    assert strip is not None
    (moved,) = re.findall(r"-?\d+", strip.attrib["transform"].removeprefix("translate(0 "))
    texts = {int(each.attrib["y"]) + int(moved): each.text for each in strip.iter(f"{SVG}text")}
    assert [text for y, text in texts.items() if 0 <= y < LINE] == ["last"]


def test_the_end_rests_before_it_begins_anew() -> None:
    svg = drawn(film(written("first", "\rnext ", "\rlast "), SIZE, rate=1, rest=2))
    (rule,) = re.findall(r"@keyframes r0\{(.*)\}", svg)
    assert re.findall(r"([\d.]+)%", rule) == ["0.00", "25.00", "50.00"]
    assert "animation:r0 4.00s step-end infinite" in svg
