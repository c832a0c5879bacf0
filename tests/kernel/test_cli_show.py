"""The real program shows what the kernel has: as lines, as JSON, as a file."""

from __future__ import annotations

import json
import subprocess
import tomllib
from collections.abc import Iterator

import pytest

from linx_async.testing.links import delete_link, links
from tests.kernel.nft_program import nft, nft_or_skip
from tests.kernel.program import COMMAND, ROOT, Host, linx


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """A host with a veth pair, an address, a route, a sysctl and a table, all of them ours."""
    nft_or_skip()
    host = Host(tmp_path_factory.mktemp("host"))
    link = "csh0"
    host.says(
        "[sysctl]",
        "net.ipv4.tcp_ecn = 1",
        "[rtnl]",
        'routes = [["10.64.0.0/16", "10.63.0.9"]]',
        f"[rtnl.links.{link}]",
        f'kind = "veth"\npeer = "{link}p"\nup = true\nalias = "a \\"b\\""',
        'addresses = ["10.63.0.1/24"]',
        f"[rtnl.links.{link}p]\nup = true",
        f"[netfilter.inet.{link}.chains.c]",
        "rules = ['tcp dport 22 counter accept comment \"ssh\"']",
    )
    assert host.linx("apply").returncode == 0
    yield host
    host.says()
    host.linx("apply", "--revert-on-release")
    if link in links():
        delete_link(link)


def name_of(host: Host) -> str:
    (name,) = tomllib.loads(host.file.read_text())["netfilter"]["inet"]
    return str(name)


def show(host: Host, *arguments: str) -> tuple[int, str, str]:
    done = linx("show", "--state-dir", str(host.records), *arguments)
    return done.returncode, done.stdout, done.stderr


def test_what_is_shown_as_a_file_is_what_the_kernel_has(host: Host) -> None:
    code, text, errors = show(host, "--as-config", "--ours", "--backend", "trio")
    assert (code, errors) == (0, "")
    said, name = tomllib.loads(text), name_of(host)
    assert said["sysctl"] == {"net": {"ipv4": {"tcp_ecn": 1}}}
    assert said["rtnl"]["routes"][0]["destination"] == "10.64.0.0/16"
    assert said["rtnl"]["links"][name]["alias"] == 'a "b"'
    assert 'comment "ssh"' in said["netfilter"]["inet"][name]["text"]
    file = host.file.with_name("shown.toml")
    file.write_text(text)
    planned = linx("plan", "--state-dir", host.records, file)
    assert planned.stdout.splitlines()[-1] == f"{file}: nothing to do"


def test_a_table_of_somebody_else_is_told_and_written_as_a_comment(host: Host) -> None:
    name = name_of(host)
    nft("add", "table", "ip", name)
    try:
        code, text, errors = show(host, "--as-config", "--part", "netfilter", name)
    finally:
        nft("delete", "table", "ip", name)
    assert code == 2
    assert errors.startswith(f"linx: left out: table ip {name}: somebody else made it; ")
    assert list(tomllib.loads(text)["netfilter"]) == ["inet"]
    assert f"# [netfilter.ip.{name}]" in text.splitlines()


def test_an_interface_is_shown_with_all_that_is_on_it(host: Host) -> None:
    name = name_of(host)
    code, text, errors = show(host, "--part", "rtnl", name)
    assert (code, errors) == (0, "")
    assert text.splitlines() == [
        "rtnl:",
        f"  link {name} (veth) (ours)",
        f"  address 10.63.0.1/24 on {name} (ours)",
        f"  route 10.64.0.0/16 via 10.63.0.9 dev {name} (ours)",
    ]


def test_sysctls_are_shown_by_key_and_by_what_they_begin_with(host: Host) -> None:
    names = ["net.ipv4.tcp_ecn", "net/ipv6/conf/lo"]
    code, text, _ = show(host, "--json", *names)
    (part,) = json.loads(text)["parts"]
    found = {entry["key"]: entry for entry in part["entries"]}
    assert (code, part["part"]) == (2 if part["left_out"] else 0, "sysctl")
    assert found["net.ipv4.tcp_ecn"] == {
        "key": "net.ipv4.tcp_ecn",
        "ours": True,
        "text": "net.ipv4.tcp_ecn = 1",
        "value": 1,
    }
    assert found["net.ipv6.conf.lo.forwarding"]["ours"] is False
    assert all(key == names[0] or key.startswith("net.ipv6.conf.lo.") for key in found)


def test_a_name_that_nothing_has_is_an_error(host: Host) -> None:
    told = "is-not-there: there is no sysctl or cgroup or interface or table of that name"
    assert show(host, "is-not-there") == (1, "", f"linx: {told}\n")


def test_what_may_not_be_read_is_left_out_and_told(host: Host) -> None:
    without = ["setpriv", "--bounding-set=-net_admin", "--inh-caps=-net_admin"]
    if subprocess.run([*without, "true"], check=False, capture_output=True).returncode:
        pytest.skip("there is no setpriv that takes a capability away")
    words = ["--state-dir", str(host.records), "--backend", "trio", "--part", "netfilter"]
    done = subprocess.run(
        [*without, *COMMAND, "show", *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (2, "")
    assert done.stdout.splitlines()[-1].startswith("  tables (no file says it: may not be read: ")


def test_the_doctor_says_what_can_be_done_here() -> None:
    nft_or_skip()
    done = linx("doctor", "--json")
    told = json.loads(done.stdout)
    found = {(each["part"], each["ok"]) for each in told["findings"]}
    assert {("rtnl", True), ("netfilter", True)} <= found
    assert done.returncode == (0 if told["well"] else 2)
    assert all(each["cure"] for each in told["findings"] if not each["ok"])
