"""How a broken law is told: which one, by which Source, at which key, before and after."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

__all__ = ["LawBroken", "differences"]


class _Absent:
    def __repr__(self) -> str:
        return "absent"


_ABSENT = _Absent()
_LONGEST = 300
_MOST = 20


class LawBroken(AssertionError):
    """A Source does not keep a law.

    Attributes:
        law: The law's name.
        says: What it says.
        source: The Source's name.
        what: What is wrong.
        details: More of it, a line each: keys, with their values before and after.
    """

    def __init__(
        self, law: str, says: str, source: str, what: str, details: Iterable[str] = ()
    ) -> None:
        self.law = law
        self.says = says
        self.source = source
        self.what = what
        self.details: tuple[str, ...] = tuple(details)
        super().__init__(law, says, source, what, self.details)

    def __str__(self) -> str:
        return "\n".join(
            [
                f"{self.source} breaks the law {self.law!r}: {self.says}",
                f"  {self.what}",
                *(f"    {line}" for line in self.details),
            ]
        )


def differences(
    before: Mapping[str, object], after: Mapping[str, object], *, words: tuple[str, str]
) -> list[str]:
    """A line for each key whose value is another one.

    Args:
        before: What was, or should be there.
        after: What is there.
        words: What to call them.
    """
    lines = []
    for key in sorted({**before, **after}):
        one, other = before.get(key, _ABSENT), after.get(key, _ABSENT)
        # What equals anything, as `unittest.mock.ANY` does, is not absent all the same.
        is_one_absent = (one is _ABSENT) is not (other is _ABSENT)
        if is_one_absent or (one is not other and one != other):
            lines.append(f"{key!r}: {words[0]} {_short(one)}, {words[1]} {_short(other)}")
    more = len(lines) - _MOST
    return lines if more <= 0 else [*lines[:_MOST], f"and {more} more"]


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
