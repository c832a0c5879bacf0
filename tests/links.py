"""Asks for every page of the web that the docs link to; `python -m tests.links`."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from attrs import frozen

__all__ = ["Link", "read", "verdict"]

DOCS: Final = Path(__file__).parent.parent / "docs"
SKIPPED: Final = 77
_GOOD: Final = frozenset({"working", "redirected", "rate-limited"})
_UNREACHED: Final = ("connection", "resol", "timed out", "unreachable", "proxy")
"""In what is said of a server that was not reached, of which nothing can be told."""


@frozen
class Link:
    """What became of one link.

    Attributes:
        place: Where it stands.
        url: Where it leads.
        status: What Sphinx says: `working`, `broken`, `redirected`…
        info: Why.
    """

    place: str
    url: str
    status: str
    info: str

    @property
    def is_good(self) -> bool:
        """Whether there is a page."""
        return self.status in _GOOD

    @property
    def is_unreached(self) -> bool:
        """Whether nobody answered."""
        said = self.info.lower()
        return self.status == "timeout" or (
            not self.is_good and any(each in said for each in _UNREACHED)
        )


def read(lines: Iterable[str]) -> list[Link]:
    """The links to the web, of the report that Sphinx writes."""
    found = [json.loads(line) for line in lines]
    return [
        Link(f"{each['filename']}:{each['lineno']}", each["uri"], each["status"], each["info"])
        for each in found
        if each["uri"].startswith("http") and each["status"] != "ignored"
    ]


def verdict(links: Iterable[Link]) -> tuple[int, list[str]]:
    """The exit code, and what to say, the last line last."""
    found = list(links)
    unreached = [each for each in found if each.is_unreached]
    if found and len(unreached) == len(found):
        first = unreached[0]
        return SKIPPED, [
            f"{first.url}: {first.info}",
            f"skipped: there is no network: none of {len(found)} links was checked",
        ]
    bad = [each for each in found if not each.is_good]
    told = [f"{each.place}: {each.url}: {each.status}: {each.info}" for each in bad]
    return int(bool(bad)), [*told, f"{len(found)} links, {len(bad)} of them bad"]


def main() -> int:
    """Check them, and tell; the exit code."""
    with tempfile.TemporaryDirectory() as place:
        command = [sys.executable, "-m", "sphinx", "-q", "-b", "linkcheck", str(DOCS), place]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        report = Path(place, "output.json")
        if not report.exists():
            print(f"the docs cannot be built: {done.stderr}")
            return 1
        code, lines = verdict(read(report.read_text(encoding="utf-8").splitlines()))
    print(*lines, sep="\n")
    return code


if __name__ == "__main__":
    sys.exit(main())
