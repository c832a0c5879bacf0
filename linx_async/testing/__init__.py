"""What tests of this library, and of anyone's Sources, stand on."""

from __future__ import annotations

from .changes import Change, Forget, Put, Remove, Restore
from .clocks import (
    VirtualDeadlock,
    VirtualTimeLoop,
    run_in_virtual_time,
    virtual_backend,
    virtual_backends,
)
from .conformance import (
    SOURCE_LAWS,
    CaseError,
    Law,
    LawBroken,
    SourceCase,
    check_source,
)
from .fake import FakeSource
from .faults import Fault, NoAnswer
from .kernel import FakeKernel
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
    "SOURCE_LAWS",
    "CaseError",
    "Change",
    "FakeKernel",
    "FakeSource",
    "Fault",
    "Forget",
    "Law",
    "LawBroken",
    "NamespaceUnavailable",
    "Namespaces",
    "NoAnswer",
    "Put",
    "Remove",
    "Restore",
    "SourceCase",
    "VirtualDeadlock",
    "VirtualTimeLoop",
    "can_make_links",
    "can_unshare_user",
    "cgroup2_writable",
    "check_source",
    "controllers",
    "run_in_virtual_time",
    "scratch_cgroup",
    "throwaway",
    "unshare_this_process",
    "virtual_backend",
    "virtual_backends",
]
