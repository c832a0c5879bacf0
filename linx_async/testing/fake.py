"""A source over a fake kernel: untagged objects by key, owned by our record alone."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from os import strerror
from types import TracebackType
from typing import Protocol, Self

from anyio import sleep_forever
from anyio.lowlevel import checkpoint

from linx_async._core.errors import DesiredStateError, OpError, ScopeGone
from linx_async._core.model import Hint, Outcome, Plan, Verb
from linx_async._core.ownership import Ownership

from .changes import Change, Forget, Objects, OnRelease, Put, Remove, Restore, diff
from .faults import NoAnswer
from .kernel import FakeKernel

__all__ = ["FakeSource", "Kernel"]


class Kernel(Protocol):
    """What a `FakeSource` reads and changes: a `FakeKernel`, or one of your own.

    Its methods raise an OSError where it refuses, and must not block.
    """

    def look(self) -> Mapping[str, str]:
        """All objects, by key."""
        ...

    def create(self, key: str, value: str) -> str:
        """Make an object that is not there; gives its value as the kernel holds it."""
        ...

    def update(self, key: str, value: str) -> str:
        """Change an object that is there; gives its value as the kernel holds it."""
        ...

    def delete(self, key: str) -> None:
        """Delete an object that is there."""
        ...


async def _one_checkpoint(_where: str) -> None:
    await checkpoint()


class FakeSource:
    """Drives a fake kernel, as any Source drives its own; ownership is three-way, by our record.

    The desired state is text by key. A key is of lower-case letters, digits and dashes. One like
    `route<link` requires `link`, and is pending where an op on that failed; one like `late?` waits
    until `late` is there.

    A key that somebody else holds with another value is a conflict, except with
    `on_release="revert"`.

    Args:
        kernel: What it reads and changes.
        name: Its name.
        hints: Where hints come from; default: the kernel, if it is a `FakeKernel`.
        batch: The most ops in one batch, from 1.
        on_release: What becomes of an object of ours that is not desired any more: `"delete"`;
            `"keep"`, it is left there and is nobody's; or `"revert"`, as with sysctls: what is
            there is taken over, and gets its original value back.
        step: Awaited wherever the source awaits, with the name of the place: `"enter"`,
            `"subscribe"`, `"observe"`, `"observed"`, and `"before …"` and `"after …"` each op.

    Attributes:
        kernel: As given.
        name: As given.
        identity: What its records belong to: its name, and which kernel of several it is, where it
            came back as another one.
        step: As given; it may be exchanged.
        calls: What was asked of it, in order: `enter`, `subscribe`, `observe`, `apply`, `leave`.

    Raises:
        ValueError: `batch` is less than 1, or `on_release` none of these.
    """

    def __init__(
        self,
        kernel: Kernel,
        *,
        name: str = "fake",
        hints: AbstractAsyncContextManager[AsyncIterator[Hint]] | None = None,
        batch: int = 100,
        on_release: OnRelease = "delete",
        step: Callable[[str], Awaitable[None]] = _one_checkpoint,
    ) -> None:
        if type(batch) is not int or batch < 1:
            raise ValueError(f"batch: expected a whole number from 1, got {batch!r}")
        if on_release not in {"delete", "keep", "revert"}:
            raise ValueError(f"on_release: expected delete, keep or revert, got {on_release!r}")
        self.kernel: Kernel = kernel
        self.name: str = name
        self.identity: str = name
        self.step: Callable[[str], Awaitable[None]] = step
        self.calls: list[str] = []
        self._hints = hints
        self._batch = batch
        self._on_release: OnRelease = on_release
        self._entered = False
        self._incarnation = 1

    @property
    def passes(self) -> int:
        """How many passes have begun; one that looks again counts again."""
        return self.calls.count("observe")

    async def __aenter__(self) -> Self:
        if self._entered:
            raise RuntimeError(f"{self.name}: entered already; give each loop a source of its own")
        await self._step("enter")
        if isinstance(self.kernel, FakeKernel):
            self.kernel.check_there()
            self._incarnation = self.kernel.incarnation
            if self._incarnation > 1:
                self.identity = f"{self.name}, incarnation {self._incarnation}"
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

    def check(self, desired: Objects, /) -> Objects:
        """The desired state, checked.

        Raises:
            DesiredStateError: It is no mapping, a key is none, or a value is no text.
        """
        if not isinstance(desired, Mapping):
            raise DesiredStateError(f"desired: expected a mapping, got {desired!r}")
        for key, value in desired.items():
            if not (isinstance(key, str) and re.fullmatch(r"[a-z0-9<?-]+", key)):
                raise DesiredStateError(f"desired: {key!r} is no key")
            if type(value) is not str:
                raise DesiredStateError(f"desired: {key}: expected text, got {value!r}")
        return dict(desired)

    def subscribe(self) -> AbstractAsyncContextManager[AsyncIterator[Hint]] | None:
        """A stream of hints; None where the kernel gives none."""
        if self._hints is not None:
            return self._hints
        return self._announced(self.kernel) if isinstance(self.kernel, FakeKernel) else None

    @asynccontextmanager
    async def _announced(self, kernel: FakeKernel) -> AsyncIterator[AsyncIterator[Hint]]:
        with kernel.watch() as hints:
            await self._step("subscribe")
            yield hints

    async def observe(self, desired: Objects, owned: Ownership, /) -> dict[str, str]:
        """All objects of the kernel, foreign ones included.

        Raises:
            ScopeGone: The kernel has vanished, or another one has come in its place.
            Exception: What the kernel raises.
        """
        self._check_entered()
        await self._step("observe")
        found = dict(self.kernel.look())
        await self.step("observed")
        return found

    def diff(self, desired: Objects, observed: Objects, owned: Ownership, /) -> Plan[Change]:
        """The three-way diff: see `linx_async.testing.changes.diff`."""
        return diff(desired, observed, owned, batch=self._batch, on_release=self._on_release)

    async def apply(self, batch: Sequence[Change], /) -> Sequence[Outcome]:
        """Apply one op after the other, each by itself.

        Raises:
            ScopeGone: The kernel has vanished, or another one has come in its place.
        """
        self._check_entered()
        self.calls.append("apply")
        outcomes = []
        for op in batch:
            await self.step(f"before {op}")
            try:
                outcomes.append(self._do(op))
            except NoAnswer:
                await sleep_forever()  # until the time limit of the batch
            await self.step(f"after {op}")
        return outcomes

    async def _step(self, call: str) -> None:
        self.calls.append(call)
        await self.step(call)

    def _check_entered(self) -> None:
        if not self._entered:
            raise RuntimeError(f"{self.name}: enter the source first (async with)")
        if isinstance(self.kernel, FakeKernel) and self.kernel.incarnation != self._incarnation:
            raise ScopeGone(f"{self.name}: another fake kernel has come in place of this one")

    def _do(self, op: Change) -> Outcome:
        if isinstance(op, Forget):
            raise TypeError("a release is no business of the source's")
        try:
            return Outcome(settled=self._change(op))
        except OSError as error:
            number = error.errno or 0
            said = error.strerror or ""
            return Outcome(error=OpError(op.key, number, "" if said == strerror(number) else said))

    def _change(self, op: Put | Remove | Restore) -> str | None:
        if isinstance(op, Remove):
            self.kernel.delete(op.key)
            return None
        value = op.value if isinstance(op, Put) else op.original
        change = self.kernel.create if op.verb is Verb.CREATE else self.kernel.update
        return change(op.key, value)
