"""What the file of desired state may say, and how it is told what is wrong with it."""

from __future__ import annotations

import errno
import os
import pickle
from pathlib import Path
from typing import Any

import pytest

from linx_async import DesiredStateError
from linx_async.config import ConfigError, Part, Problem, load, parse
from linx_async.config.host import part_named
from linx_async.config.problems import printable
from linx_async.config.text import LARGEST
from tests.config_problems import told_of


def sysctls_of(text: str) -> dict[str, Any]:
    (part,) = parse(f"[sysctl]\n{text}").parts
    return dict(part.desired)


def limits_of(text: str) -> dict[str, Any]:
    (part,) = parse(f'[cgroup."myorg/web"]\n{text}').parts
    return dict(part.desired)


def test_a_file_becomes_one_part_for_each_scope_in_its_own_order(tmp_path: Path) -> None:
    file = tmp_path / "host.toml"
    file.write_text(
        '[cgroup."myorg/web"]\npids.max = 100\n[sysctl]\nnet.ipv4.ip_forward = 1\n'
        '[cgroup."myorg/db"]\nmemory.max = "1G"\n'
    )
    config = load(file)
    assert config.file == str(file)
    assert config.parts == (
        Part("cgroup", "myorg/web", {"pids.max": 100}),
        Part("cgroup", "myorg/db", {"memory.max": "1G"}),
        Part("sysctl", desired={"net.ipv4.ip_forward": 1}),
    )


def test_an_empty_file_is_a_host_of_which_nothing_is_said() -> None:
    assert parse("").parts == ()
    assert parse("# nothing yet\n").parts == ()


def test_a_part_makes_its_source_with_the_option() -> None:
    for part in (Part("sysctl"), Part("cgroup", "myorg/web")):
        source: Any = part.source(revert_on_release=True)
        assert source.revert_on_release


def test_a_part_is_found_again_by_its_name() -> None:
    for part in (
        *(Part("sysctl"), Part("cgroup", "my org/web")),
        *(Part("rtnl"), Part("rtnl", "protocol 80"), Part("netfilter", "ip my nat", None)),
    ):
        assert part_named(part.name) == part


@pytest.mark.parametrize(
    "name", ["", "sysctl x", "cgroup", "cgroup ", "rtnl x", "rtnl protocol x", "else x"]
)
def test_what_no_part_is_called_finds_none(name: str) -> None:
    assert part_named(name) is None


@pytest.mark.parametrize(
    "line",
    [
        '"net.ipv4.ip_forward" = 1',
        "net.ipv4.ip_forward = 1",
        '"net/ipv4/ip_forward" = 1',
        "net.ipv4 = {ip_forward = 1}",
        "net = {ipv4 = {ip_forward = 1}}",
        "[sysctl.net]\nipv4.ip_forward = 1",
        "[sysctl.net.ipv4]\nip_forward = 1",
    ],
)
def test_a_sysctl_is_the_same_however_it_is_spelt(line: str) -> None:
    assert sysctls_of(line) == {"net.ipv4.ip_forward": 1}


@pytest.mark.parametrize(
    "line",
    [
        'net.ipv4.conf."eth0.100".forwarding = true',
        '"net/ipv4/conf/eth0.100/forwarding" = true',
        '"net.ipv4.conf.eth0/100.forwarding" = true',
        '[sysctl.net.ipv4.conf."eth0.100"]\nforwarding = true',
    ],
)
def test_an_interface_with_a_dot_in_its_name_leads_to_the_slash_form(line: str) -> None:
    assert sysctls_of(line) == {"net/ipv4/conf/eth0.100/forwarding": True}


def test_a_sysctl_may_be_a_list_or_text() -> None:
    assert sysctls_of('net.ipv4.tcp_rmem = [\n4096,\n131072, 6291456]\nkernel.hostname = "a"') == {
        "net.ipv4.tcp_rmem": [4096, 131072, 6291456],
        "kernel.hostname": "a",
    }


@pytest.mark.parametrize(
    ("line", "key", "value"),
    [
        ('"memory.max" = "256M"', "memory.max", "256M"),
        ("memory.max = 1048576", "memory.max", 1048576),
        ('memory.swap.max = "max"', "memory.swap.max", "max"),
        ("hugetlb.2MB.max = 0", "hugetlb.2MB.max", 0),
        ("cpu.max = [50000, 100000]", "cpu.max", [50000, 100000]),
        ('io.max = {"8:0" = {rbps = 1}}', "io.max", {"8:0": {"rbps": 1}}),
        ('io.max."8:0".rbps = 1', "io.max", {"8:0": {"rbps": 1}}),
        ('"io.max"."8:0" = {rbps = 1}', "io.max", {"8:0": {"rbps": 1}}),
        ("io.weight = {default = 50}", "io.weight", {"default": 50}),
        ('some.new.file = {"8:0" = 7}', "some.new.file", {"8:0": 7}),
        ('[cgroup."myorg/web".io.max."8:0"]\nrbps = 1', "io.max", {"8:0": {"rbps": 1}}),
    ],
)
def test_a_limit_is_the_same_however_it_is_spelt(line: str, key: str, value: Any) -> None:
    assert limits_of(line) == {key: value}


