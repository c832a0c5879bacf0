"""A directory of files: what they say together, and how it is told what is wrong with one."""

from __future__ import annotations

from pathlib import Path

import pytest

from linx_async.config import ConfigError, HostConfig, Part, load
from linx_async.netfilter import Table


def directory(folder: Path, *texts: str, **named: str) -> HostConfig:
    """What files say, called `0.toml`, `1.toml` and so on, or by name."""
    for number, text in enumerate(texts):
        (folder / f"{number}.toml").write_text(text)
    for name, text in named.items():
        (folder / f"{name}.toml").write_text(text)
    return load(folder)


def problems_of(folder: Path, *texts: str, **named: str) -> list[str]:
    """What is told, without the name of the directory."""
    with pytest.raises(ConfigError) as caught:
        directory(folder, *texts, **named)
    return str(caught.value).replace(f"{folder}/", "").splitlines()


def test_files_are_merged_table_by_table(tmp_path: Path) -> None:
    config = directory(
        tmp_path,
        "[sysctl]\nnet.ipv4.ip_forward = 1\n[cgroup.a]\npids.max = 1\n",
        "[sysctl.net]\ncore.somaxconn = 2\n[cgroup.a]\nmemory.max = 3\n[cgroup.b]\n",
    )
    assert config.file == str(tmp_path)
    assert config.parts == (
        Part("sysctl", desired={"net.ipv4.ip_forward": 1, "net.core.somaxconn": 2}),
        Part("cgroup", "a", {"pids.max": 1, "memory.max": 3}),
        Part("cgroup", "b"),
    )
    assert [Path(part.file).name for part in config.parts] == ["0.toml", "0.toml", "1.toml"]


def test_the_tables_of_an_array_follow_each_other_in_the_order_of_the_names(tmp_path: Path) -> None:
    text = "[[netfilter.inet.fw.chains.a.rules]]\nmeta.mark.set = {}\n"
    table = (
        directory(
            tmp_path,
            b=text.format(2) + text.format(3),
            a="[netfilter.inet.fw.chains.a]\nhook = 'input'\n" + text.format(1),
            c=text.format(4),
        )
        .parts[0]
        .desired
    )
    assert isinstance(table, Table)
    assert [getattr(rule, "text", "") for rule in table.chains[0].rules] == [
        f"{{ meta.mark.set = {n} }}" for n in (1, 2, 3, 4)
    ]


def test_a_key_that_two_files_set_is_told_with_both_places(tmp_path: Path) -> None:
    assert problems_of(
        tmp_path,
        "[sysctl]\n\n net.a.b = 1\n[rtnl]\nroutes = []\n[cgroup.a]\nio.max = {'8:0'.rbps = 1}\n",
        "[sysctl]\n  net.a.b = 1\n[cgroup.a]\nio.max.'8:1'.rbps = 2\n",
        "[sysctl.net]\na = 1\n[[rtnl.routes]]\ndestination = 'default'\n",
    ) == [
        "1.toml:2:3: [sysctl] net.a.b: set twice, first at 0.toml:3:2",
        "1.toml:4:1: [cgroup.a] io.max: set twice, first at 0.toml:7:1",
        "2.toml:2:1: [sysctl.net] a: set twice, first at 0.toml:3:2",
        "2.toml:3:1: [rtnl.routes]: set twice, first at 0.toml:5:1",
    ]


def test_two_spellings_of_one_key_are_told_with_both_places(tmp_path: Path) -> None:
    assert problems_of(
        tmp_path, "[sysctl]\nnet.a.b = 1\n", "# here\n[sysctl]\n'net/a/b' = 1\n"
    ) == ["1.toml:3: [sysctl] net.a.b: set twice, first at 0.toml:2:1"]


def test_each_problem_keeps_its_file_and_its_place_in_an_array(tmp_path: Path) -> None:
    right = "[[rtnl.routes]]\ndestination = '10.{}.0.0/16'\ngateway = '10.0.0.1'\n"
    wrong = "[[rtnl.routes]]\n\ndestination = '10.{}.0.0/16'\ngatway = '10.0.0.1'\n"
    assert problems_of(
        tmp_path,
        right.format(1) + right.format(2),
        right.format(3) + wrong.format(4) + "[sysctl]\nnet.a = !\n",
        "[rtln]\n" + wrong.format(5),
    ) == [
        "1.toml:7: [rtnl] routes[3].gatway: unknown field; did you mean gateway?",
        "1.toml:9:9: [sysctl] net.a: not TOML: invalid value",
        "2.toml:1: [rtln]: unknown section; did you mean [rtnl]?",
        "2.toml:5: [rtnl] routes[4].gatway: unknown field; did you mean gateway?",
    ]


def test_a_file_of_nft_text_is_named_from_the_directory_of_its_toml(tmp_path: Path) -> None:
    assert problems_of(tmp_path, "", "[netfilter]\nfile = 'none.nft'\n") == [
        "1.toml:2: [netfilter] file: none.nft: cannot be read: No such file or directory"
    ]


def test_what_cannot_be_read_is_told_with_all_else(tmp_path: Path) -> None:
    (tmp_path / "1.toml").mkdir()
    (tmp_path / "2.toml").symlink_to("none")
    (tmp_path / "3.toml").write_bytes(b"# \xff")
    assert problems_of(tmp_path, "[sysclt]\n") == [
        "0.toml:1: [sysclt]: unknown section; did you mean [sysctl]?",
        "1.toml: this is a directory, and no file",
        "2.toml: cannot be read: No such file or directory",
        "3.toml:1:3: not UTF-8: byte 0xff",
    ]


def test_other_files_are_passed_over(tmp_path: Path) -> None:
    for name in (".#0.toml", ".hidden.toml", "0.toml~", "README", "0.toml.bak"):
        (tmp_path / name).write_text("no TOML")
    assert directory(tmp_path, "[sysctl]\n").parts == (Part("sysctl"),)


def test_a_directory_without_a_file_does_not_desire_nothing(tmp_path: Path) -> None:
    assert problems_of(tmp_path) == [
        f"{tmp_path}: this directory has no file *.toml; an empty one says that nothing is desired"
    ]
    assert directory(tmp_path, "").parts == ()
