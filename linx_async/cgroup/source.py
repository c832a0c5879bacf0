"""The cgroup source: the limits of one cgroup v2."""

from __future__ import annotations

import errno
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress

from anyio import to_thread

from .._core.errors import OpError
from .._core.model import Hint
from .._flat.diff import Vocabulary
from .._flat.source import FlatSource
from .._kernel.cgroupfs import mount_of
from .._kernel.files import Location
from .._kernel.tree import Tree
from .codec import pieces
from .desired import Desired, DesiredLike
from .diff import VOCABULARY
from .hints import Interest, Subscription, subscription
from .ops import LimitOp
from .paths import ancestors, below_mount, checked_path
from .refusals import missing_file, refused_write

__all__ = ["Source"]


class Source(FlatSource[DesiredLike, LimitOp]):
    """The limits of one cgroup; it is never created, deleted or moved.

    A cgroup that is not there is waited for. One that was removed and made again is another one:
    what we owned of the old is gone with it. The interface files are those of
    Documentation/admin-guide/cgroup-v2.rst.

    Args:
        path: The cgroup: `myorg/web-42`, relative to where cgroup2 is mounted, or absolute.
        revert_on_release: Whether a limit that is not desired any more gets its value from before
            we came back; otherwise it is left as it is.

    Raises:
        DesiredStateError: It is no such path.
    """

    vocabulary: Vocabulary[LimitOp] = VOCABULARY

    def __init__(self, path: str, *, revert_on_release: bool = False) -> None:
        super().__init__(revert_on_release=revert_on_release)
        self.scope: str = checked_path(path)
        self.name: str = f"cgroup@{self.scope}"
        self.identity: str = self.name
        self._path = ""
        self._subscription: Subscription | None = None

    def check(self, desired: DesiredLike, /) -> DesiredLike:
        """The desired state, checked.

        Raises:
            DesiredStateError: It is wrong as written.
        """
        return Desired.of(desired)

    @asynccontextmanager
    async def subscribe(self) -> AsyncGenerator[AsyncIterator[Hint], None]:
        """A stream of hints on the limits that the last observation, or `follow`, named."""
        async with subscription() as live:
            self._subscription = live
            self._forget_reading()
            try:
                await to_thread.run_sync(self._watch_pins)
                yield live.hints
            finally:
                self._subscription = None

    async def follow(self, keys: Sequence[str]) -> None:
        """Subscribe to hints on limits, without reading them: for a subscription without a loop."""
        await self._watch(keys)
        if self._subscription is not None:
            await self._subscription.follow_down(self._check_scope)

    def _settings(self, desired: DesiredLike) -> Mapping[str, str]:
        return Desired.of(desired).settings

    def _open(self) -> None:
        mount = mount_of(self.scope)
        self._path = below_mount(self.scope, mount.point)
        self.identity = f"{mount.identity} /{self._path}"
        self._tree = Tree(mount.point, lambda function: function(), self._opened)

    def _close(self) -> None:
        if self._tree is not None:
            self._tree.close()
        self._tree = None

    def _opened(self, directory: str, fd: int) -> None:
        if self._subscription is not None:
            self._subscription.watch(directory, fd)

    async def _watch(self, keys: Sequence[str]) -> None:
        if self._subscription is not None and keys is not self._keys:
            self._subscription.interest = Interest.of(self._path, frozenset(keys))

    def _check_scope(self) -> None:
        """Open the way down to the cgroup, each step before the next is looked for in it.

        The removal of a cgroup is announced above it alone, and so is its return.
        """
        files = self._files()
        above = ancestors(self._path) if self._subscription is not None else []
        with suppress(FileNotFoundError):
            for directory in (*above, self._path):
                files.refresh(directory)

    def _locate(self, key: str) -> Location:
        return self._path, key

    def _explain(self, key: str, number: int) -> str | OpError:
        files = self._files()
        if number in {errno.ENOENT, errno.ENODEV}:
            if self._path in files.pins:
                return missing_file(files.root, self._path, key)
            return f"the cgroup {self.scope} is not there"
        return OpError(key, number, "cannot be read")

    def _refused(self, key: str, text: str, number: int | None) -> OpError:
        return refused_write(key, text, number)

    def _pieces(self, _key: str, text: str) -> list[bytes]:
        return [piece.encode("utf-8", "surrogateescape") for piece in pieces(text)]

    def _incarnation(self) -> str | None:
        inode = self._files().inode(self._path)
        return None if inode is None else str(inode)
