"""Fake kernels with untagged objects, and a source that drives them."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self, cast

from anyio.lowlevel import checkpoint
from attrs import frozen

from linx_async import (
    Claim,
    Conflict,
    DesiredStateError,
    Hint,
    OpError,
    Outcome,
    Ownership,
    Plan,
    Verb,
    Waiting,
)
from linx_async._core.hints import HintQueue

Objects = Mapping[str, str]


@frozen
class Put:
    """Create an object, or change one."""

    key: str
    value: str
    was: str | None = None
    original: str | None = None
    requires: frozenset[str] = frozenset()

    @property
    def verb(self) -> Verb:
        return Verb.CREATE if self.was is None else Verb.UPDATE

    @property
    def claim(self) -> Claim:
        return Claim(self.key, self.value, self.original)

    def __str__(self) -> str:
        return f"put {self.key} = {self.value}"


@frozen
class Remove:
    """Delete an object."""

    key: str
    requires: frozenset[str] = frozenset()

    verb = Verb.DELETE
    original = None
    claim = None

    def __str__(self) -> str:
        return f"remove {self.key}"


@frozen
class Restore:
    """Put the original value back."""

    key: str
    original: str

    verb = Verb.REVERT
    claim = None
    requires = frozenset[str]()

    def __str__(self) -> str:
        return f"restore {self.key} = {self.original}"


@frozen
class Forget:
    """Leave an object as it is."""

    key: str

    verb = Verb.RELEASE
    original = None
    claim = None
    requires = frozenset[str]()

    def __str__(self) -> str:
        return f"forget {self.key}"


Change = Put | Remove | Restore | Forget


class Kernel(Protocol):
    """Objects by key, without a tag that tells whose they are."""

    def look(self) -> dict[str, str]: ...
    def create(self, key: str, value: str) -> None: ...
    def update(self, key: str, value: str) -> None: ...
    def delete(self, key: str) -> None: ...


class Shelf:
    """A kernel in memory that announces every change."""

    def __init__(self, objects: Objects | None = None) -> None:
        self.objects = dict(objects or {})
        self.changes = 0
        self._watchers: list[HintQueue] = []

    @contextmanager
    def watch(self) -> Iterator[HintQueue]:
        queue = HintQueue()
        self._watchers.append(queue)
        try:
            yield queue
        finally:
            self._watchers.remove(queue)

    @property
    def watched(self) -> int:
        return len(self._watchers)

    def look(self) -> dict[str, str]:
        return dict(self.objects)

    def create(self, key: str, value: str) -> None:
        if key in self.objects:
            raise FileExistsError(errno.EEXIST, "it is there")
        self._put(key, value)

    def update(self, key: str, value: str) -> None:
        if key not in self.objects:
            raise FileNotFoundError(errno.ENOENT, "it is not there")
        self._put(key, value)

    def delete(self, key: str) -> None:
        if self.objects.pop(key, None) is None:
            raise FileNotFoundError(errno.ENOENT, "it is not there")
        self._announce(key)

    def drift(self, key: str, value: str | None) -> None:
        """Somebody else puts an object there, or takes it away."""
        if value is None:
            self.delete(key)
        else:
            self._put(key, value)

    def lose_hints(self) -> None:
        for queue in self._watchers:
            queue.put(Hint("notifications were lost", lost=True))

    def crash_watchers(self) -> None:
        for queue in self._watchers:
            queue.put(cast("Hint", None))  # which has no reason

    def _put(self, key: str, value: str) -> None:
        self.objects[key] = value
        self._announce(key)

    def _announce(self, key: str) -> None:
        self.changes += 1
        for queue in self._watchers:
            queue.put(Hint(f"{key} changed", frozenset({key})))


class Folder:
    """A kernel that outlives the process: a directory, one file an object, each change atomic."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._draft = path.parent / f"{path.name}-draft-{os.getpid()}"

    def look(self) -> dict[str, str]:
        return {file.name: file.read_text(encoding="utf-8") for file in self.path.iterdir()}

    def create(self, key: str, value: str) -> None:
        self._draft.write_text(value, encoding="utf-8")
        os.link(self._draft, self.path / key)
        self._draft.unlink()

    def update(self, key: str, value: str) -> None:
        if not (self.path / key).exists():
            raise FileNotFoundError(errno.ENOENT, "it is not there")
        self._draft.write_text(value, encoding="utf-8")
        self._draft.rename(self.path / key)

    def delete(self, key: str) -> None:
        (self.path / key).unlink()


async def one_checkpoint(_where: str) -> None:
    await checkpoint()


