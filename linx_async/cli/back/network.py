"""The way back of a network namespace: what was ours is desired again, what was others' added."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from attrs import evolve, frozen

from ..._core.memory import Record
from ..._core.model import Plan, Report, Verb
from ..._core.ownership import Ownership
from ..._core.reconcile import Ledger, run_pass
from ..._kernel.release import kernel_release
from ...rtnl import Desired, Link
from ...rtnl.away import is_away
from ...rtnl.codec.kinds import FIXED
from ...rtnl.diff.address_ops import DETECTION, Whose
from ...rtnl.observed import Observed
from ...rtnl.ops import AddAddress, AddLink, DeleteAddress, ReplaceAddress
from .links import declared_links, touched_links
from .losses import Loss
from .others import Others, Touched, foreign_routes

__all__ = ["Network", "look_at_network"]

_MOST_PASSES: Final = 5
"""A link that is made anew gets what it carries with the next pass."""
_MOST_ROUNDS: Final = 3
"""Routes of others may go by one another."""


@frozen
class Network:
    """What a network namespace had.

    Attributes:
        ours: What was ours, and the attributes of links that are to be changed.
        others: What was others', and may go along.
        touched: What is going to be changed.
        indices: The indices of links.
        altnames: The alternative names of links that are to be changed.
    """

    ours: Desired
    others: Others
    touched: Touched
    indices: dict[str, int]
    altnames: dict[str, frozenset[str]]

    async def put_back(
        self, source: Any, record: Record, before: Ownership
    ) -> tuple[Ownership, list[Loss]]:
        """Make one pass, or some, with what was ours, and then add what others lack."""
        now = await record.load()
        if now == before and not (self.touched.keys or self.touched.interfaces):
            return before, []
        record = _Without(record, frozenset(self._left_elsewhere(now, before)))
        report = await self._converge(source, record)
        why = {failure.key: failure.error.message for failure in report.failed}
        why |= await self._add_others(source)
        owned = await record.load()
        observed = await source.observe(self.ours, owned)
        losses = list(self._losses_of_ours(source.diff(self.ours, observed, owned), observed))
        losses += self._losses_of_others(await self._others(source), why)
        kept = {key: owned.get(key, now.get(key, claim)) for key, claim in before.items()}
        lost = {loss.key: owned[loss.key] for loss in losses if loss.key in owned}
        return Ownership(kept | lost), losses

    def _left_elsewhere(self, now: Ownership, before: Ownership) -> set[str]:
        """The claims on links in other namespaces that were there before, and stay alone."""
        said = {f"{link.key} to {link.netns}" for link in self.ours.links}
        return {key for key in now if is_away(key) and key in before and key not in said}

    async def _converge(self, source: Any, record: Record) -> Report[Any]:
        """Make passes until nothing more comes of it; gives the last one's report."""
        desired = self.ours
        report: Report[Any] = Report(converged=False)
        for _ in range(_MOST_PASSES):
            report = await run_pass(source, desired, await Ledger.of(record))
            ops = [failure.op for failure in report.failed]
            refused = {op.link.name for op in ops if isinstance(op, AddLink)}
            # Of some parameters the kernel tells a value that it does not take.
            links = tuple(_barer(each) if each.name in refused else each for each in desired.links)
            if links != desired.links:
                desired = evolve(desired, links=links)
            elif report.converged or not report.changed:
                break
        return report

    async def _others(self, source: Any) -> Others:
        observed = await source.observe(Desired(), Ownership())
        return await _others_of(source, observed, Ownership(), self.touched)

    async def _add_others(self, source: Any) -> dict[str, str]:
        """Add what others had and is missing; gives why something could not be, by key."""
        why: dict[str, str] = {}
        for _ in range(_MOST_ROUNDS):
            lacking = self.others.lacking(await self._others(source))
            if not lacking:
                break
            why = {}
            for key, op in lacking.items():
                (outcome,) = await source.apply([op])
                if outcome.conflict:
                    why[key] = outcome.conflict
                elif outcome.error is not None:
                    why[key] = str(outcome.error)
            if len(why) == len(lacking):
                break
        return why

    def _losses_of_ours(self, plan: Plan[Any], observed: Observed) -> Iterable[Loss]:
        for op in plan.ops:
            if op.verb is not Verb.RELEASE:
                yield Loss(op.key, f"is not as it was; this is still due: {op}")
        for error in plan.failed:
            yield Loss(error.key, error.message)
        for wait in plan.waiting:
            if wait.reason != DETECTION:
                yield Loss(wait.key, wait.reason)
        for conflict in plan.conflicts:
            yield Loss(conflict.key, conflict.reason)
        for name, index in self.indices.items():
            link = observed.links.get(name)
            if link is None:
                if name in self.touched.interfaces:
                    yield Loss(f"link {name}", "is gone")
            elif link.index != index:
                yield Loss(f"link {name}", f"was made anew: its index is {link.index}, not {index}")
            elif link.altnames - self.altnames.get(name, link.altnames):
                names = ", ".join(sorted(link.altnames - self.altnames[name]))
                yield Loss(f"link {name}", f"still has the alternative name {names}")

    def _losses_of_others(self, now: Others, why: dict[str, str]) -> Iterable[Loss]:
        for key in self.others.lacking(now):
            yield Loss(
                key, f"is gone, and was not ours{': ' if key in why else ''}{why.get(key, '')}"
            )
        for key in self.others.differing(now):
            yield Loss(key, "is another than it was, and is not ours")


