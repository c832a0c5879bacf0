"""The real program shows, and looks at, another network namespace than its own."""

from __future__ import annotations

import json
import tomllib

from linx_async.testing.namespaces import Namespaces
from tests.kernel.program import Host, linx


def show(host: Host, *arguments: str) -> tuple[int, str, str]:
    done = linx("show", "--state-dir", host.records, *arguments)
    return done.returncode, done.stdout, done.stderr


def test_what_another_namespace_has_is_shown_and_written_as_a_file_that_changes_nothing(
    host: Host, box: Namespaces
) -> None:
    where = str(box.path("net"))
    host.says(
        f"[netns.box]\npath = {where!r}",
        "[netns.box.sysctl]\nnet.ipv4.ip_forward = 1",
        "[netns.box.rtnl]\nprotocol = 80",
        'routes = [["10.64.0.0/16", "10.63.0.9"]]',
        '[netns.box.rtnl.links.cns0]\nkind = "veth"\npeer = "cns1"\nup = true',
        'addresses = ["10.63.0.1/24"]',
    )
    assert host.linx("apply").returncode == 0

    # Whichever way it is called, it is known by the records.
    code, text, errors = show(host, "--netns", str(box.pid), "--as-config", "--backend", "trio")
    assert (code, errors) == (0, "")
    said = tomllib.loads(text)
    assert list(said) == ["netns"]
    assert said["netns"][where]["path"] == where
    assert said["netns"][where]["sysctl"] == {"net": {"ipv4": {"ip_forward": 1}}}
    assert said["netns"][where]["rtnl"]["protocol"] == 80
    assert said["netns"][where]["rtnl"]["links"]["cns0"]["kind"] == "veth"
    file = host.file.with_name("shown.toml")
    file.write_text(text)
    planned = linx("plan", "--state-dir", host.records, file)
    assert planned.stdout.splitlines()[-1] == f"{file}: nothing to do"

    code, text, errors = show(host, "--netns", where, "cns0")
    assert (code, errors) == (0, "")
    assert text.splitlines() == [
        f"{where}: rtnl protocol 80:",
        "  link cns0 (veth) (ours)",
        "  address 10.63.0.1/24 on cns0 (ours)",
        "  route 10.64.0.0/16 via 10.63.0.9 dev cns0 (ours)",
    ]

    # Without being asked for, it is told that there is more.
    code, text, errors = show(host, "--part", "sysctl")
    assert (code, errors) == (2, "")
    seen = f"not shown: {where} (sysctl): `linx show --netns {where}` shows it"
    assert text.splitlines()[0].startswith("nothing: of sysctls and cgroups those are shown that ")
    assert text.splitlines()[1:] == [seen]


def test_a_namespace_that_nobody_keeps_anything_in_is_shown_too(
    host: Host, box: Namespaces
) -> None:
    code, text, errors = show(host, "--netns", str(box.pid), "--as-config", "--part", "rtnl")
    assert (code, errors) == (0, "")
    said = tomllib.loads(text)["netns"][str(box.pid)]
    assert said["pid"] == box.pid
    assert said["rtnl"]["links"]["lo"]["up"] in {True, False}
    assert not host.records.exists()


def test_what_is_not_there_or_no_part_of_it_is_told(host: Host) -> None:
    code, text, errors = show(host, "--json", "--netns", "is-not-there")
    told = "netns is-not-there: /run/netns/is-not-there is not there"
    assert (code, errors) == (1, f"linx: {told}\n")
    (error,) = json.loads(text)["errors"]
    assert error["message"] == told
    code, text, errors = show(host, "--netns", "1", "--part", "cgroup")
    assert (code, text) == (1, "")
    assert errors == "linx: cgroups are of no network namespace: ask for them without --netns\n"


def test_the_doctor_looks_into_another_namespace(box: Namespaces) -> None:
    done = linx("doctor", "--json", "--backend", "trio", "--netns", str(box.pid))
    told = json.loads(done.stdout)
    found = {each["part"]: each["ok"] for each in told["findings"]}
    here = f"pid {box.pid}"
    assert found[f"{here}: sysctl"]
    assert found[f"{here}: netfilter"]
    assert "sysctl" not in found
    assert told["others"] == []
    assert (done.returncode, told["errors"]) == (0 if told["well"] else 2, [])
