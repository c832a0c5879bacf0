"""The pytest plugin's namespaces and cgroups in a project of somebody else's."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from linx_async.testing.namespaces import Namespaces, cgroup2_writable, throwaway
from tests.blocks import blocks_in

pytest_plugins = ["pytester"]

PAGE = Path(__file__).parents[2] / "docs" / "testing.md"
CONFTEST = 'pytest_plugins = ["linx_async.testing.pytest_plugin"]\n'
OPTIONS = ("-p", "no:cacheprovider", "-p", "anyio", "-W", "error", "--strict-config", "-rs")

IN_A_BOX = """
import os
from pathlib import Path

import anyio
import pytest

from linx_async import sysctl

pytestmark = pytest.mark.anyio

def network(pid="self"):
    return os.readlink(f"/proc/{pid}/ns/net")

async def test_a_source_works_in_the_box(linx_isolated, linx_box):
    key = "net.ipv4.ip_forward"
    for value in ("0\\n", "1\\n"):
        report = await sysctl.reconcile({key: int(value)}, scope=linx_box.scope)
        assert report.converged
        assert linx_box.read(key) == value

def test_a_box_is_elsewhere_and_a_foreigner_is_here(linx_isolated, linx_box, linx_foreigner):
    assert network(linx_box.pid) != network() == network(linx_foreigner.pid)

def test_we_are_isolated(linx_isolated):
    assert network() != os.environ["OUTSIDE"]
"""


@pytest.fixture(autouse=True)
def no_other_plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    """They take a second to load."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")


@pytest.fixture
def outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """A story is told where it came from."""
    monkeypatch.setenv("OUTSIDE", str(Path("/proc/self/ns/net").readlink()))


@pytest.mark.usefixtures("outside")
def test_a_source_works_in_a_box_on_both_backends(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(CONFTEST)
    pytester.makepyfile(IN_A_BOX)
    pytester.runpytest_subprocess(*OPTIONS).assert_outcomes(passed=4)


@pytest.mark.usefixtures("outside")
def test_a_project_is_isolated_from_the_first_where_it_says_so(pytester: pytest.Pytester) -> None:
    pytest.importorskip("xdist")
    pytester.makeconftest(CONFTEST)
    pytester.makeini("[pytest]\nlinx_isolated = true\n")
    pytester.makepyfile(IN_A_BOX)
    # A worker has several threads, and is where the process is that started it.
    done = pytester.runpytest_subprocess(*OPTIONS, "-p", "xdist", "-n1")
    done.assert_outcomes(passed=4)
    done.stdout.fnmatch_lines(["linx_isolated: in namespaces of their own"])


def test_where_it_is_too_late_to_be_isolated_the_reason_is_told(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(
        CONFTEST + "import threading, time\n"
        "threading.Thread(target=time.sleep, args=(3600,), daemon=True).start()\n"
    )
    pytester.makepyfile("def test_isolated(linx_isolated):\n    assert False\n")
    done = pytester.runpytest_subprocess(*OPTIONS)
    done.assert_outcomes(skipped=1)
    done.stdout.fnmatch_lines(["SKIPPED *: this process has 2 threads, and only one could be *"])


def test_where_a_box_or_a_cgroup_cannot_be_had_the_reason_is_told(
    pytester: pytest.Pytester,
) -> None:
    pytester.makeconftest(
        CONFTEST + "from linx_async.testing import _cgroups\n"
        "_cgroups.cgroup2_writable = lambda: None\n"
    )
    pytester.makepyfile("""
        def test_box(linx_box):
            assert False

        def test_cgroup(linx_cgroup):
            assert False

        def test_other(linx_kernel, linx_foreigner):
            assert linx_foreigner.kinds == ()
    """)
    with throwaway("user") as limits:
        limits.write("user.max_net_namespaces", "0")
        told = run_pytest_in(limits, pytester.path)
    assert "1 passed, 2 skipped" in told, told
    assert "unshare(net, uts): ENOSPC" in told, told
    assert "user.max_net_namespaces is 0" in told, told
    assert "there is no cgroup v2 mount in which this user may make a cgroup" in told, told


def run_pytest_in(box: Namespaces, place: Path) -> str:
    command = [sys.executable, "-m", "pytest", *OPTIONS, str(place)]
    return box.run(command, cwd=place, check=False).stdout


def test_the_files_that_the_docs_show_do_what_they_say(pytester: pytest.Pytester) -> None:
    for block in blocks_in(PAGE.read_text(encoding="utf-8")):
        name, _, reason = (block.reason or "").partition(": ")
        if reason.startswith("pytest runs it"):
            (pytester.path / name).write_text(block.text, encoding="utf-8")
    done = pytester.runpytest_subprocess(*OPTIONS, "-v")
    done.assert_outcomes(passed=4)
    done.stdout.fnmatch_lines(
        ["*test_kernel.py::test_forwarding_is_on*", "*test_story.py::test_what_changes_*"]
    )


def test_a_cgroup_is_there_for_one_test(pytester: pytest.Pytester) -> None:
    if cgroup2_writable() is None:
        pytest.skip("there is no cgroup v2 mount that this user may write to")
    pytester.makeconftest(CONFTEST)
    pytester.makepyfile("""
        seen = []

        def test_one(linx_cgroup):
            (linx_cgroup / "below").mkdir()
            seen.append(linx_cgroup)

        def test_other(linx_cgroup):
            assert not seen[0].exists()
            assert not list(linx_cgroup.glob("*/"))
    """)
    pytester.runpytest_subprocess(*OPTIONS).assert_outcomes(passed=2)
