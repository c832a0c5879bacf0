"""Who else manages a machine, by what runs and by the files that are there."""

from __future__ import annotations

import os
from pathlib import Path

from linx_async.cli.others import others, processes


def write(root: Path, name: str, text: str) -> None:
    file = root / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def test_nobody_else_is_told_where_nobody_is(tmp_path: Path) -> None:
    assert others(["init", "bash"], tmp_path) == []


def test_programs_that_run_are_told_with_what_to_set(tmp_path: Path) -> None:
    found = others(["NetworkManager", "dockerd", "kube-proxy"], tmp_path)
    assert [each.name for each in found] == ["NetworkManager", "docker", "Kubernetes"]
    assert "unmanaged-devices" in found[0].advice
    assert not any(each.settled for each in found)


def test_networkd_is_well_once_it_leaves_foreign_routes_and_rules_alone(tmp_path: Path) -> None:
    (found,) = others(["systemd-network"], tmp_path)
    assert "[Network] ManageForeignRoutes=no ManageForeignRoutingPolicyRules=no" in found.advice
    assert "ManageForeignNextHops=no" in found.advice
    assert "Unmanaged=yes" in found.advice
    write(tmp_path, "etc/systemd/networkd.conf", "[Network]\nManageForeignRoutes=no\n")
    (found,) = others(["systemd-network"], tmp_path)
    assert "say [Network] ManageForeignRoutingPolicyRules=no" in found.advice
    drop_in = "etc/systemd/networkd.conf.d/linx.conf"
    write(tmp_path, drop_in, "[Network]\nManageForeignRoutingPolicyRules=false\n")
    (found,) = others(["systemd-network"], tmp_path)
    assert found.settled


def test_networkd_is_told_of_nexthops_until_it_leaves_them_alone(tmp_path: Path) -> None:
    for value, told in (("yes", True), ("no", False)):
        conf = f"[Network]\nManageForeignNextHops={value}\n"
        write(tmp_path, "etc/systemd/networkd.conf", conf)
        (found,) = others(["systemd-network"], tmp_path)
        assert ("ManageForeignNextHops=no" in found.advice) is told


def test_a_file_of_networkd_counts_instead_of_those_of_its_name_below_usr(tmp_path: Path) -> None:
    said = "[Network]\nManageForeignRoutes=no\nManageForeignRoutingPolicyRules=no\n"
    write(tmp_path, "usr/lib/systemd/networkd.conf.d/10.conf", said)
    assert [each.settled for each in others(["systemd-network"], tmp_path)] == [True]
    write(tmp_path, "etc/systemd/networkd.conf.d/10.conf", "")
    assert [each.settled for each in others(["systemd-network"], tmp_path)] == [False]


def test_ufw_is_known_by_its_files(tmp_path: Path) -> None:
    write(tmp_path, "etc/ufw/ufw.conf", "ENABLED=no\n")
    assert others([], tmp_path) == []
    write(tmp_path, "etc/ufw/ufw.conf", "# ENABLED=no\nENABLED=yes\n")
    assert [(each.name, each.settled) for each in others([], tmp_path)] == [("ufw", False)]
    write(tmp_path, "etc/default/ufw", "IPT_SYSCTL=\n")
    assert [each.settled for each in others([], tmp_path)] == [True]


def test_a_service_that_flushes_the_ruleset_is_told_where_it_is_enabled(tmp_path: Path) -> None:
    write(tmp_path, "etc/nftables.conf", "#!/usr/sbin/nft -f\nflush ruleset\n")
    assert others([], tmp_path) == []
    write(tmp_path, "etc/systemd/system/sysinit.target.wants/nftables.service", "")
    assert [each.name for each in others([], tmp_path)] == ["nftables.service"]


def test_the_names_of_programs_that_run_are_read_from_proc() -> None:
    ours = Path("/proc/self/comm").read_text(encoding="utf-8").strip()
    assert ours in processes()
    assert ours in processes(network=os.stat("/proc/self/ns/net"))
    assert not processes(network=os.stat("/proc/self/ns/mnt"))


def test_of_a_namespace_only_what_runs_there_is_told(tmp_path: Path) -> None:
    write(tmp_path, "etc/ufw/ufw.conf", "ENABLED=yes\n")
    assert [each.name for each in others(["bird"], tmp_path, at_boot=False)] == ["a routing daemon"]
