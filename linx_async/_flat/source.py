"""The half of a source that sysctl and cgroup share: reading, writing, and the quiet pass."""

from __future__ import annotations

import errno
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Generic, Self, TypeVar

from anyio import to_thread
from attrs import evolve

from .._core.errors import OpError
from .._core.groups import uninterrupted
from .._core.model import Hint, Outcome, Plan
from .._core.ownership import Ownership
from .._kernel.files import Location, read_at, write_at
from .._kernel.tree import Tree
from .diff import FlatOp, OpT, Vocabulary, diff
from .observed import Observed
from .ops import ReleaseValue, WriteValue
from .values import close_enough, stripped

__all__ = ["FlatSource"]

Writer = Callable[[Sequence[FlatOp]], list[Outcome]]


DesiredT = TypeVar("DesiredT")


class FlatSource(ABC, Generic[DesiredT, OpT]):
    """Reads and writes the files of one scope, each op by itself.

    A subsystem says where the scope is, which file a key is, and what the kernel's answers mean.
    """

    vocabulary: Vocabulary[OpT]
    name: str
    identity: str

    def __init__(self, *, revert_on_release: bool = False) -> None:
        self.revert_on_release: bool = revert_on_release
        self._asked: tuple[object, Ownership] | None = None
        self._keys: tuple[str, ...] = ()
        self._locations: list[Location] = []
        self._raw: list[bytes | int] = []
        self._observed = Observed()
        self._tree: Tree | None = None
        self._planned: tuple[object, Observed, Ownership, bool, Plan[OpT]] | None = None

    async def __aenter__(self) -> Self:
        if self._tree is not None:
            raise RuntimeError(f"{self.name}: entered already; give each loop a source of its own")
        try:
            await uninterrupted(lambda: to_thread.run_sync(self._open))
        except BaseException:
            await uninterrupted(lambda: to_thread.run_sync(self._close))
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._forget_reading()
        await uninterrupted(lambda: to_thread.run_sync(self._close))

    @abstractmethod
    def subscribe(self) -> AbstractAsyncContextManager[AsyncIterator[Hint]]:
        """A stream of hints on the keys that the last observation named."""

    @abstractmethod
    def check(self, desired: DesiredT, /) -> DesiredT:
        """The desired state, checked and converted."""

    async def observe(self, desired: DesiredT, owned: Ownership) -> Observed:
        """Read the desired keys and those we own.

        Raises:
            SourceError: The scope cannot be read.
        """
        settings = self._settings(desired)
        keys = self._keys
        if self._asked is None or self._asked[0] is not desired or self._asked[1] is not owned:
            asked = (*settings, *(key for key in owned if key not in settings))
            # The same object for the same keys: that is how the quiet pass knows them.
            keys = self._keys if asked == self._keys else asked
        await self._watch(keys)

        def read() -> Observed:
            observed = self._read(keys)
            # Kept for `diff`: a long plan is made in this thread, not on the event loop's.
            self.diff(desired, observed, owned)
            return observed

        observed = await uninterrupted(lambda: to_thread.run_sync(read))
        self._asked = (desired, owned)
        return observed

    def diff(self, desired: DesiredT, observed: Observed, owned: Ownership) -> Plan[OpT]:
        """What has to be done; the same plan again when nothing has changed."""
        asked = (desired, observed, owned, self.revert_on_release)
        if self._planned is not None and all(
            one is other for one, other in zip(asked, self._planned, strict=False)
        ):
            return self._planned[-1]
        plan = diff(
            self._settings(desired),
            observed,
            owned,
            self.vocabulary,
            revert_on_release=self.revert_on_release,
        )
        self._planned = (*asked, plan)
        return plan

    async def apply(self, batch: Sequence[OpT]) -> Sequence[Outcome]:
        """Write each key and read it back; every one is tried."""
        stop = threading.Event()
        try:
            return await to_thread.run_sync(self._write_all, batch, stop, abandon_on_cancel=True)
        finally:
            # A thread that was left behind does at most the one write it is in.
            stop.set()

    @abstractmethod
    def _settings(self, desired: DesiredT) -> Mapping[str, str]:
        """The settings of a desired state that was checked."""

    @abstractmethod
    def _open(self) -> None:
        """Pin the scope; in a thread. Sets the identity."""

    @abstractmethod
    def _close(self) -> None:
        """Let it go; in a thread."""

    @abstractmethod
    def _check_scope(self) -> None:
        """Make sure that the scope is there, and `_tree` its directories; in a thread.

        Raises:
            SourceError: It is not.
        """

    def _forget_reading(self) -> None:
        """Take nothing of the last pass for granted: the next one looks at everything anew."""
        self._asked = None
        self._keys = ()
        self._locations = []
        self._raw = []
        self._observed = Observed()

    async def _watch(self, keys: Sequence[str]) -> None:
        """See to it that changes of those keys are hinted at, before they are read."""

    @abstractmethod
    def _locate(self, key: str) -> Location:
        """The file of a key."""

    @abstractmethod
    def _explain(self, key: str, number: int) -> str | OpError:
        """Why a key cannot be read: it is not there (text), or not to be had (error)."""

    @abstractmethod
    def _refused(self, key: str, text: str, number: int | None) -> OpError:
        """Why a key cannot be written."""

    def _files(self) -> Tree:
        if self._tree is None:
            raise RuntimeError(f"{self.name}: enter the source first (async with)")
        return self._tree

    def _opened(self, directory: str, fd: int) -> None:
        """A directory was opened; in a thread."""

    def _tidy(self, locations: Sequence[Location]) -> None:
        """Let go of what is needed no more, now that these files are read; in a thread."""

    def _watch_pins(self) -> None:
        """Watch what was opened before anybody listened."""
        for directory, fd in self._files().pins.items():
            self._opened(directory, fd)

    def _read_files(self, locations: Sequence[Location]) -> list[bytes | int]:
        return self._files().read_all(locations)

    def _write_files(self, write: Writer, batch: Sequence[FlatOp]) -> list[Outcome]:
        return write(batch)

    def _pieces(self, _key: str, text: str) -> list[bytes]:
        """The writes that one value takes."""
        return [text.encode("utf-8", "surrogateescape")]

    def _incarnation(self) -> str | None:
        return None

    def _read(self, keys: tuple[str, ...]) -> Observed:
        known = keys is self._keys
        locations = self._locations if known else [self._locate(key) for key in keys]
        self._check_scope()
        if not known:
            self._tidy(locations)
        tree = self._files()
        raw = self._read_files(locations)
        same = known and raw == self._raw and not tree.replaced
        if same and self._observed.incarnation == self._incarnation():
            return self._observed
        replaced, tree.replaced = tree.replaced, set()
        self._keys, self._locations, self._raw = keys, locations, raw
        self._observed = self._understand(keys, raw, replaced)
        return self._observed

    def _understand(
        self, keys: Sequence[str], raw: Sequence[bytes | int], replaced: set[str]
    ) -> Observed:
        values: dict[str, str] = {}
        absent: dict[str, str] = {}
        refused: dict[str, OpError] = {}
        for key, found in zip(keys, raw, strict=True):
            if isinstance(found, bytes):
                values[key] = stripped(found)
                continue
            why = self._explain(key, found)
            if isinstance(why, OpError):
                refused[key] = why
            else:
                absent[key] = why
        renewed = frozenset(key for key in keys if self._locate(key)[0] in replaced)
        return Observed(values, absent, refused, self._incarnation(), renewed)

    def _write_all(self, batch: Sequence[FlatOp], stop: threading.Event) -> list[Outcome]:
        def write(ops: Sequence[FlatOp]) -> list[Outcome]:
            return [Outcome(unknown=True) if stop.is_set() else self._write(op, stop) for op in ops]

        return self._write_files(write, batch)

    def _write(self, op: FlatOp, stop: threading.Event) -> Outcome:
        if isinstance(op, ReleaseValue):
            return Outcome()
        began = time.perf_counter()
        try:
            outcome = self._settle(op, stop)
        except OSError as error:
            if error.errno is None:
                outcome = Outcome(error=OpError(op.key, None, str(error)), unknown=True)
            else:
                # Of several writes, those before the refused one were taken.
                partly = len(self._pieces(op.key, op.text)) > 1
                refusal = self._refused(op.key, op.text, error.errno)
                outcome = Outcome(error=refusal, unknown=partly)
        return evolve(outcome, duration=time.perf_counter() - began)

    def _settle(self, op: WriteValue, stop: threading.Event) -> Outcome:
        # An op before this one may have done it, as a side effect.
        back = self._read_back(op)
        if not self._means(op, back):
            back = self._write_once(op)
        if self._means(op, back):
            return Outcome(settled=back)
        # The kernel's rounding gives the same again; another writer hardly does.
        again = None if stop.is_set() else self._write_once(op)
        if again == back and (back != op.was or close_enough(op.text, back)):
            return Outcome(settled=back)
        message = (
            f"was written, and reads {back!r}: somebody else sets it, it does not stick, or the "
            "kernel spells it so"
        )
        return Outcome(error=OpError(op.key, None, message), unknown=True, settled=op.text)

    def _means(self, op: WriteValue, value: str) -> bool:
        return value == op.text or self.vocabulary.same(op.key, op.text, value)

    def _write_once(self, op: WriteValue) -> str:
        fd, name = self._place(op.key)
        for piece in self._pieces(op.key, op.text):
            write_at(fd, name, piece)
        return stripped(read_at(fd, name))

    def _read_back(self, op: WriteValue) -> str:
        return stripped(read_at(*self._place(op.key)))

    def _place(self, key: str) -> tuple[int, str]:
        """The directory and the name of a file that was observed.

        It is not opened anew: a new object of that name was not observed, and is not ours.
        """
        directory, name = self._locate(key)
        fd = self._files().pins.get(directory)
        if fd is None:
            raise FileNotFoundError(errno.ENOENT, "not there any more")
        return fd, name
