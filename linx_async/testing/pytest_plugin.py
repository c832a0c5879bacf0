"""A pytest plugin: the fake, virtual time, namespaces and cgroups as fixtures."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from .clocks import virtual_backend
from .fake import FakeSource
from .kernel import FakeKernel
from .namespaces import (
    Namespaces,
    NamespaceUnavailable,
    scratch_cgroup,
    throwaway,
    unshare_this_process,
)

__all__ = [
    "linx_box",
    "linx_cgroup",
    "linx_foreigner",
    "linx_isolated",
    "linx_kernel",
    "linx_source",
    "linx_virtual_backend",
]

_INI = "linx_isolated"
_isolation: pytest.StashKey[str] = pytest.StashKey()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Take the option `linx_isolated`."""
    told = "move the test process into namespaces of its own before the first test"
    parser.addini(_INI, told, type="bool", default=False)


def pytest_configure(config: pytest.Config) -> None:
    """Isolate the process where the project wants it, while it still has one thread."""
    # A worker of pytest-xdist has more threads, and is in the namespaces of who started it.
    if config.getini(_INI) and not hasattr(config, "workerinput"):
        try:
            unshare_this_process()
        except NamespaceUnavailable as error:
            config.stash[_isolation] = error.reason
        else:
            config.stash[_isolation] = ""


def pytest_report_header(config: pytest.Config) -> list[str]:
    """Say where the tests run, where the project wants them isolated."""
    reason = config.stash.get(_isolation, None)
    return [] if reason is None else [f"{_INI}: {reason or 'in namespaces of their own'}"]


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a worker of pytest-xdist in which namespaces it is."""
    node.workerinput[_INI] = node.config.stash.get(_isolation, None)


@pytest.fixture
def linx_kernel() -> FakeKernel:
    """An empty fake kernel."""
    return FakeKernel()


@pytest.fixture
def linx_source(linx_kernel: FakeKernel) -> FakeSource:
    """A source that drives `linx_kernel`; what leaves the desired state is deleted."""
    return FakeSource(linx_kernel)


@pytest.fixture(params=["asyncio", "trio"])
def linx_virtual_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    """Each backend in turn, on a clock of its own that starts at 0.0 and jumps.

    For anyio's `anyio_backend` to give on, which every async test then runs on. Skips where the
    backend is not installed.
    """
    name: str = request.param
    try:
        return virtual_backend(name)
    except ImportError:
        pytest.skip(f"{name} is not installed")


@pytest.fixture(scope="session")
def linx_isolated(pytestconfig: pytest.Config) -> None:
    """This process is in network, UTS, IPC and mount namespaces of its own, as root there.

    It stays there for good, and so do all tests that follow. Skips where that cannot be had; once
    the process has a second thread it cannot, which the ini option `linx_isolated` forestalls.
    """
    worker: dict[str, Any] = getattr(pytestconfig, "workerinput", {})
    reason = worker.get(_INI, pytestconfig.stash.get(_isolation, None))
    if reason is None:
        try:
            unshare_this_process()
        except NamespaceUnavailable as error:
            reason = error.reason
    if reason:
        pytest.skip(reason)


@pytest.fixture
def linx_box() -> Iterator[Namespaces]:
    """A process in a network and a UTS namespace that are neither ours nor the machine's.

    Skips where they cannot be had. As an ordinary user ask for `linx_isolated` too, where a source
    is to enter them.
    """
    try:
        box = throwaway("net", "uts")
    except NamespaceUnavailable as error:
        pytest.skip(error.reason)
    with box:
        yield box


@pytest.fixture
def linx_foreigner() -> Iterator[Namespaces]:
    """Another process in our own namespaces: somebody else who writes."""
    with throwaway() as foreigner:
        yield foreigner


@pytest.fixture
def linx_cgroup() -> Iterator[Path]:
    """An empty cgroup v2 cgroup, removed at the end; skips where none can be made."""
    with ExitStack() as stack:
        try:
            cgroup = stack.enter_context(scratch_cgroup())
        except NamespaceUnavailable as error:
            pytest.skip(error.reason)
        yield cgroup
