"""A fake kernel: objects by key in memory, hints of every change, and faults on request."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import contextmanager
from errno import EEXIST, ENOENT
from os import strerror

from anyio import Event
from anyio.lowlevel import checkpoint

from linx_async._core.errors import ScopeGone
from linx_async._core.hints import HintQueue
from linx_async._core.model import Hint, Verb

from .faults import DroppedHint, FailingLook, NoAnswer, Refusal, Rounding, SideEffect, Silence
from .faulty import Faulty

__all__ = ["FakeKernel"]

_END = Hint("the stream of hints has ended")


class FakeKernel(Faulty):
    """Objects by key, without a tag that tells whose they are; every change is told to watchers.

    All of it happens at once, in whichever task calls: a story about it needs no real time. What is
    called a fault below is in force from the call on until the `Fault` that it gives is lifted, or
    to the end of a `with` block:

    ```python
    kernel = FakeKernel({"a": "1"})
    kernel.refuse("a", errno.EBUSY, times=2)
    with kernel.drop_hints():
        kernel.drift("a", "2")
    ```

    Args:
        objects: What is there in the beginning, by key.

    Attributes:
        objects: What is there now. Change it here to change it without a hint and past all faults.
        changes: How often it was changed, by anybody, in ways other than that.
        there: Whether it is there: see `vanish`.
        incarnation: Which of several kernels of the same name it is, counted from 1.
    """

    def __init__(self, objects: Mapping[str, str] | None = None) -> None:
        super().__init__()
        self.objects: dict[str, str] = dict(objects or {})
        self.changes: int = 0
        self.there: bool = True
        self.incarnation: int = 1
        self._watchers: list[_Stream] = []
        self._awaited: Event | None = None

    # What a source does -----------------------------------------------------------------------

    def check_there(self) -> None:
        """Make sure that it is there.

        Raises:
            ScopeGone: It has vanished.
        """
        if not self.there:
            raise ScopeGone("the fake kernel is not there")

    def look(self) -> dict[str, str]:
        """All objects, by key.

        Raises:
            ScopeGone: It has vanished.
            Exception: What `fail` was given.
        """
        self.check_there()
        for fault in self._in_force(FailingLook, "", Verb.UPDATE):
            raise fault.error
        return dict(self.objects)

    def create(self, key: str, value: str) -> str:
        """Make an object that is not there.

        Returns:
            Its value, as the kernel holds it.

        Raises:
            OSError: Refused: EEXIST where there is one.
            NoAnswer: No answer will ever come.
            ScopeGone: It has vanished.
        """
        return self._change(Verb.CREATE, key, value)

    def update(self, key: str, value: str) -> str:
        """Change an object that is there.

        Returns:
            Its value, as the kernel holds it.

        Raises:
            OSError: Refused: ENOENT where there is none.
            NoAnswer: No answer will ever come.
            ScopeGone: It has vanished.
        """
        return self._change(Verb.UPDATE, key, value)

    def delete(self, key: str) -> None:
        """Delete an object that is there.

        Raises:
            OSError: Refused: ENOENT where there is none.
            NoAnswer: No answer will ever come.
            ScopeGone: It has vanished.
        """
        self._change(Verb.DELETE, key, "")

    @contextmanager
    def watch(self) -> Iterator[AsyncIterator[Hint]]:
        """A stream of hints, one a change, from the beginning of the block to its end.

        Raises:
            ScopeGone: It has vanished.
        """
        self.check_there()
        stream = _Stream()
        self._watchers.append(stream)
        try:
            yield stream
        finally:
            self._watchers.remove(stream)

    @property
    def watched(self) -> int:
        """How many streams of hints there are."""
        return len(self._watchers)

    async def until(self, holds: Callable[[Mapping[str, str]], bool]) -> None:
        """Wait for a change after which the objects are as a test wants them, or go on at once.

        It sees changes of which no hint told, but none that were made in `objects` directly.

        Args:
            holds: Says of the objects whether they are.
        """
        await checkpoint()
        while not holds(self.objects):
            if self._awaited is None:
                self._awaited = Event()
            await self._awaited.wait()

    # What somebody else does ------------------------------------------------------------------

    def drift(self, key: str, value: str | None) -> None:
        """Somebody else puts an object there, or takes it away.

        Of all faults it meets dropped hints alone.

        Args:
            key: The object.
            value: Its new value; None: it is deleted.

        Raises:
            FileNotFoundError: It is to be deleted, and not there.
        """
        if value is None and key not in self.objects:
            raise FileNotFoundError(ENOENT, strerror(ENOENT), key)
        self._put(key, value)

    # What goes wrong at once ------------------------------------------------------------------

    def lose_hints(self) -> None:
        """Say now, to all who watch, that hints were lost, as a socket that overflows does."""
        self.announce(Hint("notifications were lost", lost=True))

    def end_hints(self) -> None:
        """End now every stream of hints that there is: to a loop it is a crash."""
        for stream in self._watchers:
            stream.end()

    def announce(self, hint: Hint) -> None:
        """Give a hint now to all who watch; a false alarm, say."""
        for stream in self._watchers:
            stream.put(hint)

    def vanish(self) -> None:
        """Be gone from now on, as a namespace is; whoever watches gets a last hint."""
        self.there = False
        self.announce(Hint("the fake kernel vanished"))

    def come_back(self, objects: Mapping[str, str] | None = None) -> None:
        """Be there again.

        Args:
            objects: What another one of the same name has, which is in its place now; None: it is
                the one there was, with all that it had.
        """
        self.there = True
        if objects is not None:
            self.objects = dict(objects)
            self.incarnation += 1
            self._wake_waiting()

    # ------------------------------------------------------------------------------------------

    def _change(self, verb: Verb, key: str, value: str) -> str:
        self.check_there()
        for refusal in self._in_force(Refusal, key, verb):
            raise OSError(refusal.errno, refusal.message or strerror(refusal.errno), key)
        silence = next(self._in_force(Silence, key, verb), None)
        is_impossible = (key in self.objects) is (verb is Verb.CREATE)
        if silence is not None and (is_impossible or not silence.done):
            raise NoAnswer(key)
        if is_impossible:
            number = EEXIST if verb is Verb.CREATE else ENOENT
            raise OSError(number, strerror(number), key)
        for rounding in self._in_force(Rounding, key, verb):
            value = rounding.to(value)
        self._put(key, None if verb is Verb.DELETE else value)
        for effect in self._in_force(SideEffect, key, verb):
            for other, text in effect.changes.items():
                if text is not None or other in self.objects:
                    self._put(other, text)
        if silence is not None:
            raise NoAnswer(key)
        return value

    def _put(self, key: str, value: str | None) -> None:
        self.changes += 1
        verb = Verb.DELETE if value is None else Verb.UPDATE
        if value is None:
            del self.objects[key]
        else:
            self.objects[key] = value
        if not any(self._in_force(DroppedHint, key, verb)):
            self.announce(Hint(f"{key} changed", frozenset({key})))
        self._wake_waiting()

    def _wake_waiting(self) -> None:
        if self._awaited is not None:
            self._awaited.set()
            self._awaited = None


class _Stream:
    """Hints for one who watches, until it is ended."""

    def __init__(self) -> None:
        self._queue = HintQueue()
        self._ends = False

    def put(self, hint: Hint) -> None:
        if not self._ends:
            self._queue.put(hint)

    def end(self) -> None:
        self._ends = True
        self._queue.put(_END)

    def __aiter__(self) -> AsyncIterator[Hint]:
        return self

    async def __anext__(self) -> Hint:
        if self._ends:
            self._queue.put(_END)  # again: it was read, or made way where too many were waiting
        hint = await anext(self._queue)
        if hint is _END:
            raise StopAsyncIteration
        return hint
