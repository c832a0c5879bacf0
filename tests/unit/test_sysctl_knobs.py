"""Which sysctls change others, and in which order they are therefore written."""

from __future__ import annotations

import pytest

from linx_async.sysctl.knobs import effects, either_or, influences, rank, same_knob


def after(key: str, text: str, *others: str) -> dict[str, str]:
    return effects(key, text, dict.fromkeys(others, ""))


def test_most_keys_change_no_other() -> None:
    others = ("net.ipv4.tcp_sack", "net.ipv4.conf.eth0.forwarding", "net.ipv4.conf.eth0.rp_filter")
    assert after("net.ipv4.conf.eth0.rp_filter", "1", *others) == {}
    assert after("net.ipv4.conf.all.rp_filter", "1", *others) == {}


def test_ip_forward_sets_the_forwarding_of_every_interface_and_flips_accept_redirects() -> None:
    others = (
        *("net.ipv4.conf.all.forwarding", "net.ipv4.conf.default.forwarding"),
        *("net.ipv4.conf.eth0.forwarding", "net.ipv4.conf.all.accept_redirects"),
        *("net.ipv4.conf.eth0.accept_redirects", "net.ipv4.conf.eth0.bc_forwarding"),
        *("net.ipv6.conf.eth0.forwarding", "net/ipv4/conf/eth0.100/forwarding"),
    )
    assert after("net.ipv4.ip_forward", "1", *others) == {
        "net.ipv4.conf.all.forwarding": "1",
        "net.ipv4.conf.default.forwarding": "1",
        "net.ipv4.conf.eth0.forwarding": "1",
        "net/ipv4/conf/eth0.100/forwarding": "1",
        "net.ipv4.conf.all.accept_redirects": "0",
    }
    assert after("net.ipv4.ip_forward", "0", "net.ipv4.conf.all.accept_redirects") == {
        "net.ipv4.conf.all.accept_redirects": "1"
    }


def test_all_of_ipv6_sets_default_and_every_interface_for_some_settings() -> None:
    for leaf in ("forwarding", "disable_ipv6", "ignore_routes_with_linkdown", "addr_gen_mode"):
        default, eth0 = f"net.ipv6.conf.default.{leaf}", f"net.ipv6.conf.eth0.{leaf}"
        found = after(f"net.ipv6.conf.all.{leaf}", "1", default, eth0)
        assert found == {default: "1", eth0: "1"}
    assert after("net.ipv6.conf.all.accept_ra", "1", "net.ipv6.conf.eth0.accept_ra") == {}


def test_ipv6_that_is_enabled_again_has_the_links_mtu() -> None:
    mtu = "net.ipv6.conf.eth0.mtu"
    for place in ("all", "eth0"):
        assert after(f"net.ipv6.conf.{place}.disable_ipv6", "0", mtu) == {mtu: ""}
        assert after(f"net.ipv6.conf.{place}.disable_ipv6", "1", mtu) == {}
    assert after("net.ipv6.conf.default.disable_ipv6", "0", mtu) == {}
    assert influences(mtu) == {
        mtu,
        "net.ipv6.conf.eth0.disable_ipv6",
        "net.ipv6.conf.all.disable_ipv6",
    }


def test_force_forwarding_leaves_the_default_alone() -> None:
    default, eth0 = "net.ipv6.conf.default.force_forwarding", "net.ipv6.conf.eth0.force_forwarding"
    assert after("net.ipv6.conf.all.force_forwarding", "1", default, eth0) == {eth0: "1"}


def test_a_default_of_ipv4_is_copied_to_interfaces_but_for_forwarding_and_what_is_flushed() -> None:
    found = after("net.ipv4.conf.default.rp_filter", "2", "net.ipv4.conf.eth0.rp_filter")
    assert found == {"net.ipv4.conf.eth0.rp_filter": "2"}
    for leaf in ("forwarding", "promote_secondaries", "disable_policy", "route_localnet"):
        assert after(f"net.ipv4.conf.default.{leaf}", "1", f"net.ipv4.conf.eth0.{leaf}") == {}
    assert after("net.ipv4.conf.default.rp_filter", "2", "net.ipv4.conf.all.rp_filter") == {}
    assert after("net.ipv6.conf.default.accept_ra", "2", "net.ipv6.conf.eth0.accept_ra") == {}


def test_a_stable_secret_sets_the_mode_of_addresses() -> None:
    modes = [f"net.ipv6.conf.{name}.addr_gen_mode" for name in ("all", "default", "eth0", "eth1")]
    assert after("net.ipv6.conf.eth0.stable_secret", "::1", *modes) == {modes[2]: "2"}
    assert after("net.ipv6.conf.default.stable_secret", "::1", *modes) == dict.fromkeys(
        modes[2:], "2"
    )


