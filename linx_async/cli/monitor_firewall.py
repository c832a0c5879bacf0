"""What happens to the rule set of nf_tables: its transactions as events, with who made them."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from anyio import TASK_STATUS_IGNORED
from anyio.abc import TaskStatus
from attrs import define, field, frozen

from .. import netfilter
from .._kernel.netlink import NetlinkDecodeError
from ..netfilter.codec.describing import described
from ..netfilter.desired.shown import elements_shown
from ..netfilter.monitor import Told
from .events import Event
from .monitor_listener import Tell, part_name

if TYPE_CHECKING:
    from .._kernel.netns import NetworkNamespace

__all__ = ["FirewallListener", "FirewallStory"]

_MOST_SHOWN: Final = 8
_MOST_IN_JSON: Final = 1000
_KEPT: Final = frozenset({"table", "chain", "set", "object", "flowtable"})
"""What changes and stays what it was; a rule never does, and gets another handle."""
_Key = tuple[str, str, str, str]


@frozen
class FirewallListener:
    """Listens to nf_tables in a network namespace.

    Attributes:
        netns: The namespace; None is here.
    """

    netns: NetworkNamespace | None

    @property
    def part(self) -> str:
        """What it is called in front of each line."""
        return part_name("netfilter", self.netns)

    @property
    def about(self) -> str:
        """The same: it listens to all of it."""
        return self.part

    async def listen(
        self, tell: Tell, *, task_status: TaskStatus[None] = TASK_STATUS_IGNORED
    ) -> None:
        """Listen for ever.

        Raises:
            LinxError: It cannot be listened to.
        """
        story = FirewallStory(self.part)
        async with netfilter.monitor(scope=self.netns, snapshot=True) as told:
            story.of(await anext(told))
            task_status.started()
            async for each in told:
                tell(story.of(each))


@define
class FirewallStory:
    """What there is, so as to tell what is new from what changed; pure.

    Attributes:
        part: What it is called in front of each line.
    """

    part: str
    _known: set[_Key] = field(factory=set, init=False)
    _sets: dict[_Key, netfilter.Set] = field(factory=dict, init=False)

    def of(self, told: Told) -> list[Event]:
        """The events of what a monitor tells; a snapshot is none."""
        match told:
            case netfilter.Transaction():
                return self._transaction(told)
            case netfilter.Lost():
                return [Event("lost", self.part, f"some were lost: {told.reason}", _LOST)]
        self._known.clear()
        self._sets.clear()
        for table in told.tables:
            self._learn(table)
        return []

    def _learn(self, table: netfilter.ObservedTable) -> None:
        family, name = table.family, table.head.name
        self._known.add(("table", family, name, name))
        self._known.update(("chain", family, name, each) for each in table.chains)
        objects = (each.object.name for each in table.objects.values())
        self._known.update(("object", family, name, each) for each in objects)
        self._known.update(("flowtable", family, name, each) for each in table.flowtables)
        for each in table.sets.values():
            key = ("set", family, name, each.head.name)
            self._known.add(key)
            self._sets[key] = each.head.set

    def _transaction(self, told: netfilter.Transaction) -> list[Event]:
        who = f"{told.program or 'somebody'} (pid {told.pid}), generation {told.generation}"
        common = {"generation": told.generation, "pid": told.pid, "program": told.program}
        events = []
        for change in told.changes:
            verb = self._verb(change)
            said, fields = self._said(change)
            name = "" if change.kind == "table" else f" {change.name}"
            handle = f" (handle {change.handle})" if change.handle else ""
            text = f"{verb} {change.kind} {change.family} {change.table}{name}{said}{handle}"
            fields = {
                "what": change.kind,
                "family": change.family,
                "table": change.table,
                "name": change.name,
                "handle": change.handle or None,
                **fields,
                **common,
            }
            events.append(Event(verb, self.part, f"{text} by {who}", fields))
        # Packets' doings, and what has no name here, change the generation alone.
        nothing = Event("hint", self.part, f"nothing that is known changed, by {who}", common)
        return events or [nothing]

    def _verb(self, change: netfilter.Announcement) -> str:
        key = (change.kind, change.family, change.table, change.name)
        if change.verb == "del":
            self._known.discard(key)
            self._sets.pop(key, None)
            return "deleted"
        if isinstance(change.value, netfilter.SetHead):
            self._sets[key] = change.value.set
        if change.kind not in _KEPT:
            return "added"
        is_known = key in self._known
        self._known.add(key)
        return "changed" if is_known else "added"

    def _said(self, change: netfilter.Announcement) -> tuple[str, dict[str, Any]]:
        """What there is to say of it, for people and for `--json`."""
        match change.value:
            case netfilter.ObservedRule(rule=rule):
                comment = "" if rule.comment is None else f" {rule.comment!r}"
                try:
                    text = described(rule.body)
                except NetlinkDecodeError as error:
                    text = f"cannot be read: {error}"
                return f"{comment}: {text}", {"rule": text, "comment": rule.comment}
            case netfilter.ChainHead(chain=chain) if chain.is_base:
                at = f"{chain.type} hook {chain.hook} priority {chain.priority}"
                fields = {name: getattr(chain, name) for name in ("type", "hook", "policy")}
                return f": {at}, policy {chain.policy}", fields
            case netfilter.Elements():
                return self._elements(change, change.value)
        return "", {}

    def _elements(
        self, change: netfilter.Announcement, elements: Mapping[bytes, netfilter.Rest]
    ) -> tuple[str, dict[str, Any]]:
        found = self._sets.get(("set", change.family, change.table, change.name))
        if found is None:
            return f": {len(elements):,} of them", {"elements": None}
        shown = list(islice(elements_shown(elements, found.form), _MOST_IN_JSON))
        more = "" if len(shown) <= _MOST_SHOWN else f", … ({len(elements):,} in all)"
        return f": {', '.join(shown[:_MOST_SHOWN])}{more}", {"elements": shown}


_LOST: Final[Mapping[str, Any]] = {"count": None}
