"""The sysctl source: /proc/sys of one target."""

from __future__ import annotations

import errno
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

from anyio import to_thread

from .._core.errors import DesiredStateError, OpError
from .._core.groups import uninterrupted
from .._core.model import Hint, Outcome
from .._flat.diff import FlatOp, Vocabulary
from .._flat.source import FlatSource, Writer
from .._kernel.files import Location
from .._kernel.netns import NetworkNamespace, Target
from .._kernel.scopes import Scope, namespace_of
from .._kernel.tree import Tree
from .desired import Desired, DesiredLike
from .diff import VOCABULARY
from .hints import Subscription, subscription
from .keys import interface_of, location, namespace_kind
from .ops import SysctlOp

__all__ = ["ROOT", "Scope", "Source", "check_scope", "in_scope", "refusal", "unreadable"]

ROOT = "/proc/sys"

_OF_THE_THREAD = ("net/mptcp", "net/rds", "net/sctp", "net/vsock")
"""Directories whose handlers look at the thread after all, some of them until Linux 6.13."""


def in_scope(namespace: NetworkNamespace, key: str) -> bool:
    """Whether a key's value belongs to the scope."""
    if namespace.kind == "here":
        return True
    kind = namespace_kind(key)
    return kind == "net" or (kind is not None and namespace.kind == "pid")


def check_scope(namespace: NetworkNamespace, key: str) -> None:
    """Refuse a key whose value does not belong to the scope.

    Raises:
        DesiredStateError: It is another namespace's, or the whole machine's.
    """
    if in_scope(namespace, key):
        return
    kind = namespace_kind(key)
    whose = f"the {kind} namespace" if kind else "the whole machine"
    raise DesiredStateError(
        f"{key} belongs to {whose}, and the scope is {namespace}: declare it where it belongs"
    )


def unreadable(key: str, number: int) -> str | OpError:
    """Why a key cannot be read: text where it is not there, an error where it cannot be had."""
    match number:
        case errno.ENOENT | errno.ENOTDIR | errno.ENODEV:
            interface = interface_of(key)
            if interface:
                return f"the interface {interface} is not there, or has no such key"
            return "not there: its module is not loaded, or the name is misspelt"
        case errno.EACCES | errno.EPERM:
            return OpError(key, number, "cannot be read: it triggers something, or is not for us")
        case errno.EIO if key.endswith("stable_secret"):
            # net/ipv6/addrconf.c, addrconf_sysctl_stable_secret
            message = "has no value yet, or can have none; one that was written once can be kept"
            return OpError(key, number, message)
    return OpError(key, number, "cannot be read")


def refusal(key: str, text: str, number: int | None) -> OpError:
    """Why a key cannot be written."""
    match number:
        case errno.EINVAL | errno.ERANGE | errno.ENOMEM:
            message = f"the kernel does not take {text!r}"
        case errno.EACCES | errno.EPERM:
            message = "may not be written: it takes CAP_NET_ADMIN or root, or is read-only here"
        case errno.EROFS:
            message = "/proc/sys is mounted read-only here"
        case errno.ENOENT | errno.ENODEV:
            message = f"went away meanwhile, or there is no {text!r} to choose"
        case _:
            message = f"cannot be set to {text!r}"
    return OpError(key, number, message)


