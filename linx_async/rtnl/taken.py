"""What others have where routes of ours are missing: looked for only where it may matter."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from attrs import define, field

from .desired.forwarding import Forwarding
from .deviations import Deviations
from .reading import RouteKey
from .views import Views

__all__ = ["TakenKeys"]


@define
class TakenKeys:
    """Where others hold what is desired, by table and its family.

    To look costs a dump of the whole table, and an exclusive create finds the same. So who is
    about to create looks only where others were met before, as long as they are there; and who
    wants to foresee it, once in each table.
    """

    _free: set[tuple[int, int]] = field(factory=set)
    _contested: set[tuple[int, int]] = field(factory=set)

    async def look(
        self, views: Views, deviations: Deviations, *, foresee: bool
    ) -> Mapping[RouteKey, Forwarding]:
        """What others have where ours are missing.

        Args:
            views: What the namespace is read by.
            deviations: Where ours are missing.
            foresee: Whether it matters before anything is created.
        """
        lacking = deviations.lacking
        tables = lacking - self._free if foresee else lacking & self._contested
        if not tables:
            return {}
        found = await views.foreign_routes(deviations.missing, tables)
        self._free |= tables
        self._contested -= tables
        self.contest({(prefix.family, prefix.table) for prefix, _ in found})
        return found

    def contest(self, tables: Collection[tuple[int, int]]) -> None:
        """Note that others turned out to have something desired in some tables."""
        self._free.difference_update(tables)
        self._contested.update(tables)
