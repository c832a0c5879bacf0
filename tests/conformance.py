"""How Sources are put through the laws here: a fake one, and our own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest

from linx_async import Claim, Ownership, Plan
from linx_async.testing.changes import Change, Objects
from linx_async.testing.conformance import (
    SOURCE_LAWS,
    CaseError,
    LawBroken,
    SourceCase,
    check_source,
)
from linx_async.testing.fake import FakeSource
from linx_async.testing.kernel import FakeKernel

__all__ = [
    "LAWS",
    "LONG",
    "ONE",
    "TWO",
    "Case",
    "Make",
    "TakesOver",
    "broken",
    "case_of",
    "keeps_short_laws",
]

Case = SourceCase[Any, Any, Any]
Make = Callable[[FakeKernel], Any]

LAWS = {law.name: law for law in SOURCE_LAWS}
_LONG = {"record", "time_limit", "cancellation", "task_cancellation"}
LONG = tuple(law for law in SOURCE_LAWS if law.name in _LONG)
"""Which make a pass for each of its awaits."""
_SHORT = tuple(law for law in SOURCE_LAWS if law.name not in _LONG)

ONE = {"a": "1", "b": "1"}
TWO = {"a": "2", "c": "1"}


class TakesOver(FakeSource):
    """Takes over whatever is there, as with keys that are the kernel's own."""

    def diff(self, desired: Objects, observed: Objects, owned: Ownership, /) -> Plan[Change]:
        taken = Ownership({key: Claim(key) for key in desired if key in observed})
        return super().diff(desired, observed, Ownership({**taken, **owned}))


async def keeps_short_laws(case: Case) -> set[str]:
    """Put a source through all others; gives the names of those that say nothing about it."""
    return {*await check_source(case, laws=_SHORT)}


def case_of(make: Make, **options: Any) -> Case:
    """A source over a fake kernel in which somebody else has something, too."""
    kernel = FakeKernel({"theirs": "1"})

    async def look() -> Mapping[str, object]:
        return kernel.look()

    async def meddle() -> None:
        kernel.drift("a", "7")

    async def meddle_unheard() -> None:
        kernel.objects["b"] = "7"

    @asynccontextmanager
    async def rival() -> AsyncIterator[None]:
        kernel.drift("a", "9")
        yield
        kernel.drift("a", None)

    given = {
        "states": (ONE, TWO),
        "empty": {},
        "meddle_unheard": meddle_unheard,
        "rival": rival,
        "wrong": ({"A": "1"}, {"a": 1}),
        **options,
    }
    return SourceCase(make=lambda: make(kernel), look=look, meddle=meddle, **given)


async def broken(law: str, make: Make, **options: Any) -> LawBroken:
    """How a source fails a law, and so the whole."""
    with pytest.raises(LawBroken) as failure:
        await LAWS[law].check(case_of(make, **options))
    with pytest.raises((LawBroken, CaseError)):
        await check_source(case_of(make, **options))
    assert failure.value.law == law
    assert str(failure.value).startswith(f"fake breaks the law {law!r}: {LAWS[law].says}\n")
    return failure.value
