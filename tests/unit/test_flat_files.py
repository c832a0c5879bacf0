"""Pinned directories: looked into again by name when what was behind them is gone."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from linx_async import SourceError
from linx_async._kernel.files import listing, read_at, read_below, write_at, write_below
from linx_async._kernel.tree import Tree

Opened = list[str]


def direct(function: Callable[[], int]) -> int:
    return function()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "net" / "conf").mkdir(parents=True)
    (tmp_path / "net" / "conf" / "mode").write_text("1\n")
    (tmp_path / "top").write_text("2\n")
    return tmp_path


def tree_at(root: Path, opened: Opened | None = None) -> Tree:
    heard: Opened = [] if opened is None else opened
    return Tree(str(root), direct, lambda directory, _fd: heard.append(directory))


def descriptors() -> set[str]:
    return set(os.listdir("/proc/self/fd"))


def test_a_file_is_read_and_written_by_its_name(root: Path) -> None:
    assert read_below(str(root), ("net/conf", "mode")) == b"1\n"
    write_below(str(root), ("", "top"), b"3")
    assert (root / "top").read_bytes() == b"3\n"


def test_a_large_file_is_read_to_its_end(root: Path) -> None:
    (root / "top").write_bytes(b"x" * 200_000)
    assert len(read_below(str(root), ("", "top"))) == 200_000


def test_a_link_is_not_followed(root: Path) -> None:
    (root / "link").symlink_to(root / "top")
    with pytest.raises(OSError, match=os.strerror(errno.ELOOP)):
        read_below(str(root), ("", "link"))
    with pytest.raises(OSError, match=os.strerror(errno.ELOOP)):
        write_below(str(root), ("", "link"), b"3")


def test_a_write_that_is_taken_in_part_is_an_error(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "write", lambda _fd, data: len(data) - 1)
    with pytest.raises(OSError, match="2 of 3 bytes"):
        write_below(str(root), ("", "top"), b"1 2")


def test_a_directory_is_opened_once_and_told(root: Path) -> None:
    opened: Opened = []
    tree = tree_at(root, opened)
    assert tree.read_all([("net/conf", "mode"), ("net/conf", "mode"), ("", "top")]) == [
        b"1\n",
        b"1\n",
        b"2\n",
    ]
    assert opened == ["net/conf", ""]
    tree.close()


def test_what_cannot_be_read_is_told_by_errno(root: Path) -> None:
    tree = tree_at(root)
    found = tree.read_all([("net/conf", "no"), ("no", "no"), ("", "net"), ("top", "x")])
    assert found == [errno.ENOENT, errno.ENOENT, errno.EISDIR, errno.ENOTDIR]
    tree.close()


def test_a_directory_that_was_made_anew_is_found_by_its_name(root: Path) -> None:
    tree = tree_at(root)
    tree.read_all([("net/conf", "mode")])
    (root / "net" / "conf").rename(root / "net" / "old")
    (root / "net" / "old" / "mode").unlink()
    (root / "net" / "conf").mkdir()
    (root / "net" / "conf" / "mode").write_text("new\n")
    assert tree.read_all([("net/conf", "mode")]) == [b"new\n"]
    assert tree.replaced == {"net/conf"}
    tree.close()


def test_a_directory_that_is_gone_is_let_go_and_is_no_replacement_when_it_comes(root: Path) -> None:
    tree = tree_at(root)
    tree.read_all([("net/conf", "mode")])
    (root / "net" / "conf" / "mode").unlink()
    (root / "net" / "conf").rmdir()
    assert tree.read_all([("net/conf", "mode")]) == [errno.ENOENT]
    assert "net/conf" not in tree.pins
    (root / "net" / "conf").mkdir()
    (root / "net" / "conf" / "mode").write_text("2\n")
    assert tree.read_all([("net/conf", "mode")]) == [b"2\n"]
    assert tree.replaced == set()
    tree.close()


def test_a_directory_is_not_held_where_nobody_could_be_told_of_it(root: Path) -> None:
    def deaf(_directory: str, _fd: int) -> None:
        raise SourceError("no watches are left")

    before = descriptors()
    tree = Tree(str(root), direct, deaf)
    for _ in range(2):
        with pytest.raises(SourceError, match="no watches"):
            tree.read_all([("net/conf", "mode")])
    assert tree.pins == {}
    assert descriptors() == before


def test_no_descriptors_left_is_told_with_the_limit_to_raise(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_arguments: object, **_options: object) -> int:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    monkeypatch.setattr(os, "open", full)
    with pytest.raises(SourceError, match="ulimit -n"):
        tree_at(root).pin("net")


def test_a_directory_may_be_let_go(root: Path) -> None:
    before = descriptors()
    tree = tree_at(root)
    tree.pin("net")
    tree.pin("net/conf")
    tree.forget("net")
    tree.forget("net")
    assert set(tree.pins) == {"net/conf"}
    tree.close()
    assert descriptors() == before


def test_descriptors_do_not_outlive_exec(root: Path) -> None:
    tree = tree_at(root)
    assert not os.get_inheritable(tree.pin("net"))
    tree.close()


def test_reading_and_writing_at_a_descriptor_leave_none_behind(root: Path) -> None:
    tree = tree_at(root)
    fd = tree.pin("net/conf")
    before = descriptors()
    write_at(fd, "mode", b"2")
    assert read_at(fd, "mode") == b"2\n"
    with pytest.raises(FileNotFoundError):
        read_at(fd, "no")
    assert descriptors() == before
    tree.close()


def test_a_listing_is_in_order_and_without_directories(root: Path) -> None:
    assert list(listing(str(root))) == [("net/conf", "mode"), ("", "top")]
    assert list(listing(str(root), "net/conf")) == [("net/conf", "mode")]


def test_a_listing_of_what_is_not_there_fails(root: Path) -> None:
    with pytest.raises(FileNotFoundError):
        list(listing(str(root), "no"))
    with pytest.raises(NotADirectoryError):
        list(listing(str(root), "top"))


def test_what_goes_while_it_is_listed_is_left_out(root: Path) -> None:
    (root / "net" / "next").mkdir()
    walk = listing(str(root))
    assert next(walk) == ("net/conf", "mode")
    (root / "net" / "next").rmdir()
    assert list(walk) == [("", "top")]
