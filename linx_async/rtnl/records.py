"""What our record says of a link beyond its kind: which one it is, and what the kernel rounded."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from attrs import field, frozen

from .desired.link import Parameter

__all__ = ["LinkRecord"]


@frozen
class LinkRecord:
    """What is settled of a link of ours.

    Attributes:
        index: Its index when it was made.
        rounded: The parameters that the kernel made something else of: what was set, and what
            became of it.
    """

    index: int
    rounded: Mapping[str, tuple[Parameter, Parameter | None]] = field(factory=dict)

    @classmethod
    def of(cls, settled: str | None) -> LinkRecord | None:
        """The record of its text; None where nothing is settled, or the text is none."""
        if settled is None:
            return None
        index, _, rest = settled.partition(" ")
        try:
            found: Any = json.loads(rest or "{}")
            rounded = {str(name): (pair[0], pair[1]) for name, pair in found.items()}
            return cls(int(index), rounded)
        except (ValueError, TypeError, AttributeError, LookupError, RecursionError):
            return None

    def __str__(self) -> str:
        if not self.rounded:
            return str(self.index)
        return f"{self.index} {json.dumps(dict(self.rounded), sort_keys=True)}"

    @classmethod
    def made(
        cls, index: int, declared: Mapping[str, Parameter], has: Mapping[str, Parameter]
    ) -> LinkRecord:
        """The record of a link as it was declared, and as it came out."""
        rounded = {
            name: (value, has.get(name))
            for name, value in declared.items()
            if has.get(name) != value
        }
        return cls(index, rounded)
