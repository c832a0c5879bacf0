"""The ground that all tests stand on: throw-away namespaces, both backends, and the guards."""

from __future__ import annotations

import os
import platform
import shlex
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from inspect import iscoroutinefunction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

import linx_async
from linx_async.testing.clocks import virtual_backend
from linx_async.testing.namespaces import (
    Namespaces,
    NamespaceUnavailable,
    cgroup2_writable,
    unshare_this_process,
)
from tests import outside
from tests.leftovers import Snapshot, running_tasks
from tests.loop_guard import LoopGuard

TESTS = Path(__file__).parent
UID = os.getuid()
MOST_PROCESSES = 4
SHARING = ("cgroup", "cli", "crash", "demo", "namespaces", "poll", "sysctl", "tour")
"""In the names of files whose tests change cgroups, or sysctls that wake all who poll them."""
GUARD = LoopGuard(Path(linx_async.__file__).parent)

# A shell starts what it leaves in its background with SIGINT ignored, and all children inherit it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Here, since it has to be before any thread starts; a worker is isolated from the first.
shared = os.environ.get("LINX_TESTS_SHARED")
if shared is None:
    outside.leave_a_shell()
    try:
        unshare_this_process()
    except NamespaceUnavailable as error:
        shared = error.reason

for name, examples in (("quick", 25), ("ci", 100)):
    settings.register_profile(
        name,
        max_examples=examples,
        deadline=None,
        print_blob=True,
        database=None,  # the checkout may be read-only
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )
settings.load_profile(
    os.environ.get("HYPOTHESIS_PROFILE") or ("ci" if os.environ.get("CI") else "quick")
)


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> None:
    """Spread the whole suite over the processors; some files, or one test, need no such thing."""
    option = config.option
    if (
        not hasattr(config, "workerinput")
        and config.args_source is pytest.Config.ArgsSource.TESTPATHS
        and getattr(option, "numprocesses", 0) is None
        and not (option.usepdb or option.collectonly)
    ):
        option.numprocesses = min(len(os.sched_getaffinity(0)), MOST_PROCESSES)
        option.dist = "loadfile"


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_setupnodes(specs: list[Any]) -> None:
    for spec in specs:
        spec.python = shlex.join([sys.executable, str(TESTS / "isolated.py")])


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Leave the tests of a file together, and all that share what no namespace keeps apart."""
    from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]

    class Together(LoadScopeScheduling):  # type: ignore[misc]
        def _split_scope(self, nodeid: str) -> str:
            file = nodeid.partition("::")[0]
            shares = any(word in file.rpartition("/")[2] for word in SHARING)
            return "machine" if shares else file

    return Together(config, log)


def pytest_configure(config: pytest.Config) -> None:
    for marker in (
        "kernel: reads and writes the real kernel, inside throw-away namespaces",
        "virtual_time: runs on a clock that jumps, as all tests in tests/loop do",
        "unguarded(reason): may block the event loop, and leave tasks, threads and descriptors",
    ):
        config.addinivalue_line("markers", marker)


def pytest_report_header() -> list[str]:
    where = "the machine's own namespaces" if shared else "namespaces of its own"
    user = f"uid {UID}" + (", root in a user namespace" if UID and not shared else "")
    cgroups = cgroup2_writable() or "none that this user may write to"
    return [
        f"runs as: {user}; in {where}; Linux {platform.release()}; cgroup v2: {cgroups}",
        *([f"kernel tests are skipped: {shared}"] if shared else []),
    ]


def pytest_itemcollected(item: pytest.Item) -> None:
    if TESTS / "kernel" in item.path.parents:
        item.add_marker(pytest.mark.kernel)
    if shared and item.get_closest_marker("kernel"):
        item.add_marker(pytest.mark.skip(reason=shared))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Count the skips and their reasons, whatever the options."""
    skips = Counter(
        str(report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr)
        .removeprefix("Skipped: ")
        .strip()
        for report in terminalreporter.getreports("skipped")
    )
    terminalreporter.section(f"{skips.total()} tests skipped for what this machine lacks")
    for reason, count in skips.most_common():
        terminalreporter.line(f"{count:5}  {reason}")


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    """Both backends for every async test, on a fresh clock of its own where time is virtual."""
    name: str = request.param
    in_loop = TESTS / "loop" in request.path.parents
    if in_loop or request.node.get_closest_marker("virtual_time"):
        return virtual_backend(name)
    return name, {}


@pytest.fixture(autouse=True)
def guards(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail a test that blocks the event loop, and an async one that leaves something behind."""
    if is_unguarded(request):
        yield
        return
    before = Snapshot.take()
    with GUARD.watching() as found:
        yield
    left = before.left_since() if is_async(request.node) else []
    wrong = [
        *(f"on the event loop's thread: {call}" for call in found),
        *(f"left behind: {what}" for what in left),
    ]
    if wrong:
        pytest.fail("\n".join(wrong), pytrace=False)


@pytest.fixture(autouse=True)
def guard_of_tasks(request: pytest.FixtureRequest, guards: None) -> None:
    """Looks inside the event loop, which `guards` sees only before it is there and after."""
    if is_async(request.node) and not is_unguarded(request):
        request.getfixturevalue("no_task_is_left")


@pytest.fixture
async def no_task_is_left() -> AsyncIterator[None]:
    before = running_tasks()
    yield
    left = [task for number, task in running_tasks().items() if number not in before]
    if left:
        pytest.fail("\n".join(f"left behind: task {task}" for task in left), pytrace=False)


def is_unguarded(request: pytest.FixtureRequest) -> bool:
    marked = request.node.get_closest_marker("unguarded") is not None
    return marked or TESTS / "bench" in request.path.parents


def is_async(item: pytest.Item) -> bool:
    function = getattr(item, "function", None)
    inner = getattr(getattr(function, "hypothesis", None), "inner_test", function)
    inner = getattr(inner, "_anyio_original_func", inner)
    return iscoroutinefunction(inner) and "anyio_backend" in getattr(item, "fixturenames", ())


@pytest.fixture
def box(linx_box: Namespaces) -> Namespaces:
    """A process in a network and a UTS namespace that are neither ours nor the machine's."""
    return linx_box


@pytest.fixture
def foreigner(linx_foreigner: Namespaces) -> Namespaces:
    """Another process in our own namespaces: somebody else who writes."""
    return linx_foreigner


@pytest.fixture
def scratch(linx_cgroup: Path) -> Path:
    """An empty cgroup v2 cgroup."""
    return linx_cgroup
