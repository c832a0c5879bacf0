"""`linx show`: what the kernel has, as lines, as JSON, or as a file that asks for nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

from attrs import define, field

from .._core.errors import DesiredStateError, LinxError
from .._kernel.netns import NetworkNamespace
from ..config import Part, parse
from ..config.text import LARGEST
from ..config.writing import comment
from .output import complain, say, shade
from .passes import Passes
from .present import Present
from .results import PartResult
from .selection import Selection
from .state import HostStore
from .where import as_recorded, head_of

__all__ = ["KINDS", "ShownState", "kinds_of"]

KINDS: Final = ("sysctl", "cgroup", "rtnl", "netfilter")
_FILE: Final = "what is shown"
_ROUNDS: Final = 6


@define
class ShownState:
    """What the kernel has, as far as it was asked for.

    Attributes:
        selection: What was asked for.
        store: The records.
        protocol: The tag of what is ours in a network; None: as the records say.
        parts: What was found.
        elsewhere: The parts that are kept in other network namespaces, where neither one of those
            nor names were asked for.
    """

    selection: Selection
    store: HostStore
    protocol: int | None = None
    parts: list[Present] = field(factory=list, init=False)
    elsewhere: list[Part] = field(factory=list, init=False)

    async def look(self) -> None:
        """Look at it.

        Raises:
            LinxError: It cannot be read, or nothing has a name that was asked for.
        """
        kinds, selection = self.selection.kinds, self.selection
        if selection.netns is not None:
            selection.netns = await as_recorded(selection.netns, self.store)
        elif not selection.names:
            owned = [part for part, _ in await self.store.owned() if part.kind in kinds]
            self.elsewhere = [part for part in owned if part.netns is not None]
        if "sysctl" in kinds:
            from .present_flat import present_sysctls

            self._add(await present_sysctls(selection, self.store))
        if "cgroup" in kinds:
            from .present_flat import present_cgroups

            self._add(*await present_cgroups(selection, self.store))
        if "rtnl" in kinds:
            from .present_network import present_network

            self._add(await present_network(selection, self.store, self.protocol))
        if "netfilter" in kinds:
            from .present_firewall import present_firewall

            self._add(*await present_firewall(selection))
        if selection.unmet:
            raise LinxError("\n".join(map(self._unmet, selection.unmet)))

    def _add(self, *found: Present | None) -> None:
        self.parts += [present for present in found if present is not None]

    def _unmet(self, name: str) -> str:
        kinds = {
            "sysctl": "sysctl",
            "cgroup": "cgroup",
            "rtnl": "interface",
            "netfilter": "table",
        }
        looked = " or ".join(kinds[kind] for kind in KINDS if kind in self.selection.kinds)
        place = "" if self.selection.netns is None else f" in {self.selection.netns}"
        return f"{name}: there is no {looked} of that name{place}"

    async def settle(self) -> None:
        """Leave out what would not be converged, were the file applied here and now.

        Raises:
            LinxError: It changes while it is looked at.
        """
        for _ in range(_ROUNDS):
            try:
                config = parse(self.text(), file=_FILE)
            except DesiredStateError as error:
                raise LinxError(f"the kernel has what cannot be written down: {error}") from error
            passes = Passes(config, self.store)
            await passes.plan()
            by_name = {result.part.name: result for result in passes.results}
            dropped = [
                present.drop(_amiss(present, by_name[present.name]))
                for present in self.parts
                if present.name in by_name
            ]
            if not any(dropped):
                return
        raise LinxError("the kernel's state changes while it is looked at: try again")

    @property
    def is_whole(self) -> bool:
        """Whether nothing was left out."""
        return not (self.elsewhere or any(present.left_out for present in self.parts))

    def text(self) -> str:
        """The file.

        Raises:
            DesiredStateError: It is larger than a file may be.
        """
        lines = comment(f"What the kernel has, by linx show{self._asked()}.")
        if self.selection.names or self._is_some or self.selection.netns is not None:
            lines += comment(
                "It is a part of it: to apply it alone lets go of what else linx keeps here."
            )
        for what in self._kept_elsewhere():
            lines += comment(f"Left out: {what}; to apply this alone lets go of it")
        lines += head_of(self.selection.netns)
        for present in self.parts:
            lines += ["", *present.lines()]
        text = "\n".join([*lines, ""])
        if len(text.encode()) > LARGEST:
            raise DesiredStateError(
                f"the file would have more than {LARGEST >> 20} MiB, which linx does not read: ask"
                " for less of it, by --part, --ours or names"
            )
        return text

    def _asked(self) -> str:
        netns = self.selection.netns
        words = [] if netns is None else [f"--netns {netns.value}"]
        words += ["--ours"] if self.selection.ours else []
        if self._is_some:
            words += [f"--part {kind}" for kind in self.selection.kinds]
        return " ".join(["", *words, *self.selection.names])

    def _kept_elsewhere(self) -> list[str]:
        """What is kept in other network namespaces, and how to see it: a line for each of those."""
        kept: dict[NetworkNamespace, list[str]] = {}
        for part in self.elsewhere:
            if part.netns is not None:
                words = part.name.removeprefix(f"{part.netns}: ")
                kept.setdefault(part.netns, []).append(words)
        return [
            f"{netns} ({', '.join(parts)}): `linx show --netns {netns.value}` shows it"
            for netns, parts in kept.items()
        ]

    @property
    def _is_some(self) -> bool:
        """Whether not all subsystems were asked for that there are."""
        return len(self.selection.kinds) < len(kinds_of((), self.selection.netns))

    def show(self) -> None:
        """Write it for people."""
        for present in self.parts:
            if present.entries or present.left_out:
                say(f"{shade(present.name, bold=True)}:")
            for entry in present.entries:
                own = f" {shade('(ours)', 'green')}" if entry.ours else ""
                remark = shade(f" ({entry.remark})", dim=True) if entry.remark else ""
                say(f"  {shade(entry.text)}{own}{remark}")
            for left in present.left_out:
                say(f"  {shade(left.what)} {shade(f'(no file says it: {left.why})', dim=True)}")
        if not self.parts:
            told = (
                "nothing: of sysctls and cgroups those are shown that linx keeps, or that are named"
            )
            say(shade(told, dim=True))
        for what in self._kept_elsewhere():
            say(shade(f"not shown: {what}", dim=True))

    def to_json(self, *, as_config: bool) -> dict[str, Any]:
        """It, for `--json`."""
        return {
            "command": "show",
            "parts": [_json_of(present) for present in self.parts],
            "whole": self.is_whole,
            "elsewhere": [part.name for part in self.elsewhere],
            "config": self.text() if as_config else None,
        }

    def complain(self) -> None:
        """Tell what the file leaves out."""
        for what in self._kept_elsewhere():
            complain(f"left out: {what}; to apply this alone lets go of it")
        for present in self.parts:
            for left in present.left_out:
                complain(f"left out: {left.what}: {left.why}")


def _json_of(present: Present) -> dict[str, Any]:
    return {
        "part": present.name,
        "entries": [
            {"key": each.key, "ours": each.ours, "text": each.text, "value": each.said}
            for each in present.entries
        ],
        "left_out": [{"text": each.what, "reason": each.why} for each in present.left_out],
    }


def _amiss(present: Present, result: PartResult) -> dict[str, str]:
    """Why entries are not converged as the file has them, by key."""
    found = {op.key: f"to apply it would not leave it as it is: {op}" for op in result.ops}
    found |= {error.key: str(error) for error in result.failed}
    found |= {each.key: each.reason for each in result.waiting}
    found |= {each.key: each.reason for each in result.conflicts}
    if result.error:
        return {entry.key: result.error for entry in present.entries}
    if present.kind == "netfilter" and found:
        why = next(iter(found.values()))
        return {entry.key: why for entry in present.entries}
    return found


def kinds_of(parts: Iterable[str], netns: NetworkNamespace | None = None) -> Sequence[str]:
    """The subsystems that were asked for, in their order; all that there are where none was.

    Raises:
        DesiredStateError: They are cgroups of a network namespace.
    """
    there = [kind for kind in KINDS if netns is None or kind != "cgroup"]
    wanted = set(parts) or set(there)
    if not wanted <= set(there):
        raise DesiredStateError("cgroups are of no network namespace: ask for them without --netns")
    return [kind for kind in there if kind in wanted]
