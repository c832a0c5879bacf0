"""What tests of this library, and of anyone's Sources, stand on."""

from __future__ import annotations

from .clocks import VirtualDeadlock, VirtualTimeLoop, virtual_backend, virtual_backends
from .namespaces import (
    Namespaces,
    NamespaceUnavailable,
    can_make_links,
    can_unshare_user,
    cgroup2_writable,
    controllers,
    scratch_cgroup,
    throwaway,
    unshare_this_process,
)

__all__ = [
    "NamespaceUnavailable",
    "Namespaces",
    "VirtualDeadlock",
    "VirtualTimeLoop",
    "can_make_links",
    "can_unshare_user",
    "cgroup2_writable",
    "controllers",
    "scratch_cgroup",
    "throwaway",
    "unshare_this_process",
    "virtual_backend",
    "virtual_backends",
]
