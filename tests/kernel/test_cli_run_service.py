"""`linx run` as a service: reloads, what systemd is told, and the commands that talk to it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from linx_async.cli.ask import ask
from linx_async.cli.place import ControlPlace
from linx_async.cli.requests import Request
from tests.kernel.program import PATIENCE, Host, Running, linx

BACKENDS = pytest.mark.parametrize("backend", ["asyncio", "trio"])


class Systemd:
    """The socket that a service manager would listen on."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(f"\0{address[1:]}" if address.startswith("@") else address)
        self._socket.settimeout(PATIENCE)

    def close(self) -> None:
        self._socket.close()

    def message(self) -> dict[str, str]:
        lines = self._socket.recv(65536).decode().splitlines()
        return dict(line.split("=", 1) for line in lines)

    def message_with(self, name: str, text: str = "") -> dict[str, str]:
        """The next message that assigns something to that name, with that text in it."""
        while True:
            message = self.message()
            if name in message and text in message[name]:
                return message

    def drain(self) -> list[dict[str, str]]:
        """All that came until now."""
        self._socket.setblocking(False)
        found = []
        try:
            while True:
                found.append(self.message())
        except BlockingIOError:
            return found
        finally:
            self._socket.settimeout(PATIENCE)


@contextmanager
def systemd(address: str, monkeypatch: pytest.MonkeyPatch, watchdog: int) -> Iterator[Systemd]:
    manager = Systemd(address)
    monkeypatch.setenv("NOTIFY_SOCKET", address)
    monkeypatch.setenv("WATCHDOG_USEC", str(watchdog))
    try:
        yield manager
    finally:
        manager.close()


def value(link: str, name: str = "arp_ignore") -> str:
    return path(link, name).read_text().strip()


def path(link: str, name: str = "arp_ignore") -> Path:
    return Path("/proc/sys/net/ipv4/conf", link, name)


def asked(host: Host, do: str, *parts: str) -> dict[str, Any]:
    return ask(str(host.records), Request(do, parts))


def sysctl(link: str, number: int, name: str = "arp_ignore") -> tuple[str, ...]:
    return ("[sysctl]", f"net.ipv4.conf.{link}.{name} = {number}")


BLACKHOLE = ("[[rtnl.routes]]", 'destination = "10.71.0.0/16"', 'type = "blackhole"')


def has_blackhole() -> bool:
    """Whether 10.71.0.0/16 is among the routes of the main table: proc_pid_net(5)."""
    lines = Path("/proc/self/net/route").read_text(encoding="ascii").splitlines()[1:]
    return any(line.split()[1] == "0000470A" for line in lines)


