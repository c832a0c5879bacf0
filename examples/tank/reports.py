"""What loops report, for people: each op that put something right, and each trouble once."""

from __future__ import annotations

import logging
from collections.abc import Container as Contained
from typing import Any, Final

from attrs import define, field

from linx_async import Report, SourceError, Trigger

__all__ = ["Reporter", "unsettled"]

AS_TOLD: Final = {Trigger.START, Trigger.DESIRED}
"""Why a pass ran that did what tank has asked for; any other puts right what somebody did."""

logger = logging.getLogger("examples.tank")


@define
class Reporter:
    """Logs the reports of a loop; for its `on_report`."""

    name: str
    _told: frozenset[str] = field(default=frozenset(), init=False)

    def __call__(self, report: Report[Any] | SourceError) -> None:
        """Log one."""
        if isinstance(report, SourceError):
            return  # the loop itself has logged it
        level = logging.DEBUG if report.trigger in AS_TOLD else logging.INFO
        for op in report.applied:
            logger.log(level, "%s: %s", self.name, op)
        troubles = {str(each) for each in (*report.failed, *report.conflicts)}
        for trouble in sorted(troubles - self._told):
            logger.warning("%s: %s", self.name, trouble)
        self._told = frozenset(troubles)


def unsettled(report: Report[Any], keys: Contained[str] | None = None) -> list[str]:
    """What is not yet as desired, in words: all of it, or what has one of these keys."""
    left = (*report.failed, *report.conflicts, *report.waiting, *report.pending)
    return [str(each) for each in left if keys is None or each.key in keys]
