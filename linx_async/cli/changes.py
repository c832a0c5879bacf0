"""What differs between the parts that are kept and those of the file as it is now."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from attrs import evolve, frozen

from ..config import Part
from ..config.host import part_named
from .output import counted

__all__ = ["Changes"]


@frozen
class Changes:
    """What is to become of each part.

    Attributes:
        same: The names of those that go on untouched.
        changed: Those of which something else is desired.
        renewed: Those whose loops have to begin anew, as their options are others.
        added: Those that are new.
        left: Those that are kept and have left the file, desiring nothing.
    """

    same: tuple[str, ...] = ()
    changed: tuple[Part, ...] = ()
    renewed: tuple[Part, ...] = ()
    added: tuple[Part, ...] = ()
    left: tuple[Part, ...] = ()

    @classmethod
    def between(
        cls, kept: Mapping[str, Part], parts: tuple[Part, ...], gone: Collection[str] = ()
    ) -> Changes:
        """What leads from the parts that are kept to those of the file.

        Args:
            kept: The parts that are kept, by name.
            parts: Those of the file, and those that have left it and are not let go yet.
            gone: The names of the latter.
        """
        found: dict[str, list[Part]] = {"changed": [], "renewed": [], "added": [], "left": []}
        same = []
        for part in parts:
            before = kept.get(part.name)
            if before is None:
                found["added"].append(part)
            elif part.name in gone:
                continue  # it is kept, and goes on as it is, but for what it desires
            elif _without_desired(before) != _without_desired(part):
                found["renewed"].append(part)
            elif before.desired != part.desired:
                found["changed"].append(part)
            else:
                same.append(part.name)
        there = {part.name for part in parts} - set(gone)
        for name, part in kept.items():
            emptied = _emptied(part)
            if name not in there and emptied != part:
                found["left"].append(emptied)
            elif name not in there:
                same.append(name)
        return cls(tuple(same), **{name: tuple(each) for name, each in found.items()})

    def __bool__(self) -> bool:
        """Whether anything differs."""
        return bool(self.changed or self.renewed or self.added or self.left)

    def __str__(self) -> str:
        """In words, for people."""
        if not self:
            return "nothing has changed"
        told = [
            f"{what} {', '.join(part.name for part in parts)}"
            for what, parts in (
                ("changed", (*self.changed, *self.renewed)),
                ("new", self.added),
                ("left", self.left),
            )
            if parts
        ]
        if self.same:
            told.append(f"{counted(len(self.same), 'part')} as before")
        return "; ".join(told)

    def to_json(self) -> dict[str, Any]:
        """The names, for `--json`."""
        return {
            "changed": [part.name for part in (*self.changed, *self.renewed)],
            "added": [part.name for part in self.added],
            "left": [part.name for part in self.left],
            "same": list(self.same),
        }


def _without_desired(part: Part) -> Part:
    return evolve(part, desired=None)


def _emptied(part: Part) -> Part:
    nothing = part_named(evolve(part, netns=None).name)
    return evolve(part, desired={} if nothing is None else nothing.desired)