def test_two_spellings_of_one_sysctl_are_told_with_both_places() -> None:
    assert told_of(
        '[sysctl]\n"net.ipv4.ip_forward" = 1\n\nnet.ipv4.ip_forward = 1\n'
        '"net/ipv4/ip_forward" = 1\n'
    ) == [
        "host.toml:4: [sysctl] net.ipv4.ip_forward: set twice, first on line 2",
        "host.toml:5: [sysctl] net.ipv4.ip_forward: set twice, first on line 2",
    ]


def test_two_spellings_of_one_limit_are_told_with_both_places() -> None:
    assert told_of('[cgroup."a"]\n"io.max"."8:0".rbps = 1\nio.max."8:0".wbps = 1\n') == [
        "host.toml:3: [cgroup.a] io.max: set twice, first on line 2"
    ]


def test_two_tables_of_one_cgroup_are_told_with_both_places() -> None:
    assert told_of('[cgroup."a/b"]\npids.max = 1\n[cgroup."a/b/"]\npids.max = 2\n') == [
        'host.toml:3: [cgroup."a/b/"]: the same cgroup has a table already, first on line 1'
    ]


def test_twenty_mistakes_are_told_at_once_each_in_its_place() -> None:
    text = """\
top = 1
[sysctl]
net.ipv4.ip_forward = 1
net.ipv4.conf.all.forwarding = 0
net.core.somaxconn = 1.5
net/ipv4/tcp_fin_timeout = 30
kernel.hostname = web
kernel.domainname = "a
"..." = 1
"net.ipv4.conf" = {all.rp_filter = 1}
net.ipv4."a/b" = 1
net.ipv4.tcp_rmem = [1,
  2,
  three]
vm = 1
net.core.somaxconn = 2
net.ipv4.route.flush = 1979-05-27
[sysctl]
net.core.rmem_max = 1
[cgruop."a"]
pids.max = 1
[cgroup.myorg.web]
pids.max = 1
[cgroup."a/../b"]
[cgroup."a"]
memory.max = 256M
memory.high = "1.3"
pids.max = -1
"cgroup.procs" = 1
[cgroup."b"]
pids.max = "a\\nb"
"""
    found = told_of(text)
    assert [message.split(" ")[0] for message in found] == [
        *("host.toml:1:", "host.toml:4:", "host.toml:5:", "host.toml:6:4:", "host.toml:7:19:"),
        *("host.toml:8:23:", "host.toml:9:", "host.toml:10:", "host.toml:11:"),
        *("host.toml:14:3:", "host.toml:15:", "host.toml:16:1:", "host.toml:17:"),
        *("host.toml:18:1:", "host.toml:20:", "host.toml:23:", "host.toml:24:"),
        *("host.toml:26:17:", "host.toml:28:", "host.toml:29:", "host.toml:31:"),
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[sysclt]\n", "host.toml:1: [sysclt]: unknown section; did you mean [sysctl]?"),
        ("[CGROUP]\n", "host.toml:1: [CGROUP]: unknown section; did you mean [cgroup]?"),
        (
            "[firewall]\n",
            (
                "host.toml:1: [firewall]: unknown section; known sections are [cgroup], "
                "[netfilter], [netns], [options], [rtnl], [sysctl]"
            ),
        ),
        ("cgroups = 1\n", "host.toml:1: cgroups: unknown option; did you mean [cgroup]?"),
        ("sysctl = 1\n", "host.toml:1: sysctl: expected a table, [sysctl], got 1"),
        ("[[sysctl]]\n", "host.toml:1: [sysctl]: expected a table, [sysctl], got an array"),
        (
            "[cgroup]\nmemory.max = 1\n",
            (
                "host.toml:2: [cgroup.memory]: limits stand in the table of their cgroup: "
                '[cgroup."path"]'
            ),
        ),
        (
            '[cgroup]\n"memory.max" = 1\n',
            (
                'host.toml:2: [cgroup] "memory.max": expected a table for each cgroup, '
                '[cgroup."path"], got 1'
            ),
        ),
        (
            "[cgroup.a.b]\nmemory.max = 1\n",
            'host.toml:2: [cgroup.a] b.memory.max: a cgroup\'s path is quoted: [cgroup."a/b"]',
        ),
        (
            '[sysctl]\n"net.ipv4.conf.eth0" = {forwarding = 1}\n',
            (
                'host.toml:2: [sysctl] "net.ipv4.conf.eth0": expected a value, got a table; '
                "a quoted key is a whole one: write net.ipv4.conf.eth0 without quotes"
            ),
        ),
        (
            "[sysctl]\nkernel.hostname = web-1 # here\n",
            (
                "host.toml:2:19: [sysctl] kernel.hostname: not TOML: invalid value; "
                "text is written in quotes"
            ),
        ),
        (
            "[sysctl\nnet.ipv4.ip_forward = x\n",
            "host.toml:1:8: not TOML: expected ']' at the end of a table declaration",
        ),
    ],
)
def test_a_mistake_is_told_so_that_it_can_be_mended(text: str, message: str) -> None:
    assert told_of(text) == [message]


