"""The sysctl verbs that need no loop: read, write, list, observe, reconcile, subscribe."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import TypeVar

from anyio import to_thread

from .._core.errors import DesiredStateError, OpError
from .._core.memory import Store
from .._core.model import Hint, Report
from .._core.ownership import Ownership
from .._core.reconcile import reconcile as reconcile_source
from .._flat.observed import Observed
from .._flat.values import stripped
from .._kernel.files import Location, listing, read_below, write_below
from .._kernel.scopes import namespace_of
from .codec import Value, decoded, text_of
from .desired import Desired, DesiredLike
from .keys import directory_of, key_at, location, normalized
from .ops import SysctlOp
from .source import ROOT, Scope, Source, check_scope, in_scope, refusal, unreadable

__all__ = ["list_keys", "observe", "read", "reconcile", "subscribe", "write"]

T = TypeVar("T")


async def reconcile(
    desired: DesiredLike,
    *,
    scope: Scope = None,
    last_applied: Ownership | None = None,
    store: Store | None = None,
    revert_on_release: bool = False,
) -> Report[SysctlOp]:
    """One pass: make the sysctls what they should be (proc_sys(5)).

    What each means is in Documentation/admin-guide/sysctl/ of the kernel, and of `net.ipv4` and
    `net.ipv6` in Documentation/networking/ip-sysctl.rst.

    Args:
        desired: Values by key.
        scope: Where; None is here.
        last_applied: What we own: `last_applied` of an earlier report.
        store: Where ownership is kept instead; with it, a cancelled pass loses no claim.
        revert_on_release: Whether an owned key that is not desired any more gets its value from
            before we came back.

    Raises:
        DesiredStateError: The desired state is wrong as written, or not of that scope.
        SourceError: The pass could not run.
    """
    source = Source(scope, revert_on_release=revert_on_release)
    return await reconcile_source(source, desired, last_applied=last_applied, store=store)


async def observe(keys: Iterable[str], *, scope: Scope = None) -> Observed:
    """Read some sysctls, for `diff` (proc_sys(5)).

    Args:
        keys: In dot form or slash form.
        scope: Where; None is here.

    Raises:
        DesiredStateError: A key is none, or not of that scope.
        SourceError: The scope cannot be reached.
    """
    source = Source(scope)
    desired = source.check(Desired(dict.fromkeys(keys, 0)))
    async with source:
        return await source.observe(desired, Ownership())


@asynccontextmanager
async def subscribe(
    keys: Iterable[str], *, scope: Scope = None
) -> AsyncGenerator[AsyncIterator[Hint], None]:
    """Hints on some sysctls, without a loop; enter it with `async with`.

    Live once the context is entered. A hint is a write as inotify(7) tells it, a poll(2) of the
    host name, or a message of rtnetlink(7): whoever makes them, the value may be the same.

    Args:
        keys: In dot form or slash form.
        scope: Where; None is here.

    Raises:
        DesiredStateError: A key is none, or not of that scope.
        SourceError: The scope cannot be reached, or a limit of the kernel's was hit.
    """
    source = Source(scope)
    desired = Desired(dict.fromkeys(keys, 0))
    source.check(desired)
    async with source, source.subscribe() as hints:
        await source.follow(tuple(desired.settings))
        yield hints


async def read(key: str, *, scope: Scope = None) -> int | str | tuple[int, ...]:
    """Read one sysctl: an integer, several, or text as it is (proc_sys(5)).

    Args:
        key: In dot form or slash form.
        scope: Where; None is here.

    Raises:
        DesiredStateError: It is no key, or not of that scope.
        OpError: It is not there, or cannot be read.
        SourceError: The scope cannot be reached.
    """
    name = normalized(key)

    def work() -> str:
        try:
            return stripped(read_below(ROOT, location(name)))
        except OSError as error:
            why = unreadable(name, error.errno or 0)
            raise why if isinstance(why, OpError) else OpError(name, error.errno, why) from error

    return decoded(name, await _within(scope, work, name))


async def write(key: str, value: Value, *, scope: Scope = None) -> None:
    """Write one sysctl (proc_sys(5)). It is not claimed; a reconciled key keeps its own value.

    Args:
        key: In dot form or slash form.
        value: An integer, a boolean, text or a list of integers.
        scope: Where; None is here.

    Raises:
        DesiredStateError: The key or the value is wrong, or not of that scope.
        OpError: The kernel refused.
        SourceError: The scope cannot be reached.
    """
    name = normalized(key)
    text = text_of(name, value)

    def work() -> None:
        try:
            # Nothing would be written, and change nothing; a newline is the empty text.
            write_below(ROOT, location(name), text.encode("utf-8", "surrogateescape") or b"\n")
        except OSError as error:
            if error.errno is None:
                raise OpError(name, None, str(error)) from error
            raise refusal(name, text, error.errno) from error

    await _within(scope, work, name)


async def list_keys(below: str = "", *, scope: Scope = None) -> tuple[str, ...]:
    """The keys that there are, in order: all, or those below a prefix like `net.ipv4.conf`.

    Directories that may not be searched are left out, and so is what is not of the scope, or could
    not be declared (an interface's name may have a `*` in it: dev_valid_name(), net/core/dev.c).

    Args:
        below: The prefix, in dot form or slash form; empty for all.
        scope: Where; None is here.

    Raises:
        DesiredStateError: It is no prefix.
        OpError: There is no such directory.
        SourceError: The scope cannot be reached.
    """
    directory = directory_of(below)
    namespace = namespace_of(scope)

    def work() -> tuple[str, ...]:
        try:
            keys = map(_key_of, listing(ROOT, directory))
            return tuple(key for key in keys if key and in_scope(namespace, key))
        except OSError as error:
            raise OpError(below, error.errno, "cannot be listed") from error

    return await _within(namespace, work)


def _key_of(place: Location) -> str | None:
    try:
        return normalized(key_at(place))
    except DesiredStateError:
        return None


async def _within(scope: Scope, work: Callable[[], T], *keys: str) -> T:
    """Do something in the target, in a thread."""
    namespace = namespace_of(scope)
    for key in keys:
        check_scope(namespace, key)

    def visit() -> T:
        target = namespace.open()
        try:
            return target.call(work)
        finally:
            target.close()

    return await to_thread.run_sync(visit)
