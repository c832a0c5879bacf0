"""A film of a terminal as an animated SVG: text is text, and nothing is loaded or run."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final
from xml.sax.saxutils import escape, quoteattr

from .terminal import Film, Run, Style

__all__ = ["LINE", "draw"]

CELL, LINE, BASELINE, MARGIN = 8.4, 18, 13, 16
"""In pixels: the width of a cell, the height of a line, where text stands in it; the margin."""
BACKGROUND, FOREGROUND, BORDER = "#15181e", "#d5dae3", "#4b5363"
COLOURS: Final = {
    "black": "#262b35",
    "red": "#f07178",
    "green": "#8fd18a",
    "brown": "#ecc873",  # how pyte calls yellow
    "blue": "#78b4f2",
    "magenta": "#d19af0",
    "cyan": "#6fd0cf",
    "white": "#d5dae3",
    "brightblack": "#8f98a8",
    "brightred": "#ff9097",
    "brightgreen": "#a9e8a4",
    "brightbrown": "#ffe08f",
    "brightblue": "#98c9ff",
    "brightmagenta": "#e3b5ff",
    "brightcyan": "#8de8e7",
    "brightwhite": "#ffffff",
}
LOOK: Final = """\
text{font:14px ui-monospace,Menlo,"DejaVu Sans Mono","Liberation Mono",Consolas,monospace;\
white-space:pre;fill:%s}
.b{font-weight:bold}.i{font-style:italic}.u{text-decoration:underline}
@media(prefers-reduced-motion:reduce){.s{animation:none!important}}"""
NO_XML: Final = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 has no way to write."""


def draw(film: Film, *, title: str, description: str) -> str:
    """The film as the text of an SVG, which plays again and again.

    Each line of the screen is a strip of what it shows in the course of time, moved behind a
    window of its own. Where nothing is animated, or motion is unwanted, the last frame stands.
    """
    width = round(film.size.columns * CELL) + 2 * MARGIN
    height = film.size.rows * LINE + 2 * MARGIN
    area = f'width="{width}" height="{height}" viewBox="0 0 {width} {height}"'
    edge = f'x=".5" y=".5" width="{width - 1}" height="{height - 1}" rx="8" stroke="{BORDER}"'
    strips = [Strip(film, number) for number in range(film.size.rows)]
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" xml:space="preserve" {area}>',
        f"<title>{legal(title)}</title>",
        f"<desc>{legal(description)}</desc>",
        "<style>",
        LOOK % FOREGROUND,
        *(strip.keyframes() for strip in strips if strip.moves),
        "</style>",
        f'<rect {edge} fill="{BACKGROUND}"/>',
        *(line for strip in strips if strip.filled for line in strip.drawn(width)),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


class Strip:
    """What one line of the screen shows in the course of time."""

    def __init__(self, film: Film, number: int) -> None:
        self._number = number
        self._end = film.end
        shown = [(frame.at, frame.rows[number]) for frame in film.frames]
        self._rows = list(dict.fromkeys(row for _, row in shown))
        places = [(at, self._rows.index(row)) for at, row in shown]
        self._last = places[-1][1]
        self._changes = [
            place
            for before, place in zip([None, *places], places, strict=False)
            if before is None or before[1] != place[1]
        ]

    @property
    def moves(self) -> bool:
        return len(self._rows) > 1

    @property
    def filled(self) -> bool:
        return any(self._rows)

    def keyframes(self) -> str:
        """When it is moved where, as rules of CSS."""
        steps = "".join(
            f"{at / self._end:.2%}{{transform:translateY({-LINE * place}px)}}"
            for at, place in self._changes
        )
        return f"@keyframes r{self._number}{{{steps}}}"

    def drawn(self, width: int) -> Iterator[str]:
        """The strip behind its window."""
        y = MARGIN + self._number * LINE
        yield f'<svg x="{MARGIN}" y="{y}" width="{width - 2 * MARGIN}" height="{LINE}">'
        motion = f' class="s" style="animation:r{self._number} {self._end:.2f}s step-end infinite"'
        yield f'<g{motion if self.moves else ""} transform="translate(0 {-LINE * self._last})">'
        for place, row in enumerate(self._rows):
            if row:
                yield "<g>" + "".join(drawn(run, place * LINE) for run in row) + "</g>"
        yield "</g></svg>"


def drawn(run: Run, top: int) -> str:
    """A run of text, in a line that begins so far down."""
    x, width = f"{run.column * CELL:.5g}", f"{run.width * CELL:.5g}"
    behind = ""
    if run.style.background != "default":
        fill = colour(run.style.background)
        behind = f'<rect x="{x}" y="{top}" width="{width}" height="{LINE}" fill="{fill}"/>'
    return (
        f'{behind}<text x="{x}" y="{top + BASELINE}" textLength="{width}"{look(run.style)}>'
        f"{legal(run.text)}</text>"
    )


def look(style: Style) -> str:
    """The attributes of text of a style."""
    kinds = {"b": style.bold, "i": style.italic, "u": style.underlined}
    classes = " ".join(name for name, wanted in kinds.items() if wanted)
    fill = "" if style.colour == "default" else f"fill:{colour(style.colour)}"
    attributes = {"class": classes, "style": fill}
    return "".join(f" {name}={quoteattr(value)}" for name, value in attributes.items() if value)


def colour(name: str) -> str:
    """A colour of the terminal as one of SVG."""
    return COLOURS.get(name, f"#{name}")


def legal(text: str) -> str:
    """Text as XML has it."""
    return escape(NO_XML.sub("\ufffd", text))
