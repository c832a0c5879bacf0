"""What may be asked of a running `linx run`, and what it answers: a line of JSON each."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from attrs import frozen

from .place import ControlError

__all__ = ["COMMANDS", "LASTING", "LONGEST_REQUEST", "Request", "answer_line"]

LASTING = frozenset({"watch"})
"""Those that are answered with one line after the other."""
COMMANDS = ("status", "pause", "resume", "reconcile", *LASTING)
LONGEST_REQUEST = 65536
"""Bytes of a line."""
_MOST_PARTS = 4096


@frozen
class Request:
    """What is asked.

    Attributes:
        do: One of the commands.
        parts: The names of parts, or how they begin; none is all of them.
    """

    do: str
    parts: tuple[str, ...] = ()

    @classmethod
    def parse(cls, line: bytes) -> Request:
        """The request in a line.

        Raises:
            ControlError: There is none in it.
        """
        try:
            asked = json.loads(line)
        except (ValueError, RecursionError) as error:  # not UTF-8 is a ValueError too
            raise ControlError(f"not a line of JSON: {str(error)[:200]}") from None
        if not isinstance(asked, dict) or not asked.keys() <= {"do", "parts"}:
            raise ControlError('expected {"do": COMMAND, "parts": [NAME, …]}')
        do, parts = asked.get("do"), asked.get("parts", [])
        if not isinstance(do, str) or do not in COMMANDS:
            raise ControlError(f"do: expected one of {', '.join(COMMANDS)}")
        if not isinstance(parts, list) or not all(isinstance(each, str) for each in parts):
            raise ControlError("parts: expected a list of names")
        if len(parts) > _MOST_PARTS:
            raise ControlError(f"parts: expected at most {_MOST_PARTS} names, got {len(parts)}")
        return cls(do, tuple(parts))

    def line(self) -> bytes:
        """The line that asks it."""
        return answer_line({"do": self.do, "parts": list(self.parts)})


def answer_line(answer: Mapping[str, Any]) -> bytes:
    """One object as a line."""
    return f"{json.dumps(answer)}\n".encode("ascii")
