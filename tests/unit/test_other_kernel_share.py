"""Runs side by side under another kernel: between them they run each test once."""

from __future__ import annotations

import pytest

from tests.other_kernel.__main__ import worst

pytest_plugins = ["pytester"]

TESTS = """
import pytest

@pytest.mark.parametrize("number", range(5))
def test_numbered(number): pass

def test_apart(): pass
"""
OPTIONS = ("-p", "no:cacheprovider", "-p", "tests.other_kernel.share", "-v")


@pytest.fixture(autouse=True)
def no_other_plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    """They take a second to load."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")


def ran(pytester: pytest.Pytester, *options: str) -> list[str]:
    """The tests that passed, by name."""
    done = pytester.runpytest_subprocess(*OPTIONS, *options)
    return [line.split("::")[1].split()[0] for line in done.outlines if " PASSED" in line]


def test_each_test_is_in_one_share_and_what_is_deselected_in_none(
    pytester: pytest.Pytester,
) -> None:
    pytester.makepyfile(TESTS)
    shares = [ran(pytester, "-k", "numbered", "--share", f"{number}/2") for number in (1, 2)]
    assert [len(share) for share in shares] == [3, 2]
    assert sorted(shares[0] + shares[1]) == [f"test_numbered[{number}]" for number in range(5)]


def test_without_a_share_all_tests_run(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(TESTS)
    assert len(ran(pytester)) == 6


@pytest.mark.parametrize("wrong", ["0/2", "3/2", "1/0", "1", "a/b", "-1/2"])
def test_a_share_that_is_none_is_refused(pytester: pytest.Pytester, wrong: str) -> None:
    pytester.makepyfile(TESTS)
    done = pytester.runpytest_subprocess(*OPTIONS, f"--share={wrong}")
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    done.stderr.fnmatch_lines(["*--share: must be K/N *"])


@pytest.mark.parametrize(
    ("codes", "code"), [((0, 0), 0), ((0, 1), 1), ((5, 0), 0), ((5, 5), 5), ((5, 125), 125)]
)
def test_the_exit_code_is_that_of_the_share_that_went_worst(
    codes: tuple[int, ...], code: int
) -> None:
    assert worst(codes) == code
