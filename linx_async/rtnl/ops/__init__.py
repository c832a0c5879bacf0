"""The ops of rtnetlink, one class a kernel verb."""

from __future__ import annotations

from typing import TypeAlias

from ..._core.ops import Release
from .addresses import AddAddress, DeleteAddress, ReplaceAddress
from .links import AddLink, DeleteLink, DeleteMoved, MoveLink, SetLink
from .others import (
    AddNeighbour,
    AddNexthop,
    AddRule,
    DeleteNeighbour,
    DeleteNexthop,
    DeleteRule,
    ReplaceNeighbour,
    ReplaceNexthop,
)
from .routes import AddRoute, DeleteRoute, ReplaceRoute

__all__ = [
    "AddAddress",
    "AddLink",
    "AddNeighbour",
    "AddNexthop",
    "AddRoute",
    "AddRule",
    "DeleteAddress",
    "DeleteLink",
    "DeleteMoved",
    "DeleteNeighbour",
    "DeleteNexthop",
    "DeleteRoute",
    "DeleteRule",
    "MoveLink",
    "Release",
    "ReplaceAddress",
    "ReplaceNeighbour",
    "ReplaceNexthop",
    "ReplaceRoute",
    "RtnlOp",
    "SetLink",
]

RtnlOp: TypeAlias = (
    AddLink
    | SetLink
    | MoveLink
    | DeleteLink
    | DeleteMoved
    | Release
    | AddAddress
    | ReplaceAddress
    | DeleteAddress
    | AddRoute
    | ReplaceRoute
    | DeleteRoute
    | AddRule
    | DeleteRule
    | AddNeighbour
    | ReplaceNeighbour
    | DeleteNeighbour
    | AddNexthop
    | ReplaceNexthop
    | DeleteNexthop
)