def test_a_default_of_neighbours_is_copied_in_every_unit() -> None:
    found = after(
        "net.ipv4.neigh.default.base_reachable_time",
        "40",
        "net.ipv4.neigh.eth0.base_reachable_time",
        "net.ipv4.neigh.eth0.base_reachable_time_ms",
        "net.ipv4.neigh.default.base_reachable_time_ms",
        "net.ipv4.neigh.eth0.locktime",
        "net.ipv6.neigh.eth0.base_reachable_time",
    )
    assert found == {
        "net.ipv4.neigh.eth0.base_reachable_time": "40",
        "net.ipv4.neigh.eth0.base_reachable_time_ms": "40000",
        "net.ipv4.neigh.default.base_reachable_time_ms": "40000",
    }


def test_a_time_in_two_units_is_one_knob() -> None:
    seconds, millis = "net.ipv6.route.gc_min_interval", "net.ipv6.route.gc_min_interval_ms"
    assert after(seconds, "2", millis) == {millis: "2000"}
    assert after(millis, "2500", seconds) == {seconds: "2"}
    centis, millis = "net.ipv4.neigh.eth0.retrans_time", "net.ipv4.neigh.eth0.retrans_time_ms"
    assert after(centis, "50", millis) == {millis: "500"}


def test_where_the_unit_depends_on_the_kernel_the_new_value_cannot_be_told() -> None:
    jiffies, millis = "net.ipv6.neigh.eth0.retrans_time", "net.ipv6.neigh.eth0.retrans_time_ms"
    assert after(jiffies, "250", millis) == {millis: ""}
    assert after(millis, "1000", jiffies) == {jiffies: ""}
    packets, size = "net.ipv4.neigh.eth0.unres_qlen", "net.ipv4.neigh.eth0.unres_qlen_bytes"
    assert after(packets, "101", size) == {size: ""}


def test_text_that_is_no_number_in_another_unit_cannot_be_told() -> None:
    seconds, millis = "net.ipv6.route.gc_min_interval", "net.ipv6.route.gc_min_interval_ms"
    assert after(seconds, "many", millis) == {millis: ""}


def test_one_of_a_pair_makes_the_other_zero() -> None:
    assert after("vm.dirty_bytes", "8192", "vm.dirty_ratio") == {"vm.dirty_ratio": "0"}
    assert after("vm.overcommit_ratio", "50", "vm.overcommit_kbytes") == {
        "vm.overcommit_kbytes": "0"
    }
    assert after("vm.dirty_bytes", "8192", "vm.dirty_background_ratio") == {}


def test_pairs_are_found_only_whole() -> None:
    assert list(either_or(["vm.dirty_bytes", "vm.dirty_ratio"])) == [
        ("vm.dirty_bytes", "vm.dirty_ratio")
    ]
    assert list(either_or(["vm.dirty_bytes", "vm.dirty_background_ratio"])) == []


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("net.ipv4.ip_forward", "net.ipv4.conf.all.forwarding"),
        ("net.nf_conntrack_max", "net.netfilter.nf_conntrack_max"),
        (
            "net.ipv4.neigh.eth0.base_reachable_time",
            "net.ipv4.neigh.eth0.base_reachable_time_ms",
        ),
        ("net/ipv6/neigh/eth0.1/unres_qlen", "net/ipv6/neigh/eth0.1/unres_qlen_bytes"),
        ("net.ipv4.route.gc_min_interval", "net.ipv4.route.gc_min_interval_ms"),
    ],
)
def test_two_names_of_one_knob(one: str, other: str) -> None:
    assert same_knob(one)[0] == same_knob(other)[0]
    assert other in influences(one)
    assert one in influences(other)


def test_what_resembles_another_name_of_a_knob_is_none() -> None:
    alone = (
        "net.ipv4.conf.eth0.forwarding",
        "net.ipv4.neigh.eth0.locktime",
        "net.ipv4.tcp_ecn",
    )
    assert [same_knob(key) for key in alone] == [(key, 1) for key in alone]


def test_keys_that_overwrite_come_before_what_they_overwrite() -> None:
    in_order = [
        "net.ipv4.ip_forward",
        "net.ipv4.conf.all.accept_redirects",
        "net.ipv6.conf.all.addr_gen_mode",
        "net.ipv6.conf.default.stable_secret",
        "net.ipv6.conf.eth0.disable_ipv6",
        "net.ipv6.conf.eth0.stable_secret",
        "net.ipv6.conf.eth0.addr_gen_mode",
        "net.ipv6.conf.eth0.mtu",
    ]
    assert sorted(set(in_order), key=rank) == in_order


def test_a_key_hears_of_all_that_may_change_it() -> None:
    assert influences("net.ipv4.conf.eth0.forwarding") == {
        "net.ipv4.conf.eth0.forwarding",
        "net.ipv4.conf.all.forwarding",
        "net.ipv4.ip_forward",
    }
    assert influences("net.ipv4.conf.all.rp_filter") == {"net.ipv4.conf.all.rp_filter"}
    assert influences("net.ipv6.conf.eth0.addr_gen_mode") == {
        "net.ipv6.conf.eth0.addr_gen_mode",
        "net.ipv6.conf.all.addr_gen_mode",
        "net.ipv6.conf.eth0.stable_secret",
        "net.ipv6.conf.default.stable_secret",
    }
