"""Which network namespace a command looks at, and how a file calls it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from anyio import to_thread

from .._core.errors import DesiredStateError, LinxError
from .._kernel.netns import NetworkNamespace
from .._kernel.nsfs import identity_here
from ..config.writing import header, setting
from .state import HostStore

__all__ = ["above", "as_recorded", "call_in", "head_of", "netns_of"]

T = TypeVar("T")

_NAMED = (Path("/run/netns"), Path("/var/run/netns"))


def netns_of(text: str) -> NetworkNamespace:
    """The namespace that is meant: by a pid where it is a number, by a path or by a name.

    Raises:
        LinxError: It is none of these, or there is no such process.
    """
    try:
        if text.isascii() and text.isdigit():
            return NetworkNamespace.of_pid(int(text))
        if "/" not in text:
            return NetworkNamespace.named(text)
        path = Path(text)
        # ip-netns(8) knows it by a name, and so does a file that says it the short way.
        named = path.parent in _NAMED
        return NetworkNamespace.named(path.name) if named else NetworkNamespace.at_path(text)
    except DesiredStateError as error:
        expected = "expected a name of ip-netns(8), an absolute path or a pid"
        raise LinxError(f"--netns: {expected}, got {text!r}") from error


async def as_recorded(netns: NetworkNamespace, store: HostStore) -> NetworkNamespace | None:
    """The same namespace as the records call it, which may be here; as it is where none does.

    Raises:
        ScopeGone: It is not there.
        SourceError: It cannot be entered.
        StoreError: The records cannot be read.
    """
    network = _network_of(await call_in(netns, identity_here))
    for part, identity in await store.owned():
        if part.kind != "cgroup" and _network_of(identity) == network:
            # A pid or a name of then may mean another one by now.
            with suppress(LinxError):
                if _network_of(await call_in(part.netns, identity_here)) == network:
                    return part.netns
    return netns


def _network_of(identity: str) -> list[str]:
    """What of the identity of a scope is its network namespace's."""
    return [word for word in identity.split(" ") if word.startswith(("net:", "cookie:"))]


def above(netns: NetworkNamespace | None) -> tuple[str, ...]:
    """The keys in a file before the sections of a namespace; none for those of here."""
    return () if netns is None else ("netns", netns.value)


def head_of(netns: NetworkNamespace | None) -> list[str]:
    """What a file says before those sections of where it is; nothing where its name says it."""
    if netns is None or netns.kind == "name":
        return []
    value = int(netns.value) if netns.kind == "pid" else netns.value
    return ["", header(above(netns)), setting(netns.kind, value)]


async def call_in(netns: NetworkNamespace | None, work: Callable[[], T]) -> T:
    """Call a function that blocks in a namespace; None is here.

    Raises:
        ScopeGone: It is not there.
        SourceError: It cannot be entered.
    """

    def visit() -> T:
        target = (netns or NetworkNamespace.here()).open()
        try:
            return target.call(work)
        finally:
            target.close()

    return await to_thread.run_sync(visit)
