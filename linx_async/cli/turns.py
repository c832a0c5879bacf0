"""In which order the parts of an apply have their turns, and which of them have another one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Container, Iterable, Sequence

from attrs import define, field, frozen

from .._core.model import Op, Verb, Waiting
from ..config import Part
from .results import PartResult

__all__ = ["Turns", "link_awaited"]


@frozen
class _Turn:
    """A turn that a part had.

    Attributes:
        result: What came of it.
        links: What it did to links.
    """

    result: PartResult
    links: tuple[Op, ...]

    @property
    def part(self) -> Part:
        """The part."""
        return self.result.part


@define
class Turns:
    """The turns of the parts of an apply, one each.

    What waits for links of the same file has another turn once these are made, and before they come
    up. When all had their turns, so has what still waits or failed, where something else has
    changed since. Of no part there are more than three.

    Attributes:
        apply: Makes a pass over a part; over a network where told to, for its links alone.
        results: What came of each part so far.
    """

    apply: Callable[[Part, bool], Awaitable[PartResult]]
    results: list[PartResult]
    _turns: list[_Turn] = field(factory=list, init=False)

    async def take(self, parts: Sequence[Part]) -> None:
        """Let all have their turns.

        Args:
            parts: They, in the order in which they are applied.
        """
        stages: dict[str, list[Part]] = {"ahead": [], "networks": [], "gone": []}
        for part in parts:
            stages[_stage(part)].append(part)
        ahead, networks, gone = stages.values()
        await self._each(ahead)
        await self._each(filter(self._is_awaited, networks), bare=True)
        await self._each(filter(self._may_help, ahead))
        await self._each(networks)
        await self._each(filter(self._may_help, (*ahead, *networks)))
        await self._each(gone)

    async def _each(self, parts: Iterable[Part], *, bare: bool = False) -> None:
        for part in parts:
            result = await self.apply(part, bare)
            self._turns.append(_Turn(result, _link_ops(result)))
            for place, before in enumerate(self.results):
                if before.part is part:
                    self.results[place] = result.after(before)
                    break
            else:
                self.results.append(result)

    def _is_awaited(self, network: Part) -> bool:
        """Whether something waits for a link of a network."""
        from .links import names_of

        links = frozenset(names_of(network.desired.get("links", ())))
        return any(
            link_awaited(result.part, wait, links)
            for result in self.results
            if result.part.netns == network.netns
            for wait in result.waiting
        )

    def _may_help(self, part: Part) -> bool:
        """Whether another turn of a part may come to something else than its last one."""
        last = max(place for place, turn in enumerate(self._turns) if turn.part is part)
        result = self._turns[last].result
        since = [turn for turn in self._turns[last + 1 :] if turn.part is not part]
        if result.error:
            return False
        if result.waiting or result.failed:
            return any(turn.result.changes for turn in since)
        here = [turn for turn in since if turn.part.netns == part.netns]
        return _is_touched(part, [op for turn in here for op in turn.links])


def _stage(part: Part) -> str:
    if part.kind == "rtnl" and part.desired:
        return "networks"
    return "gone" if part.kind == "netfilter" and not part.desired else "ahead"


def link_awaited(part: Part, wait: Waiting, links: Container[str]) -> str:
    """Which of some links something of a part waits for; empty where none."""
    name = wait.interface
    if part.kind == "sysctl":
        from ..sysctl.keys import interface_of

        name = interface_of(wait.key) or ""
    return name if name in links else ""


def _link_ops(result: PartResult) -> tuple[Op, ...]:
    if result.part.kind != "rtnl":
        return ()
    from .links import link_ops

    return tuple(link_ops(result.ops))


def _is_touched(part: Part, ops: Sequence[Op]) -> bool:
    """Whether what was done to links may have taken something of a part along."""
    if ops and part.kind == "sysctl":
        from ..sysctl.keys import interface_of

        return any(interface_of(key) for key in part.desired)
    if part.kind == "netfilter":
        # It may name a link by its index, which is another one once that is made anew.
        made = {op.key for op in ops if op.verb is Verb.CREATE}
        return any(op.verb is Verb.DELETE and op.key in made for op in ops)
    return False