class Source(FlatSource[DesiredLike, SysctlOp]):
    """The sysctls of one target.

    Args:
        scope: Where: a `NetworkNamespace`, or its short form. None is here.
        revert_on_release: Whether a key that is not desired any more gets its value from before
            we came back; otherwise it is left as it is.

    Raises:
        DesiredStateError: No such form of a scope.
        ScopeGone: There is no such process.
    """

    vocabulary: Vocabulary[SysctlOp] = VOCABULARY

    def __init__(self, scope: Scope = None, *, revert_on_release: bool = False) -> None:
        super().__init__(revert_on_release=revert_on_release)
        self.scope: NetworkNamespace = namespace_of(scope)
        self.name: str = f"sysctl@{self.scope}"
        self.identity: str = self.name
        self._target: Target | None = None
        self._subscription: Subscription | None = None
        self._to_watch: frozenset[str] = frozenset()

    def check(self, desired: DesiredLike, /) -> DesiredLike:
        """The desired state, checked, also for what is not in scope.

        Raises:
            DesiredStateError: It is wrong as written.
        """
        checked = Desired.of(desired)
        for key in checked.settings:
            check_scope(self.scope, key)
        return checked

    @asynccontextmanager
    async def subscribe(self) -> AsyncGenerator[AsyncIterator[Hint], None]:
        """A stream of hints on the keys that the last observation, or `follow`, named."""
        if self._subscription is not None:
            raise RuntimeError(f"{self.name}: has a subscription; give each a source of its own")
        async with subscription(self._entered()) as live:
            self._subscription = live
            self._forget_reading()
            await to_thread.run_sync(self._watch_pins)
            try:
                yield live.hints
            finally:
                self._subscription = None

    async def follow(self, keys: Sequence[str]) -> None:
        """Subscribe to hints on keys, without reading them: for a subscription without a loop."""
        await self._watch(keys)
        await uninterrupted(lambda: to_thread.run_sync(self._pin))

    def _settings(self, desired: DesiredLike) -> Mapping[str, str]:
        return Desired.of(desired).settings

    def _entered(self) -> Target:
        if self._target is None:
            raise RuntimeError(f"{self.name}: enter the source first (async with)")
        return self._target

    def _open(self) -> None:
        self._target = target = self.scope.open()
        self.identity = target.identity
        self._tree = Tree(ROOT, target.call, self._opened)

    def _close(self) -> None:
        if self._tree is not None:
            self._tree.close()
        if self._target is not None:
            self._target.close()
        self._target = self._tree = None
        self._to_watch = frozenset()

    def _opened(self, directory: str, fd: int) -> None:
        if self._subscription is not None:
            self._subscription.watch(directory, fd)

    async def _watch(self, keys: Sequence[str]) -> None:
        if self._subscription is not None and keys is not self._keys:
            self._to_watch = await self._subscription.follow(keys)

    def _check_scope(self) -> None:
        self._entered().check()
        self._pin()

    def _pin(self) -> None:
        """Open the directories to watch: changes there are told from then on."""
        for directory in self._to_watch - self._files().pins.keys():
            try:
                self._files().pin(directory)
            except OSError:
                # Not there yet: the link's appearance is announced, the rest is resync's.
                continue

    def _tidy(self, locations: Sequence[Location]) -> None:
        needed = self._to_watch.union(directory for directory, _ in locations)
        for directory in self._files().pins.keys() - needed:
            self._files().forget(directory)
        if self._subscription is not None:
            self._subscription.keep(needed)

    def _locate(self, key: str) -> Location:
        return location(key)

    def _explain(self, key: str, number: int) -> str | OpError:
        return unreadable(key, number)

    def _refused(self, key: str, text: str, number: int | None) -> OpError:
        return refusal(key, text, number)

    def _read_files(self, locations: Sequence[Location]) -> list[bytes | int]:
        files = self._files()
        if self._must_enter(locations):
            return self._entered().call(lambda: files.read_all(locations))
        return files.read_all(locations)

    def _write_files(self, write: Writer, batch: Sequence[FlatOp]) -> list[Outcome]:
        if self._must_enter([location(op.key) for op in batch]):
            return self._entered().call(lambda: write(batch))
        return write(batch)

    def _pieces(self, _key: str, text: str) -> list[bytes]:
        # Nothing would be written, and change nothing; a newline is the empty text.
        return [text.encode("utf-8", "surrogateescape") or b"\n"]

    def _must_enter(self, locations: Sequence[Location]) -> bool:
        """Whether the files show what the calling thread's namespaces have.

        What lies in a directory below /proc/sys/net is bound to the namespace that the directory
        was opened in.
        """
        return bool(self._entered().foreign) and any(
            not directory.startswith("net/") or directory.startswith(_OF_THE_THREAD)
            for directory, _ in locations
        )
