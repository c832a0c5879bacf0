"""The desired state of sysctls: what is refused as it is written down."""

from __future__ import annotations

import attrs
import pytest

from linx_async import DesiredStateError
from linx_async.sysctl import Desired
from linx_async.sysctl.desired import DesiredLike

SECONDS, MILLIS = "net.ipv6.route.gc_min_interval", "net.ipv6.route.gc_min_interval_ms"


def refusal(desired: object) -> str:
    with pytest.raises(DesiredStateError) as refused:
        Desired.of(desired)  # type: ignore[arg-type]
    return str(refused.value)


def test_values_become_text_under_keys_in_one_spelling() -> None:
    desired = Desired(
        {
            "net/ipv4/ip_forward": True,
            "net.ipv4.conf.eth0/100.rp_filter": 2,
            "net.ipv4.tcp_rmem": [4096, 131072, 6291456],
            "kernel.core_pattern": "|/usr/lib/dump %p",
        }
    )
    assert desired.settings == {
        "net.ipv4.ip_forward": "1",
        "net/ipv4/conf/eth0.100/rp_filter": "2",
        "net.ipv4.tcp_rmem": "4096 131072 6291456",
        "kernel.core_pattern": "|/usr/lib/dump %p",
    }


def test_it_is_frozen_and_taken_as_it_is_the_second_time() -> None:
    desired = Desired({"net.ipv4.ip_forward": 1})
    assert Desired.of(desired) is desired
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        desired.settings = {}  # type: ignore[misc]


def test_changing_the_mapping_afterwards_changes_nothing() -> None:
    values = {"net.ipv4.ip_forward": 1}
    desired = Desired(values)
    values["net.ipv4.ip_forward"] = 0
    assert desired.settings == {"net.ipv4.ip_forward": "1"}


@pytest.mark.parametrize("desired", [None, "net.ipv4.ip_forward=1", [("a.b", 1)], 7])
def test_what_is_no_mapping_is_refused_and_named(desired: object) -> None:
    assert repr(desired) in refusal(desired)


def test_a_wrong_key_is_refused() -> None:
    assert "'net..x'" in refusal({"net.ipv4.ip_forward": 1, "net..x": 1})


def test_a_wrong_value_is_refused_with_its_key() -> None:
    told = refusal({"net/ipv4/ip_forward": 1.5})
    assert "net.ipv4.ip_forward" in told
    assert "1.5" in told


def test_one_key_in_two_spellings_is_refused_with_both() -> None:
    told = refusal({"net.ipv4.ip_forward": 1, "net/ipv4/ip_forward": 1})
    assert "'net.ipv4.ip_forward'" in told
    assert "'net/ipv4/ip_forward'" in told


def test_one_knob_with_two_values_is_refused_with_both() -> None:
    told = refusal({"net.ipv4.ip_forward": 1, "net.ipv4.conf.all.forwarding": 0})
    assert "net.ipv4.ip_forward = 1" in told
    assert "net.ipv4.conf.all.forwarding = 0" in told


@pytest.mark.parametrize(
    "desired",
    [
        {"net.ipv4.ip_forward": 1, "net.ipv4.conf.all.forwarding": True},
        {"net.ipv4.ip_forward": "0x1", "net.ipv4.conf.all.forwarding": 1},
        {"net.nf_conntrack_max": 65536, "net.netfilter.nf_conntrack_max": "65536"},
        {SECONDS: 2, MILLIS: 2000},
        {SECONDS: 2, MILLIS: 2500},
        {SECONDS: 0, MILLIS: 500},
        {MILLIS: 2000, SECONDS: 2},
    ],
)
def test_one_knob_said_twice_alike_is_taken(desired: DesiredLike) -> None:
    assert len(Desired.of(desired).settings) == 2


@pytest.mark.parametrize(
    "desired",
    [
        {"net.nf_conntrack_max": 65536, "net.netfilter.nf_conntrack_max": 65537},
        {SECONDS: 2, MILLIS: 3000},
        {SECONDS: 2, MILLIS: 1999},
        {SECONDS: 2, MILLIS: "two"},
        {MILLIS: 3000, SECONDS: 2},
        {
            "net.ipv4.neigh.eth0.retrans_time": 100,
            "net.ipv4.neigh.eth0.retrans_time_ms": 2000,
        },
    ],
)
def test_one_knob_in_two_units_must_agree(desired: dict[str, int | str]) -> None:
    told = refusal(desired)
    assert all(f"{key} = {value}" in told for key, value in desired.items())


def test_a_unit_that_depends_on_the_kernel_is_left_to_whoever_wrote_it() -> None:
    family = "net.ipv6.neigh.eth0"
    desired = Desired({f"{family}.retrans_time": 250, f"{family}.retrans_time_ms": 1000})
    assert len(desired.settings) == 2


def test_two_of_which_one_is_always_zero_are_refused_with_both() -> None:
    told = refusal({"vm.dirty_ratio": 20, "vm.dirty_bytes": 1 << 20})
    assert "vm.dirty_bytes" in told
    assert "vm.dirty_ratio" in told


def test_one_of_a_pair_with_the_other_zero_is_taken() -> None:
    assert Desired({"vm.dirty_ratio": 20, "vm.dirty_bytes": 0}).settings["vm.dirty_bytes"] == "0"


def test_an_empty_desired_state_is_one() -> None:
    assert Desired({}).settings == {}
