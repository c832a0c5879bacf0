"""A pass looks again where its source says that an op may have taken something along."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from linx_async import Claim, Outcome, Ownership, reconcile
from tests.fakes import Change, FakeSource, Put, Remove, Shelf

pytestmark = pytest.mark.anyio

OURS = Ownership({"post": Claim("post", "1"), "leaning": Claim("leaning", "1")})


class Leaning(FakeSource):
    """What leans on a post falls with it: and again each time it is put up, `falls` times."""

    def __init__(self, shelf: Shelf, falls: int) -> None:
        super().__init__(shelf)
        self.shelf = shelf
        self.falls = falls

    def unsettles(self, op: Change) -> bool:
        return isinstance(op, Remove) or self.falls > 0

    async def apply(self, batch: Sequence[Change]) -> Sequence[Outcome]:
        outcomes = await super().apply(batch)
        if self.falls:
            self.falls -= 1
            self.shelf.drift("leaning", None)
        return outcomes


async def test_what_fell_with_another_is_put_up_again_in_the_same_pass() -> None:
    shelf = Shelf({"post": "1", "leaning": "1"})
    report = await reconcile(Leaning(shelf, 1), {"leaning": "1"}, last_applied=OURS)
    assert report.converged
    assert shelf.look() == {"leaning": "1"}
    assert [type(op) for op in report.applied] == [Remove, Put]
    assert report.last_applied.keys() == {"leaning"}


async def test_it_is_not_looked_again_for_ever() -> None:
    shelf = Shelf({"post": "1", "leaning": "1"})
    source = Leaning(shelf, 10**6)
    report = await reconcile(source, {"leaning": "1"}, last_applied=OURS)
    assert [op.key for op in report.applied] == ["post", "leaning", "leaning"]
    assert source.calls.count("observe") == 3


async def test_where_nothing_is_taken_along_it_is_looked_once() -> None:
    source = Leaning(Shelf(), 0)
    report = await reconcile(source, {"post": "1"})
    assert report.converged
    assert source.calls.count("observe") == 1
