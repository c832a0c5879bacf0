"""The half of a source that sysctl and cgroup share, over a directory and a fake kernel."""

from __future__ import annotations

import asyncio
import errno
import os
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import anyio
import pytest

from linx_async import Claim, Hint, OpError, Outcome, Ownership, ScopeGone
from linx_async._flat import source as flat_source
from linx_async._flat.diff import FlatOp, Vocabulary
from linx_async._flat.ops import ReleaseValue, RevertValue, SetValue
from linx_async._flat.source import FlatSource, Writer
from linx_async._flat.values import same_numbers
from linx_async._kernel import files, tree
from linx_async._kernel.files import Location
from linx_async._kernel.tree import Tree

Settings = Mapping[str, str]


def same(_key: str, text: str, value: str) -> bool:
    return text == value or same_numbers(text, value)


class Folder(FlatSource[Settings, FlatOp]):
    """A directory of files, `a/b` being the key of one."""

    vocabulary: Vocabulary[FlatOp] = Vocabulary(same, SetValue, RevertValue, ReleaseValue)

    def __init__(self, root: Path) -> None:
        super().__init__()
        self.name = "folder"
        self.identity = "folder"
        self.root = root
        self.gone = False
        self.written = threading.Event()

    def subscribe(self) -> AbstractAsyncContextManager[AsyncIterator[Hint]]:
        raise NotImplementedError

    def check(self, desired: Settings) -> Settings:
        return desired

    def _settings(self, desired: Settings) -> Settings:
        return desired

    def _open(self) -> None:
        self._tree = Tree(str(self.root), lambda function: function(), lambda *_: None)

    def _close(self) -> None:
        if self._tree is not None:
            self._tree.close()
        self._tree = None

    def _check_scope(self) -> None:
        if self.gone:
            raise ScopeGone("the folder is gone")

    def _write_files(self, write: Writer, batch: Sequence[FlatOp]) -> list[Outcome]:
        try:
            return super()._write_files(write, batch)
        finally:
            self.written.set()

    def _locate(self, key: str) -> Location:
        directory, _, name = key.rpartition("/")
        return directory, name

    def _explain(self, key: str, number: int) -> str | OpError:
        return "not there" if number == errno.ENOENT else OpError(key, number)

    def _refused(self, key: str, text: str, number: int | None) -> OpError:
        return OpError(key, number, f"{text!r} is refused")


