"""What was read of a file so far, and what is wrong with it."""

from __future__ import annotations

import difflib
import socket
from collections.abc import Iterable, Mapping
from contextlib import closing
from pathlib import Path as FilePath
from typing import TYPE_CHECKING, Any

from attrs import define, evolve, field

from .._core.errors import LinxError
from .host import Part
from .options import OPTIONS, of_kind, wrong_with
from .origins import Origins
from .problems import Finding, Keys, Path, dotted

if TYPE_CHECKING:
    from .._kernel.netns import NetworkNamespace

__all__ = ["Reading", "clipped", "closest"]

_LONGEST = 300
"""Characters of a message; it quotes the value, which may be anything."""


@define
class Reading:
    """What was read of the file, so far.

    Paths are from where it begins, which is the top of the document, or a namespace's table.

    Attributes:
        origins: The files, and where things are in them.
        parts: What they say.
        findings: What is wrong with them.
        above: The keys that lead to where it begins.
        netns: The namespace that it is about; None is here.
        defaults: What is said of all loops, by the options' names.
    """

    origins: Origins
    parts: list[Part] = field(factory=list)
    findings: list[Finding] = field(factory=list)
    above: Keys = ()
    netns: NetworkNamespace | None = None
    defaults: Mapping[str, Any] = field(factory=dict)

    def within(
        self, above: Keys, netns: NetworkNamespace | None, defaults: Mapping[str, Any]
    ) -> Reading:
        """The reading of a namespace's table; what it finds is found here."""
        return evolve(self, above=above, netns=netns, defaults=defaults)

    def find(
        self,
        path: Path,
        message: str,
        table: int = 1,
        *,
        key: str = "",
        other: Path | None = None,
        inside: tuple[int, int] | None = None,
        file: str = "",
    ) -> None:
        """Note what is wrong; see `Finding`. `{above}` in a message is what leads here."""
        above = self.above
        message = message.replace("{above}", f"{dotted(above)}." if above else "")
        beside = None if other is None else (*above, *other)
        self.findings.append(
            Finding((*above, *path), message, table + len(above), key, beside, inside, file)
        )

    def keys(self, path: Path) -> tuple[Path, ...]:
        """The keys of a table in the order of the text; see `Places.keys`."""
        return self.origins.keys((*self.above, *path))

    def folder(self, path: Path) -> FilePath:
        """From where the names of other files are that a path says."""
        return self.origins.origin((*self.above, *path))[0].folder

    def links(self) -> dict[str, int]:
        """The indices of the links of the namespace, by name; none where it is not there."""
        if self.netns is None:
            return _links()
        try:
            with closing(self.netns.open()) as target:
                return target.call(_links)
        except (LinxError, OSError):
            return {}

    def options(self, path: Path, table: Mapping[str, Any], kind: str = "") -> dict[str, Any]:
        """The options that a table of the file has.

        Args:
            path: Where it is.
            table: It.
            kind: The subsystem whose they are; empty for all.
        """
        found = {}
        for name in table.keys() & OPTIONS.keys():
            wrong = wrong_with(name, table[name], kind)
            if wrong:
                self.find((*path, name), clipped(wrong), len(path))
            else:
                found[name] = table[name]
        return found

    def common(self, table: Mapping[str, Any]) -> dict[str, Any]:
        """What a table's `[options]` says of all loops."""
        said = table.get("options", {})
        if not isinstance(said, Mapping):
            message = f"expected a table, [{{above}}options], got {said!r}"
            self.find(("options",), clipped(message), 0)
            return {}
        for name in said:
            if name not in OPTIONS:
                near = closest(name, OPTIONS)
                hint = f"did you mean {near}?" if near else f"known are {', '.join(OPTIONS)}"
                self.find(("options", name), f"unknown option; {hint}")
        return self.options(("options",), said)

    def put(self, kind: str, scope: str, desired: Any, said: Mapping[str, Any], path: Path) -> None:
        """Note what is desired, with the options that its own table has beside those for all."""
        options, pacing = of_kind(kind, {**self.defaults, **said}, without=("protocol",))
        above = self.above
        file = self.origins.origin((*above, *path))[0].file
        self.parts.append(Part(kind, scope, desired, options, pacing, self.netns, above, file))

    def part(self, kind: str, scope: str = "") -> Part:
        """A part that desires nothing."""
        return Part(kind, scope, netns=self.netns, above=self.above)


def _links() -> dict[str, int]:
    return {name: index for index, name in socket.if_nameindex()}


def closest(name: str, known: Iterable[str]) -> str | None:
    """What somebody may have meant who wrote an unknown name."""
    found = difflib.get_close_matches(name.lower(), sorted(known), n=1, cutoff=0.5)
    return found[0] if found else None


def clipped(message: str) -> str:
    """A message of a length that somebody reads."""
    return message if len(message) <= _LONGEST else f"{message[:_LONGEST]}…"
