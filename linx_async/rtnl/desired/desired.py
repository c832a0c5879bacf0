"""What a network namespace should have, checked as it is written down."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias, TypeVar

from attrs import frozen

from ..._core.errors import DesiredStateError
from .address import Address
from .checks import Checked
from .entries import made_of
from .link import Link
from .neighbour import Neighbour
from .nexthop import Nexthop
from .rings import refuse_rings
from .route import Route
from .routes import RouteTable
from .rule import Rule

__all__ = ["Desired", "DesiredLike"]

T = TypeVar("T")


@frozen(init=False)
class Desired(Checked):
    """What a network namespace should have; what is not declared is left alone.

    Each entry is a value of its class, a mapping of its arguments, or a tuple of the first ones:
    `("eth0", "10.0.0.2", 24)` is an address, `("default", "10.0.0.1")` a route, `"br0"` a link.

    Args:
        links: Links, and attributes of links.
        addresses: Addresses of interfaces.
        routes: Routes; a `RouteTable` is taken as it is.
        rules: Rules of policy routing.
        neighbours: Neighbours and proxies.
        nexthops: Nexthops.

    Raises:
        DesiredStateError: An entry is wrong as written, two have one key, or links need each
            other; the message names them.
    """

    links: tuple[Link, ...]
    addresses: tuple[Address, ...]
    routes: RouteTable
    rules: tuple[Rule, ...]
    neighbours: tuple[Neighbour, ...]
    nexthops: tuple[Nexthop, ...]

    def __init__(
        self,
        *,
        links: Iterable[Link | Mapping[str, Any] | tuple[Any, ...] | str] = (),
        addresses: Iterable[Address | Mapping[str, Any] | tuple[Any, ...]] = (),
        routes: RouteTable | Iterable[Route | Mapping[str, Any] | tuple[Any, ...]] = (),
        rules: Iterable[Rule | Mapping[str, Any] | tuple[Any, ...]] = (),
        neighbours: Iterable[Neighbour | Mapping[str, Any] | tuple[Any, ...]] = (),
        nexthops: Iterable[Nexthop | Mapping[str, Any] | tuple[Any, ...]] = (),
    ) -> None:
        declared = _once(_entries("links", Link, links))
        refuse_rings(declared)
        self.__attrs_init__(
            declared,
            _once(_entries("addresses", Address, addresses)),
            routes if isinstance(routes, RouteTable) else RouteTable(routes),
            _once(_entries("rules", Rule, rules)),
            _once(_entries("neighbours", Neighbour, neighbours)),
            _once(_entries("nexthops", Nexthop, nexthops)),
        )

    @classmethod
    def of(cls, desired: DesiredLike) -> Desired:
        """A mapping checked and converted; one that was is returned as it is.

        Raises:
            DesiredStateError: It is wrong as written.
        """
        if isinstance(desired, Desired):
            return desired
        if not isinstance(desired, Mapping):
            raise DesiredStateError(f"rtnl: expected a mapping, got {desired!r}")
        unknown = [name for name in desired if name not in _RESOURCES]
        if unknown:
            raise DesiredStateError(
                f"rtnl: {unknown[0]!r} is not known; expected {', '.join(_RESOURCES)}"
            )
        return cls(**desired)


DesiredLike: TypeAlias = Desired | Mapping[str, Any]
"""A `Desired`, or the mapping of its arguments."""

_RESOURCES = ("links", "addresses", "routes", "rules", "neighbours", "nexthops")


def _entries(resource: str, kind: type[T], entries: Any) -> Iterable[tuple[str, T]]:
    if isinstance(entries, str | Mapping) or not isinstance(entries, Iterable):
        raise DesiredStateError(f"{resource}: expected a list, got {entries!r}")
    for place, entry in enumerate(entries):
        label = f"{resource}[{place}]"
        try:
            yield label, made_of(kind, entry)
        except DesiredStateError as error:
            raise DesiredStateError(f"{label}: {error}") from None


def _once(entries: Iterable[tuple[str, Any]]) -> tuple[Any, ...]:
    places: dict[str, str] = {}
    found = []
    for label, entry in entries:
        first = places.setdefault(entry.key, label)
        if first != label:
            raise DesiredStateError(f"{label}: {entry.key} is declared already, by {first}")
        found.append(entry)
    return tuple(found)