def test_an_array_that_is_not_closed_hides_nothing_that_follows() -> None:
    assert told_of("[sysctl]\nnet.a = [1,\n  2\nnet.b = 1.5\n[else]\n") == [
        "host.toml:2:1: [sysctl] net.a: not TOML: unclosed array",
        (
            "host.toml:4: [sysctl] net.b: expected an integer, a boolean, text or a list of "
            "integers, got 1.5"
        ),
        (
            "host.toml:5: [else]: unknown section; known sections are [cgroup], [netfilter], "
            "[netns], [options], [rtnl], [sysctl]"
        ),
    ]


def test_text_that_is_not_closed_is_told_where_it_begins() -> None:
    assert told_of('[sysctl]\nkernel.hostname = """a\nb\n\n')[0].startswith("host.toml:2:1: ")


def test_what_is_set_twice_in_one_spelling_is_told_with_both_places() -> None:
    assert told_of("[sysctl]\nnet.a = 1\nnet.a = 2\nnet.a.b = 3\n[sysctl]\n") == [
        "host.toml:3:1: [sysctl] net.a: this is set already on line 2",
        "host.toml:4:1: [sysctl] net.a.b: this is set already on line 2",
        "host.toml:5:1: [sysctl]: this table is declared already on line 1",
    ]


@pytest.mark.parametrize(
    ("value", "why"),
    [("[" * 5000, "nested too deeply"), ("1" * 5000, "exceeds the limit")],
)
def test_what_no_parser_can_swallow_is_told_with_its_place(value: str, why: str) -> None:
    (message,) = told_of(f"[sysctl]\n\nnet.a = {value}\nnet.b = 1\n")
    assert message.startswith("host.toml:3:1: [sysctl] net.a: not TOML: ")
    assert why in message


def test_more_mistakes_than_anybody_reads_are_cut_short() -> None:
    found = told_of("x = !\n" * 1000)
    assert len(found) == 26
    assert found[-1] == "host.toml: there may be more; correct these first"


def test_a_huge_value_is_not_repeated_in_full() -> None:
    (message,) = told_of(f"[sysctl]\nnet.a = [{'1.5, ' * 10_000}]\n")
    assert len(message) < 500


def test_control_characters_of_a_file_do_not_reach_the_terminal() -> None:
    (message,) = told_of('[sysctl]\n"net.\\u001b[2J" = 1.5\n')
    assert message.isprintable()
    assert printable("a\x1b\n\udcff€") == "a\\x1b\\n\\xff€"


def test_crlf_and_a_byte_order_mark_change_nothing(tmp_path: Path) -> None:
    file = tmp_path / "host.toml"
    file.write_bytes(b"\xef\xbb\xbf[sysctl]\r\nnet.ipv4.ip_forward = 1\r\n")
    assert load(file).parts == (Part("sysctl", desired={"net.ipv4.ip_forward": 1}),)
    file.write_bytes(b"\xef\xbb\xbf[sysctl]\r\n\r\nnet.a = 1.5\r\nnet.b = !\r\n")
    with pytest.raises(ConfigError) as caught:
        load(file)
    assert [(each.line, each.column) for each in caught.value.problems] == [(3, 1), (4, 9)]


@pytest.mark.parametrize(
    ("data", "place", "why"),
    [
        (b"[sysctl]\n# \xe4h \xff\n", (2, 3), "byte 0xe4"),
        ("[sysctl]\n# ä\n".encode() + b"b \xff", (3, 3), "byte 0xff"),
        ("# ä ".encode() + b"\xff", (1, 5), "byte 0xff"),
        ("[sysctl]".encode("utf-16"), (1, 1), "UTF-16"),
    ],
)
def test_a_file_that_is_not_utf8_is_told_with_the_place(
    tmp_path: Path, data: bytes, place: tuple[int, int], why: str
) -> None:
    file = tmp_path / "host.toml"
    file.write_bytes(data)
    with pytest.raises(ConfigError, match=why) as caught:
        load(file)
    (problem,) = caught.value.problems
    assert (problem.line, problem.column) == place


def test_a_file_that_cannot_be_read_is_told_by_its_name(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match=f"none.toml: cannot be read: {os.strerror(errno.ENOENT)}"
    ):
        load(tmp_path / "none.toml")
    with pytest.raises(ConfigError, match=r"this directory has no file \*.toml"):
        load(tmp_path)
    with pytest.raises(ConfigError, match="null"):
        load("a\0b")


def test_a_file_of_endless_size_is_refused() -> None:
    with pytest.raises(ConfigError, match="larger than 16 MiB"):
        load("/dev/zero")
    assert LARGEST == 1 << 24


def test_a_config_error_is_a_desired_state_error_that_keeps_its_problems() -> None:
    error = ConfigError([Problem("a", "b", 1, 2, "c", "d")])
    assert isinstance(error, DesiredStateError)
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), again.problems) == (str(error), error.problems)
