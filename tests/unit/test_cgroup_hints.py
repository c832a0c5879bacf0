"""What a change of a file or a directory means to the limits of one cgroup."""

from __future__ import annotations

import pytest

from linx_async import Hint
from linx_async._kernel.inotify import Change, Mask
from linx_async.cgroup.hints import Interest

WEB = Interest.of("myorg/web", frozenset({"pids.max", "cpu.max"}))
DIRECTORY_MADE = Mask.CREATE | Mask.ISDIR
DIRECTORY_GONE = Mask.DELETE | Mask.ISDIR


def test_a_written_limit_is_told_by_its_name() -> None:
    hint = WEB.hint(Change("myorg/web", "pids.max", Mask.MODIFY))
    assert hint == Hint("pids.max was written", frozenset({"pids.max"}))


@pytest.mark.parametrize(
    ("directory", "name", "mask", "reason"),
    [
        ("myorg", "web", DIRECTORY_MADE, "/myorg/web was made"),
        ("myorg", "web", DIRECTORY_GONE, "/myorg/web was removed"),
        ("", "myorg", DIRECTORY_MADE, "/myorg was made"),
        ("", "myorg", DIRECTORY_GONE, "/myorg was removed"),
    ],
)
def test_the_cgroup_and_those_above_it_are_told_when_they_come_and_go(
    directory: str, name: str, mask: int, reason: str
) -> None:
    hint = WEB.hint(Change(directory, name, mask))
    assert hint is not None
    assert hint.reason == reason


@pytest.mark.parametrize("directory", ["", "myorg"])
def test_controllers_given_above_are_told(directory: str) -> None:
    hint = WEB.hint(Change(directory, "cgroup.subtree_control", Mask.MODIFY))
    assert hint is not None
    assert hint.reason.endswith("cgroup.subtree_control was written: limits may be new")


@pytest.mark.parametrize(
    ("directory", "name", "mask"),
    [
        ("", "cgroup.subtree_control", Mask.MODIFY),
        ("myorg", "cgroup.subtree_control", Mask.MODIFY),
        ("myorg", "web", DIRECTORY_MADE),
        ("", "myorg", DIRECTORY_GONE),
    ],
)
def test_what_happens_above_is_held_back_by_no_limit_that_fails(
    directory: str, name: str, mask: int
) -> None:
    hint = WEB.hint(Change(directory, name, mask))
    assert hint is not None
    assert hint.keys
    assert not hint.keys & WEB.keys


@pytest.mark.parametrize(
    ("directory", "name", "mask"),
    [
        ("myorg/web", "memory.max", Mask.MODIFY),
        ("myorg/web", "cgroup.subtree_control", Mask.MODIFY),
        ("myorg/web", "child", DIRECTORY_MADE),
        ("myorg", "pids.max", Mask.MODIFY),
        ("myorg", "other", DIRECTORY_GONE),
        ("", "web", DIRECTORY_MADE),
        ("elsewhere", "web", DIRECTORY_MADE),
        ("myorg/web", "", Mask.IGNORED),
    ],
)
def test_what_concerns_other_cgroups_and_other_files_is_no_hint(
    directory: str, name: str, mask: int
) -> None:
    assert WEB.hint(Change(directory, name, mask)) is None


def test_the_root_cgroup_has_limits_and_nothing_above() -> None:
    root = Interest.of("", frozenset({"cgroup.max.depth"}))
    assert root.steps == {}
    assert root.hint(Change("", "cgroup.max.depth", Mask.MODIFY)) is not None
    assert root.hint(Change("", "cgroup.subtree_control", Mask.MODIFY)) is None


def test_without_an_interest_there_are_no_hints() -> None:
    assert Interest().hint(Change("", "pids.max", Mask.MODIFY)) is None
