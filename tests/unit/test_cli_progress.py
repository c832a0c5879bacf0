"""How far a pass has come: what it tells, and the bar that shows it while an apply takes long."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import anyio
import pytest
from anyio import to_thread

from linx_async import SourceError, StalePlan, reconcile
from linx_async.cli import progress
from linx_async.cli.progress import Standing, with_bar
from linx_async.testing import FakeKernel, FakeSource

pytestmark = pytest.mark.anyio


async def test_a_pass_tells_after_each_batch_how_many_ops_had_their_turn() -> None:
    heard: list[tuple[int, int]] = []
    source = FakeSource(FakeKernel(), batch=2)
    desired = {"a": "1", "b": "1", "c": "1", "d": "1", "e": "1"}
    await reconcile(source, desired, on_batch=lambda done, total: heard.append((done, total)))
    assert heard == [(0, 5), (2, 5), (4, 5), (5, 5)]


async def test_what_could_not_be_tried_had_its_turn_too() -> None:
    standing = Standing("fake")
    kernel = FakeKernel()
    kernel.refuse("a")
    source = FakeSource(kernel, batch=1)
    report = await reconcile(source, {"a": "1", "b<a": "1"}, on_batch=standing.count)
    assert [op.key for op in report.pending] == ["b<a"]
    assert (standing.done, standing.total) == (2, 2)


async def test_a_plan_that_was_outdated_is_counted_anew() -> None:
    outdated = [StalePlan("fake: somebody was faster")]

    async def once(where: str) -> None:
        if where.startswith("before") and outdated:
            raise outdated.pop()

    heard: list[tuple[int, int]] = []
    source = FakeSource(FakeKernel(), step=once)
    await reconcile(source, {"a": "1"}, on_batch=lambda done, total: heard.append((done, total)))
    assert heard == [(0, 1), (0, 1), (1, 1)]


async def test_a_quiet_pass_has_nothing_to_count() -> None:
    heard: list[tuple[int, int]] = []
    source = FakeSource(FakeKernel({"a": "1"}))
    await reconcile(source, {"a": "1"}, on_batch=lambda done, total: heard.append((done, total)))
    assert heard == [(0, 0)]


class Bar:
    """What a terminal would show."""

    def __init__(self, broken: OSError | None = None) -> None:
        self.shown: list[tuple[str, int, int]] = []
        self.cleared = False
        self.broken = broken
        self._changed = threading.Event()

    def show(self, part: str, done: int, total: int) -> None:
        self.shown.append((part, done, total))
        self._changed.set()
        if self.broken:
            raise self.broken

    def clear(self) -> None:
        self.cleared = True

    async def until_shown(self) -> None:
        self._changed.clear()
        assert await to_thread.run_sync(self._changed.wait, 10)


@pytest.fixture
def bar(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bar]:
    bar = Bar()
    monkeypatch.setattr(progress, "_Bar", lambda: bar)
    monkeypatch.setattr(progress, "DELAY", 0)
    monkeypatch.setattr(progress, "PERIOD", 0)
    yield bar
    assert bar.cleared


async def test_the_bar_shows_how_far_it_is_and_goes_when_the_work_is_done(bar: Bar) -> None:
    standing = Standing()

    async def work() -> None:
        standing.begin("rtnl")
        await bar.until_shown()
        await bar.until_shown()
        standing.count(3, 4)
        await bar.until_shown()
        await bar.until_shown()

    await with_bar(work, standing)
    assert ("rtnl", 0, 0) in bar.shown
    assert bar.shown[-1] == ("rtnl", 3, 4)


async def test_an_error_of_the_work_is_its_own_and_the_bar_goes(bar: Bar) -> None:
    async def work() -> None:
        await bar.until_shown()
        raise SourceError("gone")

    with pytest.raises(SourceError, match="gone"):
        await with_bar(work, Standing())


async def test_cancelled_work_takes_the_bar_along(bar: Bar) -> None:
    with anyio.CancelScope() as scope:

        async def work() -> None:
            await bar.until_shown()
            scope.cancel()
            await anyio.sleep_forever()

        await with_bar(work, Standing())
    assert scope.cancelled_caught


async def test_the_work_goes_on_where_the_terminal_has_gone(bar: Bar) -> None:
    bar.broken = OSError(5, "the terminal hung up")
    done = []

    async def work() -> None:
        await bar.until_shown()
        done.append(True)

    await with_bar(work, Standing())
    assert (done, len(bar.shown)) == ([True], 1)
