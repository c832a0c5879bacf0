"""The example `tank` reads its files, waits longer at each death, and says what is in the way."""

from __future__ import annotations

import os
import random
import signal
import socket
import tomllib
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from examples.tank import description, host
from examples.tank.container import PROC, Container, Mount
from examples.tank.description import container, read
from examples.tank.life import Backoff, died_of, leaves
from examples.tank.reports import unsettled
from examples.tank.spawn import Init, SpawnError, Workload
from linx_async import Conflict, DesiredStateError, Report, Restart, Waiting

WEB = Path(description.__file__).with_name("web.toml")
LEAST: dict[str, Any] = {"command": ["true"]}


def described(text: str) -> Container:
    return container("web", {**LEAST, **tomllib.loads(text)})


def test_the_file_that_comes_with_it_describes_a_web_server() -> None:
    (web,) = read(WEB)
    assert web.name == web.spawn.hostname == "web"
    assert web.spawn.command[:3] == ("python3", "-m", "http.server")
    assert dict(web.limits.settings) == {"memory.max": "67108864", "pids.max": "32"}


def test_nothing_but_a_command_has_all_namespaces_and_a_loopback_that_is_up() -> None:
    least = container("least", LEAST)
    assert least.spawn.namespaces == ("user", "mount", "pid", "uts", "ipc", "net")
    assert least.spawn.mounts == (PROC,)
    assert least.spawn.uids == ((0, os.geteuid(), 1),)
    assert not least.spawn.has_groups
    assert [(link.name, link.up) for link in least.network.links] == [("lo", True)]
    assert least.veth is None
    assert least.firewall is None


def test_namespaces_that_are_not_asked_for_are_left_out() -> None:
    spawn = described('namespaces = ["net", "pid"]').spawn
    assert spawn.namespaces == ("pid", "net")
    assert spawn.mounts == ()
    assert spawn.hostname == ""


def test_ids_that_are_given_bring_groups_with_them() -> None:
    spawn = described("uids = [[0, 100000, 65536]]\ngids = [[0, 100000, 65536]]").spawn
    assert spawn.uids == ((0, 100000, 65536),)
    assert spawn.has_groups


def test_mounts_come_after_proc_unless_that_is_not_wanted() -> None:
    given = 'mounts = [{ kind = "tmpfs", target = "/tmp", flags = ["nosuid"] }]'
    tmp = Mount("tmpfs", "/tmp", flags=("nosuid",))
    assert described(given).spawn.mounts == (PROC, tmp)
    assert described(f"{given}\nproc = false").spawn.mounts == (tmp,)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("command = []", "web: command: it is missing"),
        ('command = "true"', "web: command: expected a list, got 'true'"),
        ("command = [1]", "web: command: expected text, got 1"),
        ("colour = 1", "web: 'colour' is not known; expected command, directory, "),
        ('namespaces = ["time"]', "web: namespaces: 'time' is not known; expected user, "),
        ("proc = 1", "web: proc: expected true or false, got 1"),
        ("environment = 1", "web: environment: expected a table, got 1"),
        ("uids = [[0, 1]]", r"web: uids: expected \[inside, outside, count\], got \[0, 1\]"),
        ('mounts = [{ kind = "tmpfs" }]', "web: mounts: .*missing 1 required .*'target'"),
        ('mounts = [{ kind = "bind", target = "/a" }]', "web: mounts: /a: a bind mount needs"),
        (
            'mounts = [{ kind = "proc", target = "/a", flags = ["x"] }]',
            "web: mounts: 'x' is not known; expected ro, ",
        ),
        ('veth = "eth0"', "web: veth: expected a table, got 'eth0'"),
        ('veth = { host = "a", other = "b" }', "web: veth: 'other' is not known; expected host, "),
        ('veth = { host = "a/b" }', "web: veth: name: 'a/b' is no name of an interface"),
        ('veth = { host = "a", container = 1 }', "web: veth: peer: expected the name of an"),
        ('host = { routes = [["default", "10.0.0.1"]] }', "web: host: there is no end of a veth"),
        ('network = { addresses = [["eth0", "x"]] }', r"web: network: addresses\[0\]: "),
        ("sysctl = { 1 = 2 }", "web: sysctl: "),
        ('limits = { "cgroup.kill" = 1 }', "web: limits: cgroup key 'cgroup.kill'"),
        ("restart = { burst = -1 }", "web: restart: burst: expected zero or more, got -1"),
        ('firewall = { table = "", lifetime = "ever" }', "web: firewall: lifetime: expected "),
        ("firewall = { table = 1 }", "web: firewall: table: expected text, got 1"),
        ('namespaces = []\nhostname = "a"', "web: hostname: it has no uts namespace"),
        ('namespaces = []\nveth = { host = "a" }', "web: veth: it has no net namespace"),
        ('namespaces = ["net"]\nuids = [[0, 1, 1]]', "web: uids: it has no user namespace"),
        (
            'namespaces = ["net"]\nsysctl = { "kernel.shmmni" = 1 }',
            "web: sysctl: it has no ipc and no uts namespace of its own: add it to namespaces",
        ),
    ],
)
def test_what_is_wrong_is_told_with_its_field(text: str, message: str) -> None:
    with pytest.raises(DesiredStateError, match=f"^{message}"):
        described(text)


