"""The routes of one tag as the kernel dumped them, read only as far as they changed."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import frozen

from .codec.wire import Names
from .desired.forwarding import Forwarding
from .desired.routes import RouteTable
from .deviations import Deviations, compared, judged_again
from .reading import RouteKey, RouteReader, check_destinations
from .streams import Stream, changes

__all__ = ["SeenRoutes"]


@frozen
class _Verdict:
    """What was found of one desired table; another one's is not known."""

    desired: RouteTable
    deviations: Deviations


class SeenRoutes:
    """The routes of one tag in a namespace, as the kernel dumped them.

    Kept from one pass to the next, it makes a pass cost what has changed: where the dump is the
    same bytes, nothing is read, and where little differs, that alone is.

    Args:
        streams: The dumps by family, 4 and 6.
        names: The interfaces' names by index.
        protocol: The tag; None takes all.
    """

    __slots__ = ("_verdict", "names", "protocol", "streams")

    def __init__(
        self, streams: Mapping[int, Stream], names: Names, protocol: int | None = None
    ) -> None:
        self.streams: dict[int, Stream] = dict(streams)
        self.names: Names = names
        self.protocol: int | None = protocol
        self._verdict: _Verdict | None = None

    @classmethod
    def after(
        cls, before: SeenRoutes | None, streams: Mapping[int, Stream], names: Names, protocol: int
    ) -> SeenRoutes:
        """The routes of new dumps, read as far as they differ from those before.

        Raises:
            NetlinkDecodeError: What has to be read is malformed.
        """
        if before is None or before.names != names or before.protocol != protocol:
            return cls(streams, names, protocol)
        if all(before.streams[family].data == stream.data for family, stream in streams.items()):
            return before
        seen = cls(streams, names, protocol)
        if before._verdict is not None:
            seen._verdict = _advanced(before, seen)
        return seen

    def deviations(self, desired: RouteTable) -> Deviations:
        """Where they differ from the desired ones.

        Raises:
            NetlinkDecodeError: What has to be read is malformed.
        """
        verdict = self._verdict
        if verdict is None or verdict.desired is not desired:
            reader = RouteReader(self.names, self.protocol)
            found = [reader.all(stream, family) for family, stream in self.streams.items()]
            deviations = compared(desired.groups, found)
            for prefix, group in deviations.extra.items():
                # Those that are as desired need no look: no desired one has host bits.
                check_destinations(prefix, group)
            verdict = self._verdict = _Verdict(desired, deviations)
        return verdict.deviations

    def table(self) -> RouteTable:
        """All of them; of several with one key the first.

        Raises:
            NetlinkDecodeError: They are malformed.
        """
        reader = RouteReader(self.names, self.protocol)
        groups = {}
        for family, stream in self.streams.items():
            found = reader.all(stream, family)
            found.check()
            groups.update(found.groups)
        return RouteTable.of(groups)


def _advanced(before: SeenRoutes, now: SeenRoutes) -> _Verdict | None:
    """The verdict on new dumps by what changed; None where all have to be read."""
    verdict = before._verdict
    if verdict is None:
        return None
    reader = RouteReader(now.names, now.protocol)
    touched: dict[RouteKey, Forwarding | None] = {}
    for family, stream in now.streams.items():
        if not _touch(before.streams[family], stream, reader, touched):
            return None
    if touched.keys() & verdict.deviations.twins:
        return None
    return _Verdict(
        verdict.desired, judged_again(verdict.desired.groups, verdict.deviations, touched)
    )


def _touch(
    old: Stream, new: Stream, reader: RouteReader, touched: dict[RouteKey, Forwarding | None]
) -> bool:
    """Note what became of each key that changed; False where it has to be found out otherwise."""
    found = changes(old, new)
    if found is None:
        return False
    # Another's may lie between two of ours, where the kernel does not filter.
    anybody = RouteReader(reader.names, None)
    gone: set[RouteKey] = set()
    come: dict[RouteKey, Forwarding] = {}
    beside: set[RouteKey] = set()
    for region in found.regions:
        for data in region.removed:
            if (route := reader.message(data)) is not None:
                gone.add(route[:2])
        for data in region.added:
            if (route := reader.message(data)) is not None:
                if route[:2] in come:
                    return False
                come[route[:2]] = route[2]
        for neighbour in (region.before, region.after):
            if neighbour is not None and (route := anybody.message(neighbour)) is not None:
                beside.add(route[:2])
    if beside & (gone | come.keys()):
        # Routes of one key are neighbours in a dump: several have this one.
        return False
    touched.update(dict.fromkeys(gone))
    touched.update(come)
    return True