class FakeSource:
    """Untagged objects of a fake kernel, three-way; names every await to its `step`.

    A key like `child<parent` requires `parent`; one like `later?` waits until `later` is there.

    Args:
        kernel: What it reads and changes.
        name: Its name.
        hints: Where hints come from; default: the kernel, if it announces anything.
        batch: The most ops in one batch.
        revert: Whether what leaves the desired state gets its original value back.
        keep: Whether what leaves the desired state is released, not deleted.
        step: Awaited wherever the source awaits.
    """

    def __init__(
        self,
        kernel: Kernel,
        *,
        name: str = "fake",
        hints: AbstractAsyncContextManager[AsyncIterator[Hint]] | None = None,
        batch: int = 100,
        revert: bool = False,
        keep: bool = False,
        step: Callable[[str], Awaitable[None]] = one_checkpoint,
    ) -> None:
        self.kernel = kernel
        self.name = name
        self.step = step
        self.calls: list[str] = []
        self.refused: dict[str, int] = {}
        self.broken: Exception | None = None
        self.does_not_stick: set[str] = set()
        self._hints = hints
        self._batch = batch
        self._revert = revert
        self._keep = keep
        self._entered = False

    @property
    def passes(self) -> int:
        """How many passes have begun."""
        return self.calls.count("observe")

    async def __aenter__(self) -> Self:
        assert not self._entered, "it is entered twice at once"
        await self._step("enter")
        self._entered = True
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._entered = False
        self.calls.append("leave")

    def check(self, desired: Objects) -> Objects:
        for key, value in desired.items():
            if not re.fullmatch(r"[a-z0-9<?-]+", key):
                raise DesiredStateError(f"desired: {key!r} is no key")
            if type(value) is not str:
                raise DesiredStateError(f"desired: {key}: expected text, got {value!r}")
        return dict(desired)

    def subscribe(self) -> AbstractAsyncContextManager[AsyncIterator[Hint]] | None:
        if self._hints is not None:
            return self._hints
        return self._announced(self.kernel) if isinstance(self.kernel, Shelf) else None

    @asynccontextmanager
    async def _announced(self, shelf: Shelf) -> AsyncIterator[AsyncIterator[Hint]]:
        with shelf.watch() as queue:
            await self._step("subscribe")
            yield queue

    async def observe(self, desired: Objects, owned: Ownership) -> dict[str, str]:
        assert self._entered
        await self._step("observe")
        if self.broken is not None:
            raise self.broken
        found = self.kernel.look()
        await self.step("observed")
        return found

    def diff(self, desired: Objects, observed: Objects, owned: Ownership) -> Plan[Change]:
        return compare(
            desired, observed, owned, batch=self._batch, revert=self._revert, keep=self._keep
        )

    async def apply(self, batch: Sequence[Change]) -> Sequence[Outcome]:
        assert self._entered
        self.calls.append("apply")
        outcomes = []
        for op in batch:
            await self.step(f"before {op}")
            outcomes.append(self._do(op))
            await self.step(f"after {op}")
        return outcomes

    async def _step(self, call: str) -> None:
        self.calls.append(call)
        await self.step(call)

    def _do(self, op: Change) -> Outcome:
        assert not isinstance(op, Forget), "a release is no business of the source's"
        if op.key in self.refused:
            return Outcome(error=OpError(op.key, self.refused[op.key]))
        try:
            settled = self._change(op)
        except OSError as error:
            return Outcome(error=OpError(op.key, error.errno))
        return Outcome(settled=settled)

    def _change(self, op: Put | Remove | Restore) -> str | None:
        if isinstance(op, Remove):
            self.kernel.delete(op.key)
            return None
        value = op.value if isinstance(op, Put) else op.original
        change = self.kernel.create if op.verb is Verb.CREATE else self.kernel.update
        change(op.key, value)
        if op.key in self.does_not_stick:
            self.kernel.update(op.key, "something else")
        return value


def compare(
    desired: Objects,
    observed: Objects,
    owned: Ownership,
    *,
    batch: int = 100,
    revert: bool = False,
    keep: bool = False,
) -> Plan[Change]:
    """The three-way diff of untagged objects."""
    ops: list[Change] = []
    conflicts = []
    waiting = []
    stale = frozenset(key for key in owned if key not in observed)
    for key, value in desired.items():
        there = observed.get(key)
        claim = owned.get(key) if key not in stale else None
        requires = frozenset(key.split("<")[1:])
        if key.endswith("?") and key[:-1] not in observed:
            waiting.append(Waiting(key, f"{key[:-1]} is not there"))
        elif there is None:
            ops.append(Put(key, value, requires=requires))
        elif there == value:
            continue
        elif claim is not None or revert:
            original = there if claim is None else claim.original
            ops.append(Put(key, value, there, original, requires))
        else:
            conflicts.append(Conflict(key, f"it is {there}, and not ours"))
    ops += [
        _let_go(claim, observed[key], revert=revert, keep=keep)
        for key, claim in owned.items()
        if key not in desired and key not in stale
    ]
    batches = tuple(tuple(ops[i : i + batch]) for i in range(0, len(ops), batch))
    return Plan(batches, tuple(waiting), tuple(conflicts), stale)


def _let_go(claim: Claim, there: str, *, revert: bool, keep: bool) -> Change:
    if keep or (revert and claim.original == there):
        return Forget(claim.key)
    if revert and claim.original is not None:
        return Restore(claim.key, claim.original)
    return Remove(claim.key)