def test_sysctls_of_the_network_need_only_its_namespace() -> None:
    made = described('namespaces = ["net"]\nsysctl = { "net.ipv4.ip_forward" = 1 }')
    assert dict(made.sysctl.settings) == {"net.ipv4.ip_forward": "1"}


@pytest.mark.parametrize("name", ["", "a/b", "a\0b", ".."])
def test_a_name_that_is_no_cgroups_is_refused(name: str) -> None:
    with pytest.raises(DesiredStateError, match="no name of a container"):
        container(name, LEAST)


@pytest.mark.parametrize("content", [None, "", "web = 1", "web ="])
def test_a_file_without_containers_is_told_by_its_name(tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "tank.toml"
    if content is not None:
        file.write_text(content)
    with pytest.raises(DesiredStateError, match=f"^{file}: "):
        read(file)


def test_the_ends_of_the_pair_are_in_what_is_desired_on_both_sides() -> None:
    made = described('veth = { host = "web0" }\nhost = { addresses = [["web0", "10.0.0.1/24"]] }')
    outside, inside = made.ends(os.getpid())
    (link,) = outside.links
    assert (link.name, link.kind, link.peer, link.up) == ("web0", "veth", "eth0", True)
    assert link.peer_netns is not None
    assert link.peer_netns.value == str(os.getpid())
    assert [str(address.address) for address in outside.addresses] == ["10.0.0.1"]
    assert [(link.name, link.up) for link in inside.links] == [("lo", True), ("eth0", True)]


def test_an_end_is_up_and_else_as_it_is_described() -> None:
    made = described(
        'veth = { host = "web0" }\n'
        'host = { links = [{ name = "web0", up = false }] }\n'
        'network = { links = [{ name = "eth0", mtu = 1400 }] }'
    )
    outside, inside = made.ends(os.getpid())
    assert [(link.kind, link.up) for link in outside.links] == [("veth", False)]
    assert [(link.mtu, link.up) for link in inside.links] == [(None, True), (1400, True)]


def test_two_containers_cannot_have_the_same_end_on_the_host() -> None:
    part, _ = described('veth = { host = "web0" }').ends(os.getpid())
    with pytest.raises(DesiredStateError, match="web0"):
        host.merged({"one": part, "two": part})


def test_the_wait_doubles_at_each_death_and_one_too_many_is_the_end() -> None:
    backoff = Backoff(Restart(burst=3, within=60, first=1, longest=3), Unjittered())
    assert [backoff.after_death(0.0) for _ in range(4)] == [1, 2, 3, None]


def test_what_ran_a_while_waits_as_if_for_the_first_time() -> None:
    backoff = Backoff(Restart(burst=2, within=60, first=1), Unjittered())
    assert [backoff.after_death(now) for now in (0, 1, 62, 200)] == [1, 2, 1, 1]


class Unjittered(random.Random):
    def uniform(self, a: float, b: float) -> float:
        return b


def test_an_exit_code_is_told_in_words() -> None:
    assert died_of(0) == ""
    assert died_of(3) == "exited with 3"
    assert died_of(-signal.SIGKILL) == "killed by SIGKILL"
    assert died_of(-50) == "killed by signal 50"


def test_of_nested_groups_all_exceptions_are_told() -> None:
    first, second = ValueError("first"), ValueError("second")
    assert [*leaves(ExceptionGroup("", [ExceptionGroup("", [first]), second]))] == [first, second]


def test_what_is_in_the_way_is_told_for_the_keys_that_matter() -> None:
    report: Report[Any] = Report(
        converged=False,
        waiting=(Waiting("address a", "it waits"),),
        conflicts=(Conflict("link b", "it is there"),),
    )
    assert unsettled(report) == ["link b: it is there", "address a: it waits"]
    assert unsettled(report, {"address a"}) == ["address a: it waits"]
    assert unsettled(report, {"route c"}) == []


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("packet", "message"),
    [
        (b"{", "makes no sense"),
        (b"[1]", "makes no sense"),
        (b"\xff", "makes no sense"),
        (b'{"at": "ended"}', "tells no exit code"),
        (b'{"at": "ended", "code": "0"}', "tells no exit code"),
        (b'{"at": "ended", "code": 1000}', "tells no exit code"),
        (b'{"at": "running"}', "was to say that it is at 'ended'"),
        (b'{"error": ["it", "failed"]}', "failed"),
    ],
)
async def test_what_an_init_says_need_not_make_sense(packet: bytes, message: str) -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with closing(ours), closing(theirs):
        ours.setblocking(False)
        theirs.send(packet)
        with pytest.raises(SpawnError, match=message):
            await Workload(1, Init(ours)).ended()


@pytest.mark.anyio
async def test_an_init_that_has_ended_without_a_word_was_killed() -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with closing(ours):
        ours.setblocking(False)
        theirs.close()
        workload = Workload(1, Init(ours))
        workload.send_signal(signal.SIGTERM)
        assert await workload.ended() == -signal.SIGKILL
