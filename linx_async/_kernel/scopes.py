"""The short forms of a network namespace."""

from __future__ import annotations

import os
import socket
from typing import TypeAlias

from .._core.errors import DesiredStateError
from .netns import NetworkNamespace

__all__ = ["Scope", "namespace_of"]

Scope: TypeAlias = NetworkNamespace | str | os.PathLike[str] | int | socket.socket | None
"""Where: None is here, an int a pid, text a network namespace's name, or its path with a slash; an
open socket stands for the network namespace that it belongs to."""


def namespace_of(scope: Scope) -> NetworkNamespace:
    """A scope from its short form.

    Raises:
        DesiredStateError: None of these.
        ScopeGone: There is no such process.
        SourceError: It cannot be pinned.
    """
    match scope:
        case NetworkNamespace():
            return scope
        case None:
            return NetworkNamespace.here()
        case int():
            return NetworkNamespace.of_pid(scope)
        case socket.socket():
            return NetworkNamespace.of_socket(scope)
        case str() if "/" not in scope:
            return NetworkNamespace.named(scope)
        case str() | os.PathLike():
            return NetworkNamespace.at_path(scope)
    raise DesiredStateError(
        f"scope: expected a pid, a name, a path, a socket or None, got {scope!r}"
    )
