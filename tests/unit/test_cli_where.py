"""Which network namespace is meant, by what a command is told."""

from __future__ import annotations

import os

import pytest

from linx_async import LinxError, NetworkNamespace
from linx_async.cli.where import above, head_of, netns_of


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("blue", "name", "blue"),
        ("/run/netns/blue", "name", "blue"),
        ("/var/run/netns/blue", "name", "blue"),
        ("/run/other/blue", "path", "/run/other/blue"),
        ("/proc/1/ns/net", "path", "/proc/1/ns/net"),
    ],
)
def test_it_is_a_path_or_a_name(text: str, kind: str, value: str) -> None:
    netns = netns_of(text)
    assert (netns.kind, netns.value) == (kind, value)


def test_a_number_is_a_pid() -> None:
    netns = netns_of(str(os.getpid()))
    assert (netns.kind, netns.value) == ("pid", str(os.getpid()))


@pytest.mark.parametrize("text", ["", ".", "./here", "a\0b", "0", "99999999999"])
def test_what_it_cannot_be_is_told_with_what_it_can(text: str) -> None:
    expected = "--netns: expected a name of ip-netns(8), an absolute path or a pid, got "
    with pytest.raises(LinxError) as caught:
        netns_of(text)
    assert str(caught.value) == f"{expected}{text!r}"


def test_a_file_says_where_it_is_but_by_its_name() -> None:
    blue, path = NetworkNamespace.named("blue"), NetworkNamespace.at_path("/proc/1/ns/net")
    process = NetworkNamespace.of_pid(os.getpid())
    assert [above(each) for each in (None, blue)] == [(), ("netns", "blue")]
    assert head_of(None) == head_of(blue) == []
    assert head_of(path)[1:] == ['[netns."/proc/1/ns/net"]', 'path = "/proc/1/ns/net"']
    assert head_of(process)[1:] == [f"[netns.{os.getpid()}]", f"pid = {os.getpid()}"]
