"""Sysctl names: two spellings of one key, and what is no key."""

from __future__ import annotations

import pytest

from linx_async import DesiredStateError
from linx_async.sysctl.keys import (
    directory_of,
    interface_of,
    key_at,
    location,
    namespace_kind,
    normalized,
    parts_of,
)


def test_a_key_in_dot_form_is_kept() -> None:
    assert normalized("net.ipv4.ip_forward") == "net.ipv4.ip_forward"


def test_a_key_in_slash_form_becomes_dot_form() -> None:
    assert normalized("net/ipv4/ip_forward") == "net.ipv4.ip_forward"


def test_slash_form_stays_where_a_name_has_a_dot() -> None:
    assert normalized("net/ipv4/conf/eth0.100/rp_filter") == "net/ipv4/conf/eth0.100/rp_filter"


def test_in_dot_form_a_slash_stands_for_a_dot_in_a_name() -> None:
    assert normalized("net.ipv4.conf.eth0/100.rp_filter") == "net/ipv4/conf/eth0.100/rp_filter"


def test_a_key_names_its_directory_and_its_file() -> None:
    assert location("net.ipv4.conf.eth0/100.rp_filter") == ("net/ipv4/conf/eth0.100", "rp_filter")
    assert location("net.nf_conntrack_max") == ("net", "nf_conntrack_max")


@pytest.mark.parametrize(
    "key",
    [
        "",
        "hostname",
        ".",
        "/",
        "net.",
        ".net",
        "net..ipv4",
        "net//ipv4",
        "net/../kernel/hostname",
        "net/./ipv4",
        "../../etc/passwd",
        "net.ipv4.//.ip_forward",
        "/etc/passwd",
        "net.ipv4.ip_forward\0",
        "net.ipv4.ip\nforward",
        "net.ipv4.conf.*.rp_filter",
        " net.ipv4.ip_forward",
        "net.ipv4.ip_forward ",
        "net.ipv4.conf.eth 0.rp_filter",
        "net.ipv4.conf.\ud800.rp_filter",
    ],
)
def test_what_is_no_key_is_refused_and_named(key: str) -> None:
    with pytest.raises(DesiredStateError) as refused:
        normalized(key)
    assert repr(key) in str(refused.value)


@pytest.mark.parametrize("key", [None, 7, b"net.ipv4.ip_forward", ["net.ipv4.ip_forward"]])
def test_what_is_no_text_is_refused_and_named(key: object) -> None:
    with pytest.raises(DesiredStateError, match="expected text") as refused:
        normalized(key)  # type: ignore[arg-type]
    assert repr(key) in str(refused.value)


@pytest.mark.parametrize(
    "key",
    [
        "/proc/sys/net/ipv4/ip_forward",
        "proc/sys/net/ipv4/ip_forward",
        "proc.sys.net.ipv4.ip_forward",
    ],
)
def test_a_path_below_proc_is_refused_with_what_to_write_instead(key: str) -> None:
    with pytest.raises(DesiredStateError, match=r"'net[./]ipv4[./]ip_forward'"):
        normalized(key)


def test_bytes_that_are_not_utf8_make_a_key_as_the_kernel_has_it() -> None:
    assert parts_of("net.ipv4.conf.\udcff.rp_filter")[3] == "\udcff"


def test_the_inverse_of_a_location_is_its_key() -> None:
    for key in ("net.ipv4.ip_forward", "net/ipv4/conf/eth0.100/rp_filter", "kernel.hostname"):
        assert key_at(location(key)) == key


@pytest.mark.parametrize(
    ("prefix", "directory"),
    [
        ("", ""),
        ("net", "net"),
        ("net.ipv4.conf", "net/ipv4/conf"),
        ("net/ipv4/conf/eth0.100", "net/ipv4/conf/eth0.100"),
        ("net.ipv4.conf.eth0/100", "net/ipv4/conf/eth0.100"),
    ],
)
def test_a_prefix_names_a_directory(prefix: str, directory: str) -> None:
    assert directory_of(prefix) == directory


@pytest.mark.parametrize("prefix", ["..", "net.", "/", "net/../kernel", None, 0, "/proc/sys/net"])
def test_what_is_no_prefix_is_refused(prefix: object) -> None:
    with pytest.raises(DesiredStateError):
        directory_of(prefix)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("key", "kind"),
    [
        ("net.ipv4.ip_forward", "net"),
        ("net.nf_conntrack_max", "net"),
        ("kernel.hostname", "uts"),
        ("kernel.domainname", "uts"),
        ("kernel.shmmax", "ipc"),
        ("kernel.sem", "ipc"),
        ("fs.mqueue.msg_max", "ipc"),
        ("fs.file-max", None),
        ("kernel.pid_max", None),
        ("vm.swappiness", None),
        ("user.max_net_namespaces", None),
    ],
)
def test_a_key_belongs_to_a_kind_of_namespace_or_to_the_machine(key: str, kind: str | None) -> None:
    assert namespace_kind(key) == kind


@pytest.mark.parametrize(
    ("key", "interface"),
    [
        ("net.ipv4.conf.eth0.rp_filter", "eth0"),
        ("net/ipv6/neigh/eth0.100/retrans_time", "eth0.100"),
        ("net.mpls.conf.eth0.input", "eth0"),
        ("net.ipv4.conf.all.rp_filter", None),
        ("net.ipv4.conf.default.rp_filter", None),
        ("net.ipv4.ip_forward", None),
    ],
)
def test_a_key_may_belong_to_an_interface(key: str, interface: str | None) -> None:
    assert interface_of(key) == interface
