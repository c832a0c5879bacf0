"""The real program with saved plans: what was planned is applied, or nothing is."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

from linx_async.testing.links import links, set_mtu, set_up
from linx_async.testing.namespaces import Namespaces
from tests.kernel.nft_program import nft, nft_or_skip
from tests.kernel.program import COMMAND, ENVIRONMENT, ROOT, Host, linx

numbers = itertools.count(1)


def path(link: str, name: str) -> Path:
    return Path("/proc/sys/net/ipv4/conf", link, name)


def saved(host: Host) -> Path:
    """A plan of what the host's file says."""
    plan = host.file.with_suffix(".plan")
    assert host.linx("plan", "--out", str(plan)).returncode == 2
    return plan


def apply(host: Host, plan: Path, *options: str) -> tuple[int, list[str]]:
    done = linx("apply", "--state-dir", host.records, *options, plan)
    return done.returncode, done.stderr.splitlines()


def test_a_plan_is_applied_whatever_its_file_says_by_then(host: Host, link: str) -> None:
    more = f"{link}a"
    host.says(
        *("[sysctl]", f"net.ipv4.conf.{link}.arp_ignore = 2"),
        *("[rtnl]", "rules = [[91, 91]]", f"[rtnl.links.{more}]", 'kind = "veth"'),
    )
    plan = saved(host)
    assert plan.stat().st_mode & 0o777 == 0o600
    host.says("nonsense")
    assert apply(host, plan) == (0, [])
    assert path(link, "arp_ignore").read_text() == "2\n"
    assert more in links()
    code, errors = apply(host, plan)
    assert code == 1
    assert f"linx: {plan}: [rtnl]: has moved since: our record of link {more}" in errors
    not_due = f"not due any more: set net.ipv4.conf.{link}.arp_ignore = 2 (is 0)"
    assert f"linx: {plan}: [sysctl]: has moved since: {not_due}" in errors


def test_what_has_moved_is_named_and_nothing_is_changed(host: Host, link: str) -> None:
    host.says(
        *("[sysctl]", f"net.ipv4.conf.{link}.arp_ignore = 2"),
        *(f"[rtnl.links.{link}]", "mtu = 1400", "up = true", 'addresses = ["10.92.0.1/24"]'),
    )
    plan = saved(host)
    path(link, "arp_ignore").write_text("1")
    set_mtu(link, 1300)
    code, errors = apply(host, plan, "--confirm", "60")
    assert code == 1
    value, mtu = f"set net.ipv4.conf.{link}.arp_ignore = 2", f"set link {link}: mtu 1400, up yes"
    assert errors == [
        f"linx: {plan}: [{section}]: has moved since: {what}"
        for section, what in (
            ("sysctl", f"not due any more: {value} (is 0)"),
            ("sysctl", f"due now: {value} (is 1)"),
            ("rtnl", f"not due any more: {mtu} (is mtu 1500, up no)"),
            ("rtnl", f"due now: {mtu} (is mtu 1300, up no)"),
        )
    ]
    assert path(link, "arp_ignore").read_text() == "1\n"
    assert not host.records.exists()


def test_a_plan_with_a_firewall_is_void_once_its_table_was_changed(host: Host) -> None:
    nft_or_skip()
    name = f"cpf{next(numbers)}"
    chain = [f"[netfilter.inet.{name}.chains.c]", "rules = ['tcp dport {} accept']"]
    host.says(*(line.replace("{}", "22") for line in chain), f"[netfilter.inet.{name}]")
    with host.file.open("a") as file:
        file.write('lifetime = "shared"\n')
    assert host.linx("apply").returncode == 0
    host.file.write_text(host.file.read_text().replace("22", "23"))
    plan = saved(host)
    nft("add", "rule", "inet", name, "c", "tcp dport 99 accept")
    assert apply(host, plan)[0] == 1
    listed = nft("list", "table", "inet", name).stdout
    assert "dport 22" in listed
    assert "dport 99" in listed
    fresh = saved(host)
    assert apply(host, fresh) == (0, [])
    assert "dport 23" in nft("list", "table", "inet", name).stdout


def test_a_plan_of_elsewhere_and_a_damaged_one_are_refused(
    host: Host, link: str, box: Namespaces
) -> None:
    host.says("[sysctl]", f"net.ipv4.conf.{link}.arp_ignore = 2")
    plan = saved(host)
    words = [*COMMAND, "apply", "--state-dir", str(host.records), str(plan)]
    done = box.run(words, env=ENVIRONMENT, cwd=ROOT, check=False)
    assert done.returncode == 1
    assert "was made in other namespaces" in done.stderr
    good = plan.read_text()
    for bad, why in (
        (good.replace("arp_ignore = 2", "arp_ignore = 1", 1), "is damaged, or was changed by hand"),
        (good.replace('"version": 1', '"version": 2', 1), "is a plan of format 2"),
        ('{"format": "other"}', "is no saved plan"),
        ("{", "is no saved plan"),
    ):
        plan.write_text(bad)
        code, (error, *_) = apply(host, plan)
        assert code == 1
        assert why in error
    assert path(link, "arp_ignore").read_text() == "0\n"


def test_why_and_what_is_there_now_are_told_of_each_op(host: Host, link: str) -> None:
    host.says("[rtnl]", "rules = [[93, 93]]")
    assert host.linx("apply").returncode == 0
    set_up(link)
    host.says(f"[rtnl.links.{link}]", "up = false", 'alias = "x"', "[rtnl]", "rules = [[94, 94]]")
    (part,) = json.loads(host.linx("plan", "--json").stdout)["parts"]
    told = {op["text"]: (op["reason"], op["present"]) for op in part["ops"]}
    assert told == {
        f"set link {link}: alias x, up no": ("it is otherwise", "alias none, up yes"),
        "add rule 94: from all lookup 94": ("it is not there", None),
        "delete rule 93: from all lookup 93": (
            "not desired any more",
            "93: from all lookup 93",
        ),
    }
