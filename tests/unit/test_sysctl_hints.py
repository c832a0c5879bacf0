"""What a set of keys wants to hear of: files, links, netconf settings, and poll."""

from __future__ import annotations

from linx_async._kernel.announcements import IPV4_NETCONF, IPV6_NETCONF, LINK
from linx_async.sysctl.hints import Interest


def test_a_key_listens_to_its_own_file() -> None:
    interest = Interest.of(["net.ipv4.tcp_sack"])
    assert interest.by_file == {("net/ipv4", "tcp_sack"): {"net.ipv4.tcp_sack"}}
    assert interest.directories == {"net/ipv4"}
    assert interest.groups == frozenset()


def test_a_key_listens_to_the_files_of_those_that_may_change_it() -> None:
    key = "net.ipv4.conf.eth0.forwarding"
    interest = Interest.of([key])
    assert interest.by_file == {
        ("net/ipv4/conf/eth0", "forwarding"): {key},
        ("net/ipv4/conf/all", "forwarding"): {key},
        ("net/ipv4", "ip_forward"): {key},
    }
    assert interest.directories == {"net/ipv4", "net/ipv4/conf/all", "net/ipv4/conf/eth0"}


def test_a_key_of_an_interface_listens_to_links() -> None:
    keys = {"net/ipv4/conf/eth0.100/arp_filter", "net/ipv6/conf/eth0.100/mtu"}
    interest = Interest.of(keys)
    assert interest.by_interface == {"eth0.100": keys}
    assert interest.groups == {LINK}


def test_a_key_that_netconf_announces_listens_to_it() -> None:
    interest = Interest.of(["net.ipv4.conf.all.rp_filter", "net.ipv6.conf.default.proxy_ndp"])
    assert interest.groups == {IPV4_NETCONF, IPV6_NETCONF}
    assert interest.by_setting == {
        ("ipv4", "rp_filter"): {"net.ipv4.conf.all.rp_filter"},
        ("ipv6", "proxy_ndp"): {"net.ipv6.conf.default.proxy_ndp"},
    }


def test_a_side_effect_of_an_announced_key_is_announced_by_it() -> None:
    key = "net.ipv4.conf.all.accept_redirects"
    assert Interest.of([key]).by_setting == {("ipv4", "forwarding"): {key}}


def test_ip_forward_is_announced_as_forwarding() -> None:
    assert Interest.of(["net.ipv4.ip_forward"]).groups == {IPV4_NETCONF}


def test_only_host_and_domain_name_are_polled() -> None:
    keys = {"kernel.hostname", "kernel.domainname", "kernel.shmmax"}
    assert Interest.of(keys).polled == {"kernel.hostname", "kernel.domainname"}


def test_nothing_wants_to_hear_of_nothing() -> None:
    interest = Interest.of([])
    assert (interest.directories, interest.groups, interest.polled) == (frozenset(),) * 3
