"""The cgroup verbs that need no loop: observe, reconcile, subscribe."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from contextlib import asynccontextmanager

from .._core.memory import Store
from .._core.model import Hint, Report
from .._core.ownership import Ownership
from .._core.reconcile import reconcile as reconcile_source
from .._flat.observed import Observed
from .desired import Desired, DesiredLike
from .ops import LimitOp
from .source import Source

__all__ = ["observe", "reconcile", "subscribe"]


async def reconcile(
    path: str,
    desired: DesiredLike,
    *,
    last_applied: Ownership | None = None,
    store: Store | None = None,
    revert_on_release: bool = False,
) -> Report[LimitOp]:
    """One pass: make the limits of a cgroup what they should be.

    What each means, and its unit, is in Documentation/admin-guide/cgroup-v2.rst of the kernel.

    Args:
        path: The cgroup: `myorg/web-42`, relative to where cgroup2 is mounted, or absolute.
        desired: Limits by interface file.
        last_applied: What we own: `last_applied` of an earlier report.
        store: Where ownership is kept instead; with it, a cancelled pass loses no claim.
        revert_on_release: Whether an owned limit that is not desired any more gets its value from
            before we came back.

    Raises:
        DesiredStateError: The path or the desired state is wrong as written.
        SourceError: The pass could not run: no cgroup v2, say.
    """
    source = Source(path, revert_on_release=revert_on_release)
    return await reconcile_source(source, desired, last_applied=last_applied, store=store)


async def observe(path: str, keys: Iterable[str]) -> Observed:
    """Read some limits of a cgroup, for `diff` (cgroups(7)).

    Args:
        path: The cgroup, as for `reconcile`.
        keys: Names of interface files: `memory.max`.

    Raises:
        DesiredStateError: The path or a key is wrong.
        SourceError: There is no cgroup v2.
    """
    async with Source(path) as source:
        return await source.observe(Desired(dict.fromkeys(keys)), Ownership())


@asynccontextmanager
async def subscribe(path: str, keys: Iterable[str]) -> AsyncGenerator[AsyncIterator[Hint], None]:
    """Hints on some limits of a cgroup, without a loop; enter it with `async with`.

    Live once the context is entered; they tell also of the cgroup's removal and return. They come
    of inotify(7) on cgroupfs, which hears of writers in any mount and namespace.

    Args:
        path: The cgroup, as for `reconcile`.
        keys: Names of interface files: `memory.max`.

    Raises:
        DesiredStateError: The path or a key is wrong.
        SourceError: There is no cgroup v2, or a limit of the kernel's was hit.
    """
    desired = Desired(dict.fromkeys(keys))
    async with Source(path) as source, source.subscribe() as hints:
        await source.follow(tuple(desired.settings))
        yield hints
