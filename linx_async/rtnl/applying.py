"""What ops are sent as."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from operator import attrgetter
from typing import Any, Final, TypeAlias

from attrs import define, evolve, field

from .._kernel.netlink import MESSAGE, Flag
from .._kernel.socket import Request, packed_change
from .codec import address, link, neighbour, nexthop, rule
from .codec.kinds import encode_change, encode_parameters
from .codec.route_encode import delete_template, template
from .codec.wire import Indices, NoNamespace, Type, index_of
from .desired.forwarding import Forwarding
from .desired.route import Prefix
from .ops import (
    AddAddress,
    AddLink,
    AddNeighbour,
    AddNexthop,
    AddRoute,
    AddRule,
    DeleteAddress,
    DeleteLink,
    DeleteNeighbour,
    DeleteNexthop,
    DeleteRoute,
    DeleteRule,
    MoveLink,
    ReplaceAddress,
    ReplaceNeighbour,
    ReplaceNexthop,
    ReplaceRoute,
    RtnlOp,
    SetLink,
)
from .ways import changed_ways

__all__ = ["CREATE", "Encoder", "Steps"]

Steps: TypeAlias = list[list[Request]]
"""Requests, in steps: what is in one is sent only where all of those before it were done."""

CREATE: Final = int(Flag.CREATE | Flag.EXCL)
"""Flags of what makes an object, and never takes one over."""
_BESIDE: Final = int(Flag.CREATE)
_PUT: Final = int(Flag.CREATE | Flag.REPLACE)
_REPLACE: Final = int(Flag.REPLACE)
_APPEND: Final = int(Flag.CREATE | Flag.APPEND)
_ADDED: Final = attrgetter("forwarding")
_DELETED: Final = attrgetter("observed")


@define
class Encoder:
    """Makes messages of ops.

    Attributes:
        indices: The indices of interfaces by name.
        protocol: Our tag.
        address_protocol: Our tag on addresses; 0 where the kernel has none.
    """

    indices: Indices
    protocol: int
    address_protocol: int
    _templates: dict[tuple[Prefix, int, bool], tuple[bytes, bytes, Forwarding]] = field(
        factory=dict
    )

    def steps(self, op: RtnlOp, namespaces: Mapping[str, int] | None = None) -> Steps:
        """The messages of an op.

        Args:
            op: The op.
            namespaces: Descriptors of network namespaces, by scope, for links that go there.

        Raises:
            NoInterface: An interface is not there (any more).
            NoNamespace: A network namespace that a link goes to is not there.
        """
        match op:
            case AddRoute():
                return [[(Type.NEWROUTE, CREATE, self._route(op.prefix, op.packed, op.forwarding))]]
            case DeleteRoute():
                payload = self._route(op.prefix, op.packed, op.observed, delete=True)
                return [[(Type.DELROUTE, 0, payload)]]
            case ReplaceRoute():
                return self._replaced_route(op)
            case AddLink() | SetLink() | MoveLink() | DeleteLink():
                return self._link(op, namespaces or {})
            case AddAddress() | ReplaceAddress() | DeleteAddress():
                return self._address(op)
            case ReplaceNexthop(in_place=False):
                old = nexthop.encode_delete(op.observed, self.indices)
                new = nexthop.encode(op.nexthop, self.indices, self.protocol)
                return [[(Type.DELNEXTHOP, 0, old)], [(Type.NEWNEXTHOP, CREATE, new)]]
            case _:
                return [[self._other(op)]]

    def added_routes(self, ops: Sequence[AddRoute]) -> list[bytes]:
        """The messages of many ops, all of which add a route, but for their sequence numbers.

        Raises:
            NoInterface: An interface is not there (any more).
        """
        return self._messages(ops, _ADDED, Type.NEWROUTE, CREATE)

    def deleted_routes(self, ops: Sequence[DeleteRoute]) -> list[bytes]:
        """The messages of many ops, all of which delete a route."""
        return self._messages(ops, _DELETED, Type.DELROUTE, 0)

    def _messages(
        self,
        ops: Sequence[AddRoute | DeleteRoute],
        way: Callable[[Any], Forwarding],
        kind: int,
        flags: int,
    ) -> list[bytes]:
        messages: list[bytes] = []
        framed: dict[int, dict[int, tuple[bytes, bytes]]] = {}
        before, known = None, {}
        for op, forwarding in zip(ops, map(way, ops), strict=True):
            if op.prefix is not before:
                before, known = op.prefix, framed.setdefault(id(op.prefix), {})
            parts = known.get(id(forwarding))
            if parts is None:
                parts = self._framed(op.prefix, op.packed, forwarding, kind, flags)
                known[id(forwarding)] = parts
            head, tail = parts
            messages.append(head + op.packed + tail if op.prefix.length else head + tail)
        return messages

    def _framed(
        self, prefix: Prefix, packed: bytes, forwarding: Forwarding, kind: int, flags: int
    ) -> tuple[bytes, bytes]:
        """What comes before and after the destination in a whole message."""
        head, tail = self._template(prefix, forwarding, kind == Type.DELROUTE)
        between = packed if prefix.length else b""
        message = packed_change(kind, flags, head + between + tail)
        cut = MESSAGE.size + len(head)
        return message[:cut], message[cut + len(between) :]

    def _route(
        self, prefix: Prefix, packed: bytes, forwarding: Forwarding, *, delete: bool = False
    ) -> bytes:
        head, tail = self._template(prefix, forwarding, delete)
        return head + packed + tail if prefix.length else head + tail

    def _template(
        self, prefix: Prefix, forwarding: Forwarding, delete: bool
    ) -> tuple[bytes, bytes]:
        key = prefix, id(forwarding), delete
        found = self._templates.get(key)
        if found is None:
            if delete:
                parts = delete_template(prefix, forwarding, self.indices)
            else:
                parts = template(prefix, forwarding, self.indices, self.protocol)
            # Kept with it, so that no other takes its place in memory.
            found = self._templates[key] = (*parts, forwarding)
        return found[:2]

    def _replaced_route(self, op: ReplaceRoute) -> Steps:
        ours = op.observed.protocol == self.protocol
        if op.prefix.family == 6 and ours and op.observed.nexthops:
            return [
                [
                    (
                        Type.NEWROUTE if adds else Type.DELROUTE,
                        _APPEND if adds else 0,
                        self._route(op.prefix, op.packed, way, delete=not adds),
                    )
                    for way in ways
                ]
                for adds, ways in changed_ways(op.forwarding, op.observed)
            ]
        new = self._route(op.prefix, op.packed, op.forwarding)
        if op.prefix.family == 6 or not ours:
            return [[(Type.NEWROUTE, _REPLACE, new)]]
        # NLM_F_REPLACE would take the first of that key, which may be another's; so the new one
        # is put behind it, and then ours is deleted: there is always one.
        old = self._route(op.prefix, op.packed, op.observed, delete=True)
        return [[(Type.NEWROUTE, _APPEND, new)], [(Type.DELROUTE, 0, old)]]

    def _link(
        self, op: AddLink | SetLink | MoveLink | DeleteLink, namespaces: Mapping[str, int]
    ) -> Steps:
        match op:
            case AddLink(link=new, index=index):
                kind = str(new.kind)
                data = encode_parameters(kind, new.parameters) if new.parameters else b""
                peer = (
                    None if new.peer_netns is None else _namespace(namespaces, str(new.peer_netns))
                )
                # An MTU that is set later is kept: a bridge takes that of its ports otherwise.
                bare = evolve(new, mtu=None)
                payload = link.encode_create(bare, self.indices, data, index=index, peer_netns=peer)
                return [[(Type.NEWLINK, CREATE, payload)]]
            case SetLink():
                return self._set_link(op)
            case MoveLink(link=going):
                netns = _namespace(namespaces, str(going.netns))
                index = index_of(self.indices, going.name)
                return [[(Type.NEWLINK, 0, link.encode_move(index, netns))]]
            case DeleteLink(observed=old):
                return [[(Type.DELLINK, 0, link.encode_delete(old.index))]]

    def _set_link(self, op: SetLink) -> Steps:
        index = index_of(self.indices, op.link.name)
        changes = dict(op.changes)
        altnames = changes.pop("altnames", ())
        parameters = changes.pop("parameters", None)
        up = changes.pop("up", None)
        master = changes.pop("master", None)
        if master is not None:
            changes["master"] = index_of(self.indices, master) if master else 0
        requests: list[Request] = []
        if up is False or op.lowered:
            # First: a link that is up refuses some of the rest.
            requests.append((Type.NEWLINK, 0, link.encode_set(index, up=False)))
        if parameters:
            kind = str(op.link.kind)
            before = op.observed.data if op.observed is not None else b""
            data = encode_change(kind, parameters, before)
            requests.append((Type.NEWLINK, 0, link.encode_set(index, kind=kind, data=data)))
        if changes:
            requests.append((Type.NEWLINK, 0, link.encode_set(index, **changes)))
        if altnames:
            requests.append((Type.NEWLINKPROP, CREATE, link.encode_altnames(index, altnames)))
        if up or (up is False and master):
            # Down once more: a bond sets up what it takes.
            requests.append((Type.NEWLINK, 0, link.encode_set(index, up=up)))
        return [[request] for request in requests]

    def _address(self, op: AddAddress | ReplaceAddress | DeleteAddress) -> Steps:
        if isinstance(op, DeleteAddress):
            return [[(Type.DELADDR, 0, address.encode_delete(op.observed, self.indices))]]
        new = address.encode(op.address, self.indices, self.address_protocol)
        if isinstance(op, AddAddress):
            return [[(Type.NEWADDR, CREATE, new)]]
        if op.in_place:
            return [[(Type.NEWADDR, _PUT, new)]]
        old = address.encode_delete(op.observed, self.indices)
        return [[(Type.DELADDR, 0, old)], [(Type.NEWADDR, CREATE, new)]]

    def _other(self, op: RtnlOp) -> Request:
        indices, tag = self.indices, self.protocol
        match op:
            case AddRule(rule=new):
                flags = _BESIDE if op.beside else CREATE
                return Type.NEWRULE, flags, rule.encode(new, indices, tag)
            case DeleteRule(observed=old):
                return Type.DELRULE, 0, rule.encode_delete(old, indices)
            case AddNeighbour(neighbour=new):
                return Type.NEWNEIGH, CREATE, neighbour.encode(new, indices, tag)
            case ReplaceNeighbour(neighbour=new):
                return Type.NEWNEIGH, _PUT, neighbour.encode(new, indices, tag)
            case DeleteNeighbour(observed=old):
                return Type.DELNEIGH, 0, neighbour.encode_delete(old, indices)
            case AddNexthop(nexthop=new):
                return Type.NEWNEXTHOP, CREATE, nexthop.encode(new, indices, tag)
            case ReplaceNexthop(nexthop=new):
                return Type.NEWNEXTHOP, _PUT, nexthop.encode(new, indices, tag)
            case DeleteNexthop(observed=old):
                return Type.DELNEXTHOP, 0, nexthop.encode_delete(old, indices)
        raise TypeError(f"{op!r} is no business of the kernel's")


def _namespace(namespaces: Mapping[str, int], scope: str) -> int:
    descriptor = namespaces.get(scope)
    if descriptor is None:
        raise NoNamespace(scope)
    return descriptor
