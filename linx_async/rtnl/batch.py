"""One batch of ops on its way to the kernel."""

from __future__ import annotations

import errno
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, cast

from .._core.errors import OpError
from .._core.model import DONE, Outcome
from .._kernel.exchange import Refusal
from .._kernel.netns import Target
from .._kernel.socket import NetlinkSocket, Request
from .applying import Encoder, Steps
from .codec.kinds import decode_parameters
from .codec.wire import NoInterface, NoNamespace
from .desired import Link
from .desired.route import Prefix
from .deviations import agree
from .diff.address_ops import DETECTION
from .diff.route_ops import held_by
from .elsewhere import delete_moved, descriptors
from .observed_link import ObservedLink
from .ops import (
    AddAddress,
    AddLink,
    AddRoute,
    DeleteLink,
    DeleteMoved,
    DeleteRoute,
    MoveLink,
    ReplaceAddress,
    ReplaceRoute,
    RtnlOp,
    SetLink,
)
from .records import LinkRecord
from .refusals import conflict_in, is_done_already, refused
from .tuns import made_tun
from .views import Views

__all__ = ["Batch"]

_UNNEEDED: Final = Outcome(unneeded=True)
_LINK_OPS: Final = (AddLink, SetLink, MoveLink, DeleteLink)


class Batch:
    """Ops that are sent to the kernel together.

    Args:
        ops: The ops.
        target: The namespace.
        socket: A socket in it.
        views: What was last read of it.
        encoder: What makes messages of them; it may be another batch's too.

    Attributes:
        contested: The tables, each with its family, in which another turned out to have what was
            to be added.
    """

    def __init__(
        self,
        ops: Sequence[RtnlOp],
        target: Target,
        socket: NetlinkSocket,
        views: Views,
        encoder: Encoder,
    ) -> None:
        self._ops = ops
        self._target = target
        self._protocol = encoder.protocol
        self._encoder = encoder
        self._socket = socket
        self._views = views
        self._outcomes: list[Outcome] = [DONE] * len(ops)
        self.contested: set[tuple[int, int]] = set()

    async def carry_out(self) -> Sequence[Outcome]:
        """Send them, many at once; gives one outcome an op.

        Raises:
            SourceError: No whole answer came.
        """
        if await self._only_routes():
            return self._outcomes
        await self._beware()
        await self._other_ways()
        async with descriptors(self._ops) as (namespaces, out_of_reach):
            left = self._encoded(namespaces, out_of_reach)
            while left:
                refusals = await _send(self._socket, left)
                for place in refusals:
                    del left[place]
                await self._judge(refusals)
                left = {place: steps[1:] for place, steps in left.items() if len(steps) > 1}
        if any(isinstance(op, _LINK_OPS) for op in self._ops):
            await self._settle()
        if any(isinstance(op, AddAddress | ReplaceAddress) for op in self._ops):
            await self._await_detection()
        return self._outcomes

    async def _only_routes(self) -> bool:
        """Add or delete routes, and nothing else: the short way for very many of them."""
        encoder = self._encoder
        kinds = set(map(type, self._ops))
        try:
            if kinds == {AddRoute}:
                messages = encoder.added_routes(cast("Sequence[AddRoute]", self._ops))
            elif kinds == {DeleteRoute}:
                messages = encoder.deleted_routes(cast("Sequence[DeleteRoute]", self._ops))
            else:
                return False
        except (NoInterface, ValueError):
            # The long way tells which.
            return False
        answers = await self._socket.change_packed(messages)
        await self._judge({place: each for place, each in enumerate(answers) if each is not None})
        return True

    async def _other_ways(self) -> None:
        """Do what this socket does not: tuns, which an ioctl makes, and other namespaces."""
        for place, op in enumerate(self._ops):
            error = None
            if isinstance(op, AddLink) and op.link.kind == "tun":
                error = await made_tun(self._target, op.link, op.index)
            elif isinstance(op, DeleteMoved):
                error = await delete_moved(op)
            if error is not None:
                self._outcomes[place] = Outcome(error)

    def _encoded(
        self, namespaces: Mapping[str, int], out_of_reach: Mapping[str, str]
    ) -> dict[int, Steps]:
        """The messages of the ops that are still to be done, by place."""
        steps: dict[int, Steps] = {}
        for place, op in enumerate(self._ops):
            is_tun = isinstance(op, AddLink) and op.link.kind == "tun"
            if self._outcomes[place] is DONE and not (is_tun or isinstance(op, DeleteMoved)):
                try:
                    steps[place] = self._encoder.steps(op, namespaces)
                except NoInterface as error:
                    missing = f"the interface {error.name} is not there"
                    self._outcomes[place] = Outcome(OpError(op.key, errno.ENODEV, missing))
                except NoNamespace as error:
                    why = out_of_reach[str(error)]
                    self._outcomes[place] = Outcome(OpError(op.key, None, why))
                except ValueError as error:
                    # More ways, say, than an attribute has room for.
                    unsaid = f"no message can say it: {error}"
                    self._outcomes[place] = Outcome(OpError(op.key, None, unsaid))
        return steps

    async def _beware(self) -> None:
        """Refuse to replace IPv6 routes that share their key with another's.

        The kernel replaces the first one of a key (fib6_add_rt2node() in net/ipv6/ip6_fib.c).
        """
        places: dict[Prefix, dict[bytes, int]] = {}
        for place, op in enumerate(self._ops):
            if (
                isinstance(op, ReplaceRoute)
                and op.prefix.family == 6
                and op.observed.protocol == self._protocol
            ):
                places.setdefault(op.prefix, {})[op.packed] = place
        for (prefix, packed), held in (await self._views.foreign_routes(places)).items():
            conflict = held_by((prefix, packed), held)
            self._outcomes[places[prefix][packed]] = Outcome(conflict=conflict)

    async def _judge(self, refusals: Mapping[int, Refusal]) -> None:
        """What refusals mean, op by op."""
        taken: dict[Prefix, dict[bytes, int]] = {}
        for place, refusal in refusals.items():
            op = self._ops[place]
            if is_done_already(op, refusal):
                continue
            if refusal.errno == errno.EEXIST and isinstance(op, AddRoute):
                taken.setdefault(op.prefix, {})[op.packed] = place
            holder = conflict_in(op, refusal)
            self._outcomes[place] = Outcome(
                None if holder else refused(op, refusal), conflict=holder
            )
        self.contested |= {(prefix.family, prefix.table) for prefix in taken}
        for (prefix, packed), held in (await self._views.foreign_routes(taken)).items():
            place = taken[prefix][packed]
            op = self._ops[place]
            same = isinstance(op, AddRoute) and agree(op.forwarding, held)
            conflict = Outcome(conflict=held_by((prefix, packed), held))
            self._outcomes[place] = _UNNEEDED if same else conflict

    async def _await_detection(self) -> None:
        """Note the addresses that may not be used yet: duplicate address detection goes on."""
        tentative: set[str] | None = None
        for place, op in enumerate(self._ops):
            if not isinstance(op, AddAddress | ReplaceAddress) or not self._outcomes[place].done:
                continue
            if op.address.family == 4 or op.address.nodad:
                continue
            if tentative is None:
                found = await self._views.addresses()
                tentative = {each.key for each in found if each.is_tentative}
            if op.key in tentative:
                self._outcomes[place] = Outcome(waiting=DETECTION)

    async def _settle(self) -> None:
        """Learn what the kernel made of links of ours; another by the name is none."""
        links = await self._views.links()
        for place, op in enumerate(self._ops):
            if self._outcomes[place] is not DONE or not isinstance(op, AddLink | SetLink):
                continue
            made = links.get(op.link.name)
            if made is not None and _index_of(op) in {0, made.index}:
                self._outcomes[place] = Outcome(settled=str(_record(op.link, made)))


def _index_of(op: AddLink | SetLink) -> int | None:
    """The index that a link of ours has, 0 for any; None where it is not ours."""
    if isinstance(op, AddLink):
        return op.index
    return op.observed.index if op.own and op.observed is not None else None


def _record(link: Link, made: ObservedLink) -> LinkRecord:
    """What there is to remember of a link of ours: the kernel rounds some parameters."""
    if not link.kind or not link.parameters:
        return LinkRecord(made.index)
    return LinkRecord.made(made.index, link.parameters, decode_parameters(link.kind, made.data))


async def _send(socket: NetlinkSocket, left: Mapping[int, Steps]) -> dict[int, Refusal]:
    """Send the first step of each op; gives the refusals by the op's place."""
    requests: list[Request] = []
    places: list[int] = []
    for place, steps in left.items():
        for request in steps[0] if steps else ():
            requests.append(request)
            places.append(place)
    answers: Iterable[Refusal | None] = await socket.change(requests)
    refusals: dict[int, Refusal] = {}
    for place, answer in zip(places, answers, strict=True):
        if answer is not None:
            refusals.setdefault(place, answer)
    return refusals
