"""Makes the recordings that the docs show, from what the real program writes to a terminal."""

from __future__ import annotations

import platform
import re
import sys
from pathlib import Path
from typing import Final

from attrs import evolve

from linx_async.testing.namespaces import NamespaceUnavailable

from .scenes import ENVIRONMENT, LINX, SCENES, Scene
from .svg import draw
from .terminal import Film, Written, film, record

ROOT: Final = Path(__file__).parents[2]
FOLDER: Final = ROOT / "docs" / "recordings"
NODE: Final = platform.node()
RELEASE: Final = platform.release()
VERSION: Final = re.sub(r"[^\d.].*", "", RELEASE)
SKIPPED: Final = 77
FRAMES_A_SECOND: Final = 20
REST: Final = 5.0
"""Seconds for which the end stands before it begins anew."""


def main() -> int:
    """Make those that are named, or all of them; gives the exit code."""
    names = sys.argv[1:] or [*SCENES]
    if unknown := {*names} - {*SCENES}:
        sys.exit(f"no scene: {', '.join(sorted(unknown))}; there are {', '.join(SCENES)}")
    FOLDER.mkdir(exist_ok=True)
    for name in names:
        try:
            drawing = recorded(SCENES[name])
        except NamespaceUnavailable as error:
            print(f"skipped: {error.reason}")
            return SKIPPED
        file = FOLDER / f"{name}.svg"
        file.write_text(drawing, encoding="utf-8")
        print(f"{file.relative_to(ROOT)}: {len(drawing.encode()) / 1024:.0f} KiB")
    return 0


def recorded(scene: Scene) -> str:
    """A scene, played and drawn."""
    prompt = Written(0.0, f"$ linx {' '.join(scene.command)}\r\n".encode())
    with scene.place():
        written = record([*LINX, *scene.command], scene.size, ENVIRONMENT, scene.play)
    shown = [prompt, *map(without_builder, written)]
    made = film(shown, scene.size, rate=FRAMES_A_SECOND, rest=REST)
    refuse_private(made)
    return draw(made, title=scene.title, description=scene.description)


def without_builder(written: Written) -> Written:
    """The same with the kernel's version alone, without what its builder has put behind."""
    return evolve(written, data=written.data.replace(RELEASE.encode(), VERSION.encode()))


def refuse_private(made: Film) -> None:
    """Make sure that nothing of this machine is to be seen.

    Raises:
        SystemExit: It is.
    """
    private = {NODE, RELEASE, str(ROOT), str(Path.home())} - {VERSION, "/"}
    pattern = re.compile("|".join(rf"(?<![\w.]){re.escape(each)}(?![\w.])" for each in private))
    lines = {" ".join(run.text for run in row) for frame in made.frames for row in frame.rows}
    if shown := [line for line in sorted(lines) if pattern.search(line)]:
        sys.exit("\n".join(["this machine is to be seen in what was recorded:", *shown]))


if __name__ == "__main__":
    sys.exit(main())
