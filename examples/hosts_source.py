"""A source of your own: names in a hosts file, beside the lines of others.

    python examples/hosts_source.py hosts db.example=10.0.0.5 web.example=10.0.0.6

A line that ends with our mark is ours, and no other is ever changed. Ctrl-C ends it; the names
stay, and the next run goes on with them. It needs inotify_simple.
"""

from __future__ import annotations

import argparse
import ipaddress
import os
import re
import shutil
import signal
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import anyio
from anyio import to_thread
from attrs import frozen
from inotify_simple import INotify, flags

from linx_async import (
    Conflict,
    DesiredStateError,
    Hint,
    Loop,
    OpError,
    Outcome,
    Ownership,
    Plan,
    ScopeGone,
    StalePlan,
    Verb,
)

MARK = "# kept by hosts_source"
NAME = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?")
CHANGES = flags.CLOSE_WRITE | flags.MOVED_TO | flags.MOVED_FROM | flags.DELETE | flags.MOVE_SELF
GONE = flags.IGNORED | flags.MOVE_SELF


@frozen
class Change:
    """Give a name an address, or, where that is None, take our line of it away."""

    key: str
    address: str | None
    verb: Verb

    original = None
    claim = None  # the mark in the file says what is ours; there is no record to keep
    requires = frozenset[str]()

    def __str__(self) -> str:
        return f"{self.verb.value} {self.key}" + (f" {self.address}" if self.address else "")


@frozen
class Observed:
    """The addresses of each name: those that our lines say, and those of others'."""

    ours: dict[str, list[str]]
    theirs: dict[str, list[str]]

    @classmethod
    def of(cls, text: str) -> Observed:
        """What a hosts file says: hosts(5)."""
        found = cls({}, {})
        for line in text.split("\n"):
            addresses = found.ours if line.endswith(MARK) else found.theirs
            address, *names = line.partition("#")[0].lower().split() or [""]
            for name in names:
                addresses.setdefault(name, []).append(spelled(address))
        return found


def spelled(address: str) -> str:
    """An address in the one spelling that is compared; what is none as it is."""
    try:
        return str(ipaddress.ip_address(address))
    except ValueError:
        return address


class HostsSource:
    """Names in a hosts file; the desired state is a mapping from name to address."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path).resolve()
        self.name = f"hosts {path}"
        self._read = ""

    def check(self, desired: Mapping[str, str]) -> Mapping[str, str]:
        """The desired state as it is compared: in lower case, and addresses in one spelling."""
        checked = {}
        for name, address in desired.items():
            if not NAME.fullmatch(name.lower()):
                raise DesiredStateError(f"{name!r} is no name of a host")
            try:
                checked[name.lower()] = str(ipaddress.ip_address(address))
            except ValueError as error:
                raise DesiredStateError(f"{name}: {error}") from None
        return checked

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        return None

    @asynccontextmanager
    async def subscribe(self) -> AsyncIterator[AsyncIterator[Hint]]:
        """Watch the directory, since whoever changes the file may put another in its place."""
        with INotify() as inotify:
            try:
                await to_thread.run_sync(inotify.add_watch, self.path.parent, CHANGES)
            except OSError as error:  # not there yet, say; the loop tries again
                raise ScopeGone(f"{self.path.parent}: {error.strerror}") from error
            async with aclosing(self._hints(inotify)) as hints:
                yield hints

    async def _hints(self, inotify: INotify) -> AsyncGenerator[Hint, None]:
        while True:
            await anyio.wait_readable(inotify)
            for change in inotify.read(timeout=0):
                if change.mask & GONE:
                    raise ScopeGone(f"{self.path.parent}: gone")
                if change.mask & flags.Q_OVERFLOW:
                    yield Hint("inotify lost changes", lost=True)
                elif change.name == self.path.name:
                    yield Hint(f"{self.path} changed")

    async def observe(self, desired: Mapping[str, str], owned: Ownership) -> Observed:
        """Read the file."""
        self._read = await to_thread.run_sync(self._text)
        return Observed.of(self._read)

    def diff(
        self, desired: Mapping[str, str], observed: Observed, owned: Ownership
    ) -> Plan[Change]:
        """What our lines lack; a name that others have too is right as it is, or in conflict."""
        ops, conflicts = [], []
        for name, address in desired.items():
            ours, theirs = observed.ours.get(name), observed.theirs.get(name)
            if theirs and address not in theirs:
                conflicts.append(Conflict(name, f"another line says {', '.join(theirs)}"))
            elif ours and ours != [address]:
                ops.append(Change(name, address, Verb.UPDATE))
            elif not ours and not theirs:
                ops.append(Change(name, address, Verb.CREATE))
        ops += [Change(name, None, Verb.DELETE) for name in observed.ours if name not in desired]
        return Plan((tuple(ops),), conflicts=tuple(conflicts))

    async def apply(self, batch: Sequence[Change]) -> Sequence[Outcome]:
        """Put a new file in the place of the old one, with all changes or none."""
        try:
            await to_thread.run_sync(self._replace, batch)
        except OSError as error:  # EBUSY where the file is mounted by itself, as in a container
            return [Outcome(error=OpError(op.key, error.errno, str(self.path))) for op in batch]
        return [Outcome() for _ in batch]

    def _text(self) -> str:
        return self.path.read_bytes().decode("utf-8", "surrogateescape")

    def _replace(self, batch: Sequence[Change]) -> None:
        text, status = self._text(), self.path.stat()
        if text != self._read:
            raise StalePlan(f"{self.name}: somebody else has changed it meanwhile")
        with tempfile.TemporaryDirectory(dir=self.path.parent, prefix=".hosts-") as folder:
            draft = Path(folder, "draft")
            draft.write_bytes(changed(text, batch).encode("utf-8", "surrogateescape"))
            shutil.copymode(self.path, draft)
            os.chown(draft, status.st_uid, status.st_gid)
            draft.replace(self.path)


def changed(text: str, batch: Sequence[Change]) -> str:
    """What the file says after some changes: the lines of others as they are, then ours."""
    ours = {name: addresses[0] for name, addresses in Observed.of(text).ours.items()}
    ours |= {op.key: op.address or "" for op in batch}
    theirs = "\n".join(line for line in text.split("\n") if not line.endswith(MARK))
    end = "\n" if theirs and not theirs.endswith("\n") else ""
    lines = [f"{address}\t{name}\t{MARK}\n" for name, address in ours.items() if address]
    return theirs + end + "".join(lines)


async def run(loop: Loop[Any, Any, Any]) -> None:
    """Run a loop until SIGINT or SIGTERM."""
    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async with anyio.create_task_group() as group:
            group.start_soon(loop.run)
            await anext(signals)
            group.cancel_scope.cancel()


def pair(word: str) -> tuple[str, str]:
    """The two sides of NAME=ADDRESS."""
    name, equals, address = word.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"expected NAME=ADDRESS, got {word!r}")
    return name, address


def main() -> None:
    """Read the command line, and run."""
    parser = argparse.ArgumentParser(description="Keep names in a hosts file.")
    parser.add_argument("--backend", choices=["asyncio", "trio"], default="asyncio")
    parser.add_argument("file", metavar="FILE", help="a hosts file, such as /etc/hosts")
    parser.add_argument("names", metavar="NAME=ADDRESS", nargs="*", type=pair)
    given = parser.parse_args()
    try:
        loop = Loop(HostsSource(given.file), dict(given.names), interval=60, on_report=print)
    except DesiredStateError as error:
        parser.error(str(error))
    anyio.run(run, loop, backend=given.backend)


if __name__ == "__main__":
    main()
