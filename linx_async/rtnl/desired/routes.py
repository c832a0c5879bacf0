"""Many routes in little memory: a destination's bytes each, and what they share once."""

from __future__ import annotations

from array import array
from collections.abc import Collection, Iterable, Iterator, Mapping
from ipaddress import IPv4Network, IPv6Network
from typing import Any, ClassVar, TypeAlias

from ..._core.errors import DesiredStateError
from .checks import Network
from .entries import made_of
from .forwarding import Forwarding
from .route import Prefix, Route, key_of

__all__ = ["RouteTable", "Routes", "destination_of", "route_key", "route_of"]

Routes: TypeAlias = Mapping[Prefix, Mapping[bytes, Forwarding]]
"""What routes do, by all that tells them apart: the packed destination last."""


def destination_of(prefix: Prefix, packed: bytes) -> Network:
    """The destination of a route by its bytes.

    Raises:
        ValueError: A bit is set that belongs to the host part.
    """
    if prefix.family == 4:
        return IPv4Network((packed, prefix.length))
    return IPv6Network((packed, prefix.length))


def route_key(prefix: Prefix, packed: bytes) -> str:
    """The key of a route by its bytes."""
    return key_of(destination_of(prefix, packed), prefix.table, prefix.metric, prefix.tos)


class RouteTable(Collection[Route]):
    """Routes, each key once: some hundred bytes a route, however many.

    A million `Route` values are a gigabyte; give the table an iterator that makes them as it goes,
    and they are let go one by one.

    Args:
        routes: The routes: each a `Route`, a mapping of its arguments, or a tuple of the first.

    Raises:
        DesiredStateError: One is wrong as written, or two have one key.
    """

    __slots__ = ("_ways", "groups")

    groups: Routes

    def __init__(self, routes: Iterable[Route | Mapping[str, Any] | tuple[Any, ...]] = ()) -> None:
        if isinstance(routes, str | Mapping) or not isinstance(routes, Iterable):
            raise DesiredStateError(f"routes: expected a list, got {routes!r}")
        groups: dict[Prefix, dict[bytes, Forwarding]] = {}
        places: dict[Prefix, array[int]] = {}
        shared: dict[Forwarding, Forwarding] = {}
        for place, entry in enumerate(routes):
            try:
                route = made_of(Route, entry)
            except DesiredStateError as error:
                raise DesiredStateError(f"routes[{place}]: {error}") from None
            prefix = route.prefix
            group = groups.setdefault(prefix, {})
            packed = route.destination.network_address.packed
            forwarding = shared.setdefault(route.forwarding, route.forwarding)
            if packed in group:
                first = places[prefix][list(group).index(packed)]
                raise DesiredStateError(
                    f"routes[{place}]: {route.key} is declared already, by routes[{first}]"
                )
            group[packed] = forwarding
            places.setdefault(prefix, array("Q")).append(place)
        self.groups = groups
        self._ways: tuple[Forwarding, ...] | None = tuple(shared)

    @classmethod
    def of(cls, groups: Routes) -> RouteTable:
        """A table of what is grouped already."""
        table = cls.__new__(cls)
        table.groups = groups
        table._ways = None
        return table

    @property
    def ways(self) -> tuple[Forwarding, ...]:
        """What the routes do: each of it once, since many share it."""
        if self._ways is None:
            shared = {id(way): way for group in self.groups.values() for way in group.values()}
            self._ways = tuple(shared.values())
        return self._ways

    def __len__(self) -> int:
        return sum(map(len, self.groups.values()))

    def __iter__(self) -> Iterator[Route]:
        for prefix, group in self.groups.items():
            for packed, forwarding in group.items():
                yield route_of(prefix, packed, forwarding)

    def __contains__(self, route: object) -> bool:
        if not isinstance(route, Route):
            return False
        group = self.groups.get(route.prefix, {})
        return group.get(route.destination.network_address.packed) == route.forwarding

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, RouteTable):
            return NotImplemented
        return _without_empty(self.groups) == _without_empty(other.groups)

    __hash__: ClassVar[None] = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<RouteTable of {len(self)} routes>"


def route_of(prefix: Prefix, packed: bytes, forwarding: Forwarding) -> Route:
    """A route of its parts."""
    goal = destination_of(prefix, packed)
    return Route.of(goal, prefix.table, prefix.metric, prefix.tos, forwarding)


def _without_empty(groups: Routes) -> dict[Prefix, Mapping[bytes, Any]]:
    return {prefix: group for prefix, group in groups.items() if group}
