"""What a page of the docs leaves in its network namespace is no matter to who runs there next."""

from __future__ import annotations

import subprocess

import pytest

from tests.emptying import empty
from tests.iproute2 import ip

LEFT = """
link add one type veth peer name two
link add three type ifb
link set lo up
link set one up
address add 10.0.0.1/24 dev one
address add 10.9.9.9/32 dev lo
route add 192.0.2.0/24 via 10.0.0.9 dev one proto 76
route add blackhole 198.51.100.0/24 proto 200
route add 203.0.113.0/24 dev lo table 1000
-6 route add blackhole 2001:db8::/32 table 1000
rule add priority 100 table 1000
-6 rule add priority 100 table 1000
nexthop add id 7 blackhole
"""


@pytest.fixture(autouse=True)
def emptied() -> None:
    empty()


def shown() -> list[str]:
    views = ("link", "address", "rule", "nexthop", *(f"-{n} route show table all" for n in (4, 6)))
    return [ip(*view.split()) for view in views]


def test_an_emptied_namespace_has_what_it_had_in_the_beginning() -> None:
    ip("link", "set", "lo", "up")
    before = shown()
    for line in LEFT.strip().splitlines():
        ip(*line.split())
    subprocess.run(["nft", "add table inet left"], check=True)
    assert shown() != before
    empty()
    assert shown() == before
    tables = subprocess.run(["nft", "list", "tables"], check=True, capture_output=True).stdout
    assert tables == b""


def test_what_is_empty_stays_so() -> None:
    before = shown()
    empty()
    assert shown() == before
