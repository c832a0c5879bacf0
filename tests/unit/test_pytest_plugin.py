"""The pytest plugin in a project of somebody else's: fakes, virtual time, and what it costs."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytest_plugins = ["pytester"]

CONFTEST = """
import pytest

pytest_plugins = ["linx_async.testing.pytest_plugin"]

@pytest.fixture
def anyio_backend(linx_virtual_backend):
    return linx_virtual_backend
"""
OPTIONS = ("-p", "no:cacheprovider", "-p", "anyio", "-W", "error", "--strict-config", "-rs")


@pytest.fixture(autouse=True)
def no_other_plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    """They take a second to load."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")


def loaded_by(code: str) -> set[str]:
    """The modules that are there once some code has run."""
    shown = f"import sys\n{code}\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", shown], check=True, capture_output=True, text=True)
    return set(done.stdout.split())


def test_an_hour_over_the_fake_passes_at_once_on_both_backends(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(CONFTEST)
    pytester.makepyfile("""
        import anyio, pytest
        from linx_async import Loop

        pytestmark = pytest.mark.anyio

        async def test_drift_without_a_hint_is_healed(linx_kernel, linx_source):
            loop = Loop(linx_source, {"a": "1"}, interval=60.0)
            async with anyio.create_task_group() as group:
                await group.start(loop.run)
                with linx_kernel.drop_hints():
                    linx_kernel.drift("a", "2")
                await anyio.sleep(3600)
                assert anyio.current_time() == 3600
                loop.stop()
            assert linx_kernel.objects == {"a": "1"}

        async def test_each_test_has_a_kernel_and_a_clock_of_its_own(linx_kernel, linx_source):
            assert anyio.current_time() == 0.0
            assert linx_kernel.objects == {}
            assert linx_source.kernel is linx_kernel
    """)
    done = pytester.runpytest_subprocess(*OPTIONS, "-v")
    done.assert_outcomes(passed=4)
    done.stdout.fnmatch_lines(["*::test_drift_without_a_hint_is_healed*trio* PASSED*"])


def test_where_trio_is_missing_its_half_is_skipped(pytester: pytest.Pytester) -> None:
    pytester.makeconftest("import sys\nsys.modules['trio'] = None\n" + CONFTEST)
    pytester.makepyfile("""
        import pytest

        @pytest.mark.anyio
        async def test_story(linx_kernel):
            pass
    """)
    done = pytester.runpytest_subprocess(*OPTIONS)
    done.assert_outcomes(passed=1, skipped=1)
    done.stdout.fnmatch_lines(["SKIPPED *: trio is not installed"])


def test_the_fixtures_tell_what_they_are(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(CONFTEST)
    done = pytester.runpytest_subprocess(*OPTIONS, "--fixtures")
    told = done.stdout.str()
    for name in ("box", "cgroup", "foreigner", "isolated", "kernel", "source", "virtual_backend"):
        assert f"linx_{name}" in told
    assert "A process in a network and a UTS namespace" in told


def test_it_loads_no_optional_package() -> None:
    loaded = loaded_by("import linx_async.testing.pytest_plugin")
    assert "pytest" in loaded
    assert not {"trio", "pyroute2", "click", "rich"} & loaded


def test_what_it_is_made_of_does_not_need_pytest() -> None:
    assert "pytest" not in loaded_by("import linx_async.testing")