@BACKENDS
def test_a_hangup_reloads_the_file_and_systemd_is_told(
    host: Host, link: str, backend: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = {"asyncio": str(tmp_path / "notify"), "trio": f"@linx-test-{os.getpid()}"}[backend]
    host.says(*BLACKHOLE, *sysctl(link, 2))
    with (
        systemd(address, monkeypatch, 1_000_000) as manager,
        host.run("--json", "--revert-on-release", "--backend", backend) as running,
    ):
        message = manager.message_with("READY")
        assert message["STATUS"] == "keeps 2 parts: 2 converged"
        assert (value(link), has_blackhole()) == ("2", True)

        # One part changes; another goes on as it is.
        host.says(*BLACKHOLE, *sysctl(link, 1))
        before = time.monotonic_ns() // 1000
        running.process.send_signal(signal.SIGHUP)
        microseconds = int(manager.message_with("RELOADING")["MONOTONIC_USEC"])
        assert before <= microseconds <= time.monotonic_ns() // 1000
        manager.message_with("READY")
        assert value(link) == "1"
        event = json.loads(running.line_with('"event": "reloaded"'))
        assert (event["changed"], event["same"]) == (["sysctl"], ["rtnl"])

        # A file that is wrong leaves all as it is, and is told with everything that is wrong.
        host.says("[sysctl]", "net.ipv4.ip_forward = 1.5", "[sysclt]")
        running.process.send_signal(signal.SIGHUP)
        message = manager.message_with("READY")
        assert "host.toml was not reloaded" in message["STATUS"]
        event = json.loads(running.line_with('"event": "not_reloaded"'))
        assert [error["line"] for error in event["errors"]] == [2, 3]
        path(link).write_text("0")
        running.line_with('"event": "applied"')
        assert (value(link), has_blackhole()) == ("1", True)
        status = asked(host, "status")
        assert [error["section"] for error in status["errors"]] == ["sysctl", "sysclt"]

        # What has left the file is let go, and what is new begins.
        host.says('[cgroup."not/there"]', "pids.max = 1")
        running.process.send_signal(signal.SIGHUP)
        manager.message_with("READY")
        event = json.loads(running.line_with('"event": "reloaded"'))
        assert (event["added"], event["left"]) == (["cgroup not/there"], ["sysctl", "rtnl"])
        assert (value(link), has_blackhole()) == ("0", False)
        status = asked(host, "status")
        assert (status["errors"], status["reloaded"] is None) == ([], False)

        assert any("WATCHDOG" in each for each in manager.drain()) or manager.message_with(
            "WATCHDOG"
        )
        running.process.send_signal(signal.SIGTERM)
        manager.message_with("STOPPING")
        assert running.ended() == (0, "")


def test_standard_input_is_not_read_again(host: Host, link: str) -> None:
    # A file that is opened once more from its beginning would not show it.
    reader, writer = os.pipe()
    os.write(writer, "\n".join(sysctl(link, 2)).encode())
    os.close(writer)
    before = os.dup(0)
    os.dup2(reader, 0)
    try:
        running = Running("run", "--state-dir", host.records, "-")
    finally:
        os.dup2(before, 0)
        os.close(before)
        os.close(reader)
    with running:
        running.line_with("sysctl: converged")
        running.process.send_signal(signal.SIGHUP)
        running.line_with("standard input cannot be read again: name a file")
        assert running.end(signal.SIGTERM) == (0, "")


def test_a_loop_that_hangs_stops_the_signs_of_life(
    host: Host, link: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    host.says(*sysctl(link, 1, "tag"))
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    target = path(link, "tag")
    with (
        systemd(str(tmp_path / "notify"), monkeypatch, 200_000) as manager,
        host.run("--interval", "0.1") as running,
    ):
        manager.message_with("READY")
        manager.message_with("WATCHDOG")
        subprocess.run(["mount", "--bind", str(fifo), str(target)], check=True)
        try:
            # Whoever opens a FIFO waits for somebody who opens the other side.
            manager.message_with("STATUS", "no answer from sysctl")
            in_a_row = 0
            while in_a_row < 5:
                in_a_row = 0 if "WATCHDOG" in manager.message() else in_a_row + 1
            running.line_with("sysctl: does not answer: at work for more than 0.2 s")
        finally:
            subprocess.run(["umount", "--lazy", str(target)], check=True)
            fifo.open("w").close()
        manager.message_with("WATCHDOG")
        assert running.end(signal.SIGTERM) == (0, "")


def test_the_commands_talk_to_the_one_that_runs(host: Host, link: str) -> None:
    def told(command: str, *parts: str) -> tuple[int, list[str]]:
        done = linx(command, "--state-dir", host.records, *parts)
        assert done.stderr == ""
        return done.returncode, done.stdout.splitlines()

    host.says(*sysctl(link, 2), *BLACKHOLE)
    key = f"net.ipv4.conf.{link}.arp_ignore"
    with host.run() as running:
        running.line_with("converged")
        running.line_with("converged")
        code, lines = told("status")
        assert code == 0
        assert lines[0].startswith(f"{host.file}: kept by pid {running.process.pid} since ")
        assert [line.partition(", last pass")[0] for line in lines[1:]] == [
            "sysctl: converged",
            "rtnl: converged",
        ]

        # Nothing is applied while it is paused, but it is noticed.
        assert told("pause", "sysctl")[0] == 0
        running.line_with("sysctl: paused: looks, and applies nothing")
        path(link).write_text("0")
        running.line_with(f"sysctl: not tried: set {key} = 2 (is 0)")
        assert value(link) == "0"
        code, lines = told("status", "sysctl")
        assert (code, lines[-1]) == (2, f"  due: set {key} = 2 (is 0)")
        assert lines[-2].startswith("sysctl: not converged, paused, last pass ")

        # A pass is made where one is asked for, and the pause goes on.
        code, lines = told("reconcile", "sysctl")
        assert (code, lines) == (0, ["sysctl: converged", f"  set {key} = 2 (is 0)"])
        path(link).write_text("1")
        running.line_with("sysctl: not tried")
        assert value(link) == "1"

        done = linx("resume", "--state-dir", host.records, "--json")
        assert done.returncode == 0
        parts = json.loads(done.stdout)["parts"]
        assert [(part["part"], part["paused"]) for part in parts] == [
            ("sysctl", False),
            ("rtnl", False),
        ]
        running.line_with(f"sysctl: set {key} = 2 (was 1)")

        done = linx("pause", "--state-dir", host.records, "nobody")
        assert (done.returncode, done.stdout) == (1, "")
        assert "there is no part 'nobody'; there are: sysctl, rtnl" in done.stderr
        assert running.end(signal.SIGTERM) == (0, "")
    assert not ControlPlace.below(str(host.records)).path.exists()


@BACKENDS
def test_garbage_and_slow_clients_hurt_nobody(host: Host, link: str, backend: str) -> None:
    host.says(*sysctl(link, 2))
    place = ControlPlace.below(str(host.records))
    with host.run("--backend", backend) as running:
        running.line_with("sysctl: converged")
        idle = [place.connect(PATIENCE) for _ in range(8)]
        for number, each in enumerate(idle):
            each.sendall(b"\x00[{" * number)
        for _ in range(40):
            with place.connect(PATIENCE) as connection:
                connection.sendall(os.urandom(300) + b"\n")
        idle[0].shutdown(socket.SHUT_WR)
        assert asked(host, "status")["pid"] == running.process.pid
        path(link).write_text("1")
        running.line_with("(was 1)")
        for each in idle:
            each.close()
        assert running.end(signal.SIGTERM) == (0, "")


def test_another_user_is_refused(host: Host, link: str, tmp_path: Path) -> None:
    as_another = ["setpriv", "--reuid=65533", "--clear-groups", "--inh-caps=-all"]
    if subprocess.run([*as_another, "true"], check=False, capture_output=True).returncode:
        pytest.skip("only root can be another user")
    host.says(*sysctl(link, 2))
    talk = (
        "import contextlib, socket, sys; s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1])",
        'with contextlib.suppress(BrokenPipeError): s.sendall(b\'{"do": "pause"}\\n\')',
        "print(s.makefile().readline())",
    )
    place = ControlPlace.below(str(host.records))
    with host.run() as running:
        running.line_with("sysctl: converged")

        def by_another() -> subprocess.CompletedProcess[str]:
            # With the machine's own interpreter, which everybody may run.
            return subprocess.run(
                [
                    *as_another,
                    shutil.which("python3", path=os.defpath) or sys.executable,
                    "-c",
                    "\n".join(talk),
                    f"/proc/self/cwd/{place.name}",
                ],
                cwd=place.directory,
                capture_output=True,
                text=True,
                check=False,
            )

        assert "PermissionError" in by_another().stderr
        # Whoever opens the doors by mistake is still asked who it is.
        place.directory.chmod(0o755)
        place.path.chmod(0o666)
        done = by_another()
        assert "uid 65533" in done.stdout, done.stderr
        assert "may not ask" in done.stdout
        place.directory.chmod(0o700)
        (part,) = asked(host, "status")["parts"]
        assert not part["paused"]
        assert running.end(signal.SIGTERM) == (0, "")


def test_where_none_runs_it_is_said(host: Host) -> None:
    done = linx("status", "--state-dir", host.records)
    assert (done.returncode, done.stdout) == (1, "")
    assert f"no `linx run` is running that has its records in {host.records}" in done.stderr
    done = linx("pause", "--state-dir", host.records, "--json")
    assert done.returncode == 1
    assert json.loads(done.stdout)["parts"] == []
    assert "no `linx run` is running" in json.loads(done.stdout)["error"]
    assert not host.records.exists()


def test_the_unit_is_shown(host: Host) -> None:
    done = linx("install-unit", "--print", host.file)
    assert (done.returncode, done.stderr) == (0, "")
    assert f"-m linx_async run --state-dir %t/linx-async {host.file}" in done.stdout