async def look_at_network(
    source: Any, desired: Any, observed: Observed, owned: Ownership, plan: Plan[Any]
) -> Network:
    """All that an apply may change in a network namespace.

    Raises:
        SourceError: It cannot be read.
    """
    wanted = Desired.of(desired)
    links = touched_links(plan.ops, observed.links)
    addresses = [
        op.address if isinstance(op, AddAddress) else op.observed
        for op in plan.ops
        if isinstance(op, AddAddress | ReplaceAddress | DeleteAddress)
    ]
    interfaces = links | {address.interface for address in addresses}
    touched = Touched(interfaces, frozenset(op.key for op in plan.ops))
    is_ours = _Ours(source.protocol, owned)
    ours = Desired(
        links=declared_links(observed.links, links, owned, plan.ops, wanted.links),
        addresses=_each_once(
            evolve(address, protocol=None)
            for address in observed.addresses
            if is_ours(address) and not address.is_duplicate
        ),
        routes=observed.routes.table(),
        rules=_each_once(filter(is_ours, observed.rules)),
        neighbours=_each_once(filter(is_ours, observed.neighbours)),
        nexthops=_each_once(filter(is_ours, observed.nexthops)),
    )
    return Network(
        ours,
        await _others_of(source, observed, owned, touched),
        touched,
        {name: link.index for name, link in observed.links.items()},
        {name: observed.links[name].altnames for name in links & observed.links.keys()},
    )


async def _others_of(source: Any, observed: Observed, owned: Ownership, touched: Touched) -> Others:
    routes = await foreign_routes(source) if touched.keys or touched.interfaces else []
    return Others.of(observed, routes, _Ours(source.protocol, owned), touched)


@frozen
class _Ours:
    """Whether an object is ours."""

    protocol: int
    owned: Ownership

    def __call__(self, value: Any) -> bool:
        if hasattr(value, "valid_lifetime"):
            whose = Whose(self.protocol, self.owned, kernel_release() >= (5, 18))
            return whose.ours(value)
        return bool(value.protocol == self.protocol)


@frozen
class _Without:
    """A record without some claims, which it keeps."""

    record: Record
    keys: frozenset[str]

    async def load(self) -> Ownership:
        return (await self.record.load()).without(self.keys)

    async def save(self, ownership: Ownership) -> None:
        whole = await self.record.load()
        left = [claim for key, claim in whole.items() if key in self.keys]
        await self.record.save(ownership.with_claims(left))


def _each_once(values: Iterable[Any]) -> list[Any]:
    return list({value.key: value for value in values}.values())


def _barer(link: Link) -> Link:
    """The same with no more parameters than those which cannot be set afterwards."""
    fixed = FIXED.get(str(link.kind), frozenset())
    parameters = {name: value for name, value in link.parameters.items() if name in fixed}
    return evolve(link, parameters=parameters)
