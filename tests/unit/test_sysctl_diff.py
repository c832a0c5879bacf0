"""The diff of sysctls, usable alone: plain dicts in, ops in words out."""

from __future__ import annotations

import pytest

from linx_async import Claim, DesiredStateError, Ownership
from linx_async.sysctl import Observed, ReleaseSysctl, RevertSysctl, SetSysctl, diff

FORWARD = "net.ipv4.ip_forward"
ALL = "net.ipv4.conf.all.forwarding"


def lines(*arguments: object, **options: object) -> list[str]:
    return [str(op) for op in diff(*arguments, **options)]  # type: ignore[arg-type]


def test_the_plan_of_a_plain_dict() -> None:
    plan = diff({FORWARD: True, "kernel.hostname": "a"}, Observed({FORWARD: "0"}))
    assert plan.ops == (SetSysctl(FORWARD, "1", "0", "0"),)
    assert str(plan.ops[0]) == "set net.ipv4.ip_forward = 1 (is 0)"


def test_a_wrong_desired_state_is_refused() -> None:
    with pytest.raises(DesiredStateError, match="same knob"):
        diff({FORWARD: 1, ALL: 0}, Observed())


def test_tabs_and_spaces_are_no_difference() -> None:
    assert not diff({"net.ipv4.tcp_rmem": "1 2 3"}, Observed({"net.ipv4.tcp_rmem": "1\t2\t3"}))


def test_forwarding_goes_first_and_what_it_flips_is_set_after_it() -> None:
    redirects = "net.ipv4.conf.all.accept_redirects"
    observed = Observed({FORWARD: "0", redirects: "1", "net.ipv4.conf.eth0.forwarding": "0"})
    assert lines({redirects: 1, "net.ipv4.conf.eth0.forwarding": 0, FORWARD: 1}, observed) == [
        "set net.ipv4.ip_forward = 1 (is 0)",
        f"set {redirects} = 1 (is 1, but net.ipv4.ip_forward overwrites it)",
        "set net.ipv4.conf.eth0.forwarding = 0 (is 0, but net.ipv4.ip_forward overwrites it)",
    ]


def test_a_key_that_leaves_is_released_or_reverted() -> None:
    owned = Ownership().with_claims([Claim(FORWARD, "1", "0", "1")])
    observed = Observed({FORWARD: "1"})
    assert diff({}, observed, owned).ops == (ReleaseSysctl(FORWARD),)
    assert diff({}, observed, owned, revert_on_release=True).ops == (
        RevertSysctl(FORWARD, "0", "1", "0"),
    )


def test_a_knob_that_goes_on_under_its_other_name_is_not_reverted() -> None:
    owned = Ownership().with_claims([Claim(FORWARD, "1", "0", "1")])
    observed = Observed({FORWARD: "1", ALL: "1"})
    plan = diff({ALL: 1}, observed, owned, revert_on_release=True)
    assert plan.ops == (
        SetSysctl(ALL, "1", "1", "0", None, f"but it was ours as {FORWARD}"),
        ReleaseSysctl(FORWARD, f"{ALL} is the same knob"),
    )


def test_a_revert_that_would_undo_one_of_a_pair_comes_before_it() -> None:
    owned = Ownership().with_claims([Claim("vm.dirty_ratio", "30", "20", "30")])
    observed = Observed({"vm.dirty_ratio": "30", "vm.dirty_bytes": "0"})
    ops = diff({"vm.dirty_bytes": 1 << 20}, observed, owned, revert_on_release=True).ops
    assert [op.key for op in ops] == ["vm.dirty_ratio", "vm.dirty_bytes"]


def test_what_a_revert_is_about_to_overwrite_gets_its_original_back_after_it() -> None:
    redirects = "net.ipv4.conf.all.accept_redirects"
    claims = [Claim(FORWARD, "0", "1", "0"), Claim(redirects, "2", "2", "2")]
    observed = Observed({FORWARD: "0", redirects: "2"})
    owned = Ownership().with_claims(claims)
    assert lines({}, observed, owned, revert_on_release=True) == [
        "revert net.ipv4.ip_forward to 1 (is 0)",
        f"revert {redirects} to 2 (is 2, but net.ipv4.ip_forward overwrites it)",
    ]


def test_of_a_pair_the_one_that_was_not_zero_is_reverted() -> None:
    size, ratio = Claim("vm.dirty_bytes", "8192", "0", "8192"), Claim("vm.dirty_ratio", "0", "20")
    observed = Observed({"vm.dirty_bytes": "8192", "vm.dirty_ratio": "0"})
    owned = Ownership().with_claims([size, ratio])
    assert lines({}, observed, owned, revert_on_release=True) == [
        "revert vm.dirty_ratio to 20 (is 0)",
        "release vm.dirty_bytes (it cannot be put back by itself)",
    ]


def test_the_zero_of_a_pair_comes_after_what_makes_it_zero() -> None:
    observed = Observed({"vm.dirty_ratio": "0", "vm.dirty_bytes": "8192"})
    ops = diff({"vm.dirty_bytes": 0, "vm.dirty_ratio": 20}, observed).ops
    assert [op.key for op in ops] == ["vm.dirty_ratio", "vm.dirty_bytes"]