class Kernel:
    """What the files do with what is written to them."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.writes: list[tuple[str, str]] = []
        self.takes: Callable[[str, str], str] = lambda _name, text: text

    def write(self, directory: int, name: str, data: bytes) -> None:
        text = data.decode()
        self.writes.append((name, text))
        path = Path(os.readlink(f"/proc/self/fd/{directory}"), name)
        path.write_text(self.takes(name, text) + "\n")


@pytest.fixture
def kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Kernel:
    for name, value in (("a", "0"), ("b", "0"), ("c", "0")):
        (tmp_path / name).write_text(f"{value}\n")
    kernel = Kernel(tmp_path)
    monkeypatch.setattr(flat_source, "write_at", kernel.write)
    return kernel


@pytest.fixture
def holding() -> Iterator[threading.Event]:
    """Set at the end, so that no thread is held for ever."""
    event = threading.Event()
    yield event
    event.set()


async def written(kernel: Kernel, *ops: FlatOp) -> Sequence[Outcome]:
    async with Folder(kernel.root) as source:
        await source.observe({op.key: "" for op in ops}, Ownership())
        return await source.apply(ops)


def set_a(text: str, was: str = "0") -> SetValue:
    return SetValue("a", text, was, was)


pytestmark = pytest.mark.anyio


async def test_what_is_there_is_read_and_what_is_not_is_told(kernel: Kernel) -> None:
    (kernel.root / "d").mkdir()
    async with Folder(kernel.root) as source:
        observed = await source.observe({"a": "1", "x": "1"}, Ownership({"d": Claim("d")}))
    assert observed.values == {"a": "0"}
    assert observed.absent == {"x": "not there"}
    assert {key: error.errno for key, error in observed.refused.items()} == {"d": errno.EISDIR}


async def test_a_scope_that_did_not_change_is_the_same_observation_and_the_same_plan(
    kernel: Kernel,
) -> None:
    desired, owned = {"a": "1"}, Ownership()
    async with Folder(kernel.root) as source:
        observed = await source.observe(desired, owned)
        plan = source.diff(desired, observed, owned)
        assert await source.observe(desired, owned) is observed
        assert source.diff(desired, observed, owned) is plan
        (kernel.root / "a").write_text("1\n")
        later = await source.observe(desired, owned)
        assert later.values == {"a": "1"}
        assert not source.diff(desired, later, owned)


async def test_a_pass_that_fails_leaves_nothing_of_its_keys_to_the_next(kernel: Kernel) -> None:
    (kernel.root / "b").write_text("2\n")
    first, second, owned = {"a": "0"}, {"b": "0"}, Ownership()
    async with Folder(kernel.root) as source:
        await source.observe(first, owned)
        source.gone = True
        with pytest.raises(ScopeGone):
            await source.observe(second, owned)
        source.gone = False
        assert (await source.observe(first, owned)).values == {"a": "0"}
        assert (await source.observe(second, owned)).values == {"b": "2"}


async def test_it_may_be_entered_again_with_nothing_to_look_at(kernel: Kernel) -> None:
    source = Folder(kernel.root)
    async with source:
        await source.observe({"a": "0"}, Ownership())
    async with source:
        assert (await source.observe({}, Ownership())).values == {}


async def test_before_it_is_entered_it_says_so(kernel: Kernel) -> None:
    with pytest.raises(RuntimeError, match="folder: enter the source first"):
        await Folder(kernel.root).observe({"a": "1"}, Ownership())


async def test_a_value_is_written_and_read_back(kernel: Kernel) -> None:
    (outcome,) = await written(kernel, set_a("1"))
    assert (outcome.error, outcome.unknown, outcome.settled) == (None, False, "1")
    assert outcome.duration is not None
    assert kernel.writes == [("a", "1")]


async def test_a_value_that_a_write_before_has_set_is_not_written_again(kernel: Kernel) -> None:
    def also_b(name: str, text: str) -> str:
        (kernel.root / "b").write_text("01\n")
        return text

    kernel.takes = also_b
    outcomes = await written(kernel, set_a("1"), SetValue("b", "1", "0", "0"))
    assert [outcome.settled for outcome in outcomes] == ["1", "01"]
    assert kernel.writes == [("a", "1")]


async def test_what_the_kernel_rounds_is_learned_when_it_rounds_alike_twice(kernel: Kernel) -> None:
    kernel.takes = lambda _name, text: str(int(text) // 10 * 10)
    (outcome,) = await written(kernel, set_a("1234"))
    assert (outcome.error, outcome.settled) == (None, "1230")
    assert kernel.writes == [("a", "1234")] * 2


async def test_what_was_rounded_before_is_known_again_by_its_size(kernel: Kernel) -> None:
    (kernel.root / "a").write_text("1230\n")
    kernel.takes = lambda _name, text: str(int(text) // 10 * 10)
    (outcome,) = await written(kernel, set_a("1234", was="1230"))
    assert (outcome.error, outcome.settled) == (None, "1230")


async def test_a_value_that_does_not_stick_is_told_and_may_be_ours(kernel: Kernel) -> None:
    kernel.takes = lambda _name, _text: "0"
    (outcome,) = await written(kernel, set_a("1"))
    assert outcome.unknown
    assert "reads '0'" in str(outcome.error)
    # What is read now is somebody else's, and is not to be taken for our own later.
    assert outcome.settled == "1"


async def test_a_value_that_somebody_else_sets_at_once_is_told(kernel: Kernel) -> None:
    answers = iter("56")
    kernel.takes = lambda _name, _text: next(answers)
    (outcome,) = await written(kernel, set_a("1"))
    assert outcome.unknown
    assert "somebody else" in str(outcome.error)


async def test_a_refusal_is_the_ops_own_and_the_others_are_tried(kernel: Kernel) -> None:
    def picky(name: str, text: str) -> str:
        if name == "a":
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        return text

    kernel.takes = picky
    refused, done = await written(kernel, set_a("1"), SetValue("b", "1", "0", "0"))
    assert refused.error is not None
    assert refused.error.errno == errno.EINVAL
    assert not refused.unknown
    assert (done.error, done.settled) == (None, "1")


async def test_a_write_that_was_taken_in_part_may_have_been_done(kernel: Kernel) -> None:
    def partly(_name: str, _text: str) -> str:
        raise OSError("the kernel took 2 of 3 bytes")

    kernel.takes = partly
    (outcome,) = await written(kernel, set_a("1 2"))
    assert outcome.unknown
    assert "2 of 3 bytes" in str(outcome.error)


async def test_a_directory_that_came_since_the_reading_is_not_written_to(kernel: Kernel) -> None:
    async with Folder(kernel.root) as source:
        await source.observe({"new/a": "1"}, Ownership())
        (kernel.root / "new").mkdir()
        (kernel.root / "new" / "a").write_text("0\n")
        (outcome,) = await source.apply([SetValue("new/a", "1", "0", "0")])
    assert outcome.error is not None
    assert outcome.error.errno == errno.ENOENT
    assert kernel.writes == []


async def test_a_batch_that_takes_too_long_is_left_with_at_most_the_write_it_is_in(
    kernel: Kernel, holding: threading.Event
) -> None:
    begun = threading.Event()

    def slow(_name: str, _text: str) -> str:
        begun.set()
        holding.wait()
        return "7"  # which asks for a second write, as rounding does

    kernel.takes = slow
    async with Folder(kernel.root) as source:
        await source.observe({"a": "1", "b": "1"}, Ownership())
        async with anyio.create_task_group() as tg:
            tg.start_soon(source.apply, [set_a("1"), SetValue("b", "1", "0", "0")])
            await anyio.to_thread.run_sync(begun.wait)
            tg.cancel_scope.cancel()
        holding.set()
        await anyio.to_thread.run_sync(source.written.wait)
    assert kernel.writes == [("a", "1")]


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_task_that_asyncio_cancels_while_it_reads_leaves_no_descriptor(
    kernel: Kernel, holding: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = asyncio.Event()
    loop = asyncio.get_running_loop()
    read_at = files.read_at

    def slow(directory: int, name: str) -> bytes:
        loop.call_soon_threadsafe(begun.set)
        holding.wait()
        return read_at(directory, name)

    monkeypatch.setattr(tree, "read_at", slow)

    async def one_pass() -> None:
        async with Folder(kernel.root) as source:
            await source.observe({"a": "1", "b": "1"}, Ownership())

    task = asyncio.create_task(one_pass())
    await begun.wait()
    task.cancel()
    # It has to wait for the thread, which would open what nobody closes: it gets time not to.
    done, _ = await asyncio.wait([task], timeout=0.05)
    assert not done
    holding.set()
    with pytest.raises(asyncio.CancelledError):
        await task
