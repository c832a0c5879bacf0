"""What a terminal shows of a program, as a film: the program is real, the terminal is pyte."""

from __future__ import annotations

import itertools
import os
import pty
import re
import subprocess
import termios
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import pyte
from attrs import frozen
from pyte.screens import Char

from tests.kernel.program import chunks

__all__ = ["Film", "Frame", "Row", "Run", "Size", "Style", "Written", "film", "record"]

ENDS: Final = {0, 2, 130}
DIM: Final = 2
BRIGHT_BLACK: Final = 90
COLOURS: Final = frozenset({38, 48})
"""After these the numbers of select graphic rendition are a colour's (ECMA-48, 8.3.117)."""
LULL: Final = 0.005
"""Seconds without output after which what was written before belongs together."""
WORDS: Final = re.compile(r"[^ ]+(?: [^ ]+)*")
ALL: Final = re.compile(r".+")
HALF: Final = "x"
"""Stands for the second half of a wide character, which is a cell without text."""


@frozen
class Size:
    """How big a terminal is, in cells."""

    columns: int
    rows: int


@frozen
class Style:
    """How text looks; colours are the names of the sixteen, or six hexadecimal digits."""

    colour: str = "default"
    background: str = "default"
    bold: bool = False
    italic: bool = False
    underlined: bool = False


@frozen
class Run:
    """Text of one look, from a column on, so many cells wide."""

    column: int
    width: int
    text: str
    style: Style


Row = tuple[Run, ...]


@frozen
class Frame:
    """What is on the screen from a time on, in seconds."""

    at: float
    rows: tuple[Row, ...]


@frozen
class Film:
    """Frames in their order, until a time in seconds."""

    size: Size
    frames: tuple[Frame, ...]
    end: float


@frozen
class Written:
    """What a program wrote to its terminal, and how many seconds after its start."""

    at: float
    data: bytes


def record(
    command: Sequence[str],
    size: Size,
    environment: Mapping[str, str],
    meanwhile: Callable[[subprocess.Popen[bytes]], None],
) -> list[Written]:
    """Run a program to its end in a terminal of its own, and something beside it.

    Raises:
        subprocess.CalledProcessError: It did not end well; what it wrote is in a note.
    """
    ours, theirs = pty.openpty()
    try:
        termios.tcsetwinsize(theirs, (size.rows, size.columns))
        began = time.monotonic()
        with (
            ThreadPoolExecutor() as threads,
            subprocess.Popen(
                command,
                stdin=theirs,
                stdout=theirs,
                stderr=theirs,
                env=dict(environment),
                start_new_session=True,
            ) as process,
        ):
            os.close(theirs)
            beside = threads.submit(meanwhile, process)
            written = [Written(time.monotonic() - began, chunk) for chunk in chunks(ours)]
            code = process.wait()
            beside.result()
    finally:
        os.close(ours)
    if code not in ENDS:
        error = subprocess.CalledProcessError(code, command)
        error.add_note(b"".join(each.data for each in written).decode(errors="replace"))
        raise error
    return written


def film(written: Sequence[Written], size: Size, *, rate: int, rest: float) -> Film:
    """What the terminal showed.

    Args:
        written: What the program wrote to it.
        size: Of the terminal.
        rate: How many frames a second there are at most.
        rest: Seconds for which the last one stands.
    """
    screen = Screen(size.columns, size.rows)
    stream = pyte.ByteStream(screen)
    frames: list[Frame] = []
    for at, together in itertools.groupby(lulls(written), lambda each: int(each.at * rate) / rate):
        stream.feed(b"".join(each.data for each in together))
        rows = tuple(row_of(screen, number) for number in range(size.rows))
        if not frames or frames[-1].rows != rows:
            frames.append(Frame(at, rows))
    return Film(size, tuple(frames), frames[-1].at + rest)


def lulls(written: Iterable[Written]) -> Iterator[Written]:
    """The same, where what is read in several pieces is one, so that no frame is half drawn."""
    pending, last = Written(0.0, b""), 0.0
    for each in written:
        if each.at - last > LULL and pending.data:
            yield pending
            pending = Written(each.at, b"")
        pending, last = Written(pending.at, pending.data + each.data), each.at
    yield pending


class Screen(pyte.Screen):
    """A screen that shows dim text as bright black, since pyte knows none."""

    def select_graphic_rendition(self, *attrs: int) -> None:
        """Called by pyte."""
        if not COLOURS & {*attrs}:
            attrs = tuple(BRIGHT_BLACK if each == DIM else each for each in attrs)
        super().select_graphic_rendition(*attrs)


def row_of(screen: pyte.Screen, number: int) -> Row:
    """A line of the screen, without the blanks that nobody sees."""
    cells = [screen.buffer[number][column] for column in range(screen.columns)]
    runs: list[Run] = []
    column = 0
    for style, group in itertools.groupby(cells, style_of):
        texts = [cell.data for cell in group]
        runs.extend(runs_of(column, texts, style))
        column += len(texts)
    return tuple(runs)


def runs_of(column: int, texts: list[str], style: Style) -> Iterator[Run]:
    """Cells of one style as runs of text; a gap of two blanks or more parts them."""
    shape = "".join(text[:1] or HALF for text in texts)
    pattern = WORDS if style.background == "default" and not style.underlined else ALL
    for found in pattern.finditer(shape):
        cells = texts[slice(*found.span())]
        yield Run(column + found.start(), len(cells), "".join(cells), style)


def style_of(cell: Char) -> Style:
    """How a cell looks."""
    colour, background = cell.fg, cell.bg
    if cell.reverse:
        colour, background = background, colour
        colour = "black" if colour == "default" else colour
        background = "white" if background == "default" else background
    return Style(colour, background, cell.bold, cell.italics, cell.underscore)
