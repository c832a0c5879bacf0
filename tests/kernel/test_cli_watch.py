"""`linx watch`, attached to a real `linx run`: in a terminal and without one."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import signal
import subprocess
import termios
from pathlib import Path
from typing import Any

import pytest

from linx_async.cli.ask import ask
from linx_async.cli.place import ControlPlace
from linx_async.cli.requests import Request
from tests.kernel.program import COMMAND, ENVIRONMENT, PATIENCE, Host, Running, Started, linx

BACKENDS = pytest.mark.parametrize("backend", ["asyncio", "trio"])
HOME, CURSOR, AS_BEFORE = "\x1b[H", "\x1b[?25h", "\x1b[?1049l"
"""Back to the top left, at the beginning of each frame; and what is written at the end."""
BLACKHOLE = ("[[rtnl.routes]]", 'destination = "10.72.0.0/16"', 'type = "blackhole"')


def says(host: Host, link: str) -> None:
    """Have a file that is converged, with two parts."""
    host.says("[sysctl]", f"net.ipv4.conf.{link}.arp_ignore = 2", *BLACKHOLE)


def break_it(link: str) -> None:
    Path("/proc/sys/net/ipv4/conf", link, "arp_ignore").write_text("1")


def command(host: Host, *options: str) -> list[str]:
    return ["watch", "--state-dir", str(host.records), *options]


class Terminal(Started):
    """The program in a terminal of its own, which has a size, a keyboard, and Ctrl-C."""

    def __init__(self, *arguments: str, columns: int = 80, rows: int = 24) -> None:
        self._ours, theirs = pty.openpty()
        self.is_as(columns, rows)
        self.modes = termios.tcgetattr(theirs)
        self._theirs = theirs
        self._seen = ""
        environment = {**os.environ, **ENVIRONMENT}
        del environment["COLUMNS"]
        process = subprocess.Popen(
            ["setsid", "--ctty", *COMMAND, *arguments],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env=environment,
            text=True,
        )
        super().__init__(process)

    def close(self) -> None:
        """Close both ends of the terminal."""
        os.close(self._ours)
        os.close(self._theirs)

    def is_as(self, columns: int, rows: int) -> None:
        """Let it have that size from now on; who is in it hears of that."""
        termios.tcsetwinsize(self._ours, (rows, columns))

    def type(self, keys: str) -> None:
        os.write(self._ours, keys.encode())

    def shows(self, pattern: str) -> list[str]:
        """The lines of the next frame that has such a text."""
        while True:
            # Whoever hears that the size may be another one draws at once.
            self.process.send_signal(signal.SIGWINCH)
            text = re.sub(r"\x1b\[[\d;?]*[a-zA-Z]|\r", "", self._frame())
            if re.search(pattern, text, re.DOTALL):
                return text.split("\n")

    def _frame(self) -> str:
        while HOME not in self._seen:
            assert self._read(PATIENCE), f"nothing after {self._seen!r}"
        frame, _, self._seen = self._seen.partition(HOME)
        return frame

    def ended(self) -> tuple[int, str]:
        """Its exit code, and what it has shown since, once it has ended."""
        while self.process.poll() is None:
            self._read(0.01)
        while self._read(0):
            pass
        return self.process.returncode, self._seen

    def _read(self, patience: float) -> bool:
        if not select.select([self._ours], [], [], patience)[0]:
            return False
        self._seen += os.read(self._ours, 65536).decode()
        return True

    def has_its_modes(self) -> bool:
        """Whether it shows what is typed, line by line, as in the beginning."""
        return termios.tcgetattr(self._theirs) == self.modes


@BACKENDS
def test_a_terminal_shows_what_was_healed_in_its_place_and_is_as_before_after_q(
    host: Host, link: str, backend: str
) -> None:
    says(host, link)
    with host.run("--backend", backend) as running:
        running.line_with("converged")
        running.line_with("converged")
        with Terminal(*command(host, "--backend", backend)) as terminal:
            terminal.shows("2 parts: 2 converged")
            break_it(link)
            lines = terminal.shows(rf"set net.ipv4.conf.{link}.arp_ignore = 2 \(was 1\)")
            assert f"kept by pid {running.process.pid}, up " in lines[0]
            (row,) = [line for line in lines if line.startswith("sysctl  ")]
            assert re.match(r"sysctl +converged +\d+s hint +[\d.]+ +1 ", row)
            assert {len(line) for line in lines} == {80}
            assert len(lines) == 24

            # It has another size from one moment to the next.
            terminal.is_as(100, 12)
            lines = terminal.shows("conf fail last  med. start")
            assert {len(line) for line in lines} == {100}
            assert len(lines) == 12

            # Ctrl-Z leaves the terminal to others, and `fg` takes it again.
            assert not terminal.has_its_modes()
            terminal.type("\x1a")
            os.waitid(os.P_PID, terminal.process.pid, os.WSTOPPED)
            assert terminal.has_its_modes()
            terminal.process.send_signal(signal.SIGCONT)
            terminal.shows("2 parts: 2 converged")
            assert not terminal.has_its_modes()

            terminal.type("xq")
            code, written = terminal.ended()
            assert code == 0
            assert AS_BEFORE in written
            assert CURSOR in written
            assert terminal.has_its_modes()
        assert running.end(signal.SIGTERM) == (0, "")


@BACKENDS
def test_ctrl_c_ends_it_and_what_waits_is_told_by_the_exit_code(
    host: Host, link: str, backend: str
) -> None:
    host.says("[sysctl]", "net.ipv4.conf.none0.arp_ignore = 1")
    with host.run() as running:
        running.line_with("waiting: ")
        with Terminal(*command(host, "--backend", backend)) as terminal:
            terminal.shows("sysctl.*not converged.*sysctl.*waiting: net")
            terminal.type("\x03")
            code, written = terminal.ended()
            assert code == 2
            assert AS_BEFORE in written
            assert "Traceback" not in written
            assert terminal.has_its_modes()
        assert running.end(signal.SIGTERM) == (0, "")


def test_where_the_one_that_runs_is_started_again_it_is_waited_for(host: Host, link: str) -> None:
    says(host, link)
    with host.run() as running:
        running.line_with("converged")
        with Terminal(*command(host)) as terminal, Running(*command(host, "--plain")) as plain:
            terminal.shows(f"kept by pid {running.process.pid}")
            plain.line_with(f"linx: {host.file} is kept by pid {running.process.pid}")
            assert running.end(signal.SIGTERM) == (0, "")
            terminal.shows("`linx run` has ended, or hung up; waits for it to come back")
            plain.line_with("linx: `linx run` has ended, or hung up; waits for it to come back")
            with host.run() as another:
                terminal.shows(f"kept by pid {another.process.pid}.*2 parts: 2 converged")
                plain.line_with(f"linx: {host.file} is kept by pid {another.process.pid}")
                another.process.kill()
                terminal.shows("waits for it to come back")
                plain.line_with("waits for it to come back")
            terminal.type("q")
            assert terminal.ended()[0] == 1
            assert plain.end(signal.SIGTERM) == (1, "")


@BACKENDS
def test_without_a_terminal_each_change_of_state_is_a_line(
    host: Host, link: str, backend: str
) -> None:
    says(host, link)
    with host.run("--backend", backend) as running:
        running.line_with("converged")
        running.line_with("converged")
        with Running(*command(host, "--backend", backend)) as plain:
            plain.line_with("rtnl: converged")
            break_it(link)
            plain.line_with("sysctl: healed 1 change of somebody else's")
            ask(str(host.records), Request("pause", ("rtnl",)))
            plain.line_with("rtnl: paused")
            ask(str(host.records), Request("resume"))
            plain.line_with("rtnl: converged")
            host.says(*BLACKHOLE)
            running.process.send_signal(signal.SIGHUP)
            plain.line_with("sysctl: is kept no more")
            assert plain.end(signal.SIGINT) == (0, "")
        assert running.end(signal.SIGTERM) == (0, "")


@BACKENDS
def test_with_json_each_line_is_an_object_and_the_first_has_all(
    host: Host, link: str, backend: str
) -> None:
    says(host, link)
    with host.run() as running:
        running.line_with("converged")
        running.line_with("converged")
        with Running(*command(host, "--json", "--backend", backend, "sysctl")) as watch:
            first = json.loads(watch.line_with("command"))
            assert (first["command"], first["error"], first["whole"]) == ("watch", None, True)
            assert (first["pid"], first["file"]) == (running.process.pid, str(host.file))
            (part,) = first["parts"]
            assert (part["part"], part["state"]) == ("sysctl", "converged")
            assert {event["part"] for event in first["events"]} <= {"sysctl", None}
            before = part["counts"]
            assert before["passes"][0] == {"trigger": "start", "outcome": "converged", "count": 1}
            break_it(link)
            told = json.loads(watch.line_with('"was": "1"'))
            (part,) = told["parts"]
            assert part["counts"]["healed"] == before["healed"] + 1 == 1
            assert part["counts"]["latencies"]["last_ms"] > 0
            (event,) = told["events"]
            assert event["text"].endswith("= 2 (was 1)")
            # Whoever reads no more ends it.
            assert watch.process.stdout is not None
            watch.process.stdout.close()
            assert watch.ended()[0] == 1
        status = ask(str(host.records), Request("status"))
        assert [part["counts"]["healed"] for part in status["parts"]] == [1, 0]
        done = linx(*command(host, "--json", "nobody"))
        assert (done.returncode, done.stderr) == (1, "")
        assert "there is no part 'nobody'" in json.loads(done.stdout)["error"]
        assert running.end(signal.SIGTERM) == (0, "")


def first_line(place: ControlPlace) -> dict[str, Any]:
    """What is told first to one more who watches."""
    with place.connect(PATIENCE) as connection, connection.makefile("rb") as lines:
        connection.sendall(Request("watch").line())
        return dict(json.loads(lines.readline()))


@BACKENDS
def test_whoever_watches_and_does_not_read_holds_up_nobody(
    host: Host, link: str, backend: str
) -> None:
    says(host, link)
    place = ControlPlace.below(str(host.records))
    with host.run("--backend", backend) as running:
        running.line_with("converged")
        running.line_with("converged")
        deaf = [place.connect(PATIENCE) for _ in range(8)]
        for number, each in enumerate(deaf):
            each.sendall(Request("watch").line() + os.urandom(100 * number))
        for _ in range(3):
            break_it(link)
            running.line_with("(was 1)")
        assert ask(str(host.records), Request("status"))["pid"] == running.process.pid
        # There are as many as there may be; once they have left there is room again.
        done = linx(*command(host))
        assert (done.returncode, "too many watch at once" in done.stderr) == (1, True)
        for each in deaf[1:]:
            each.close()
        while not first_line(place)["ok"]:
            pass
        assert running.end(signal.SIGTERM) == (0, "")
        deaf[0].close()


def test_where_none_runs_it_is_said(host: Host) -> None:
    done = linx(*command(host))
    assert (done.returncode, done.stdout) == (1, "")
    assert f"no `linx run` is running that has its records in {host.records}" in done.stderr
    assert not host.records.exists()
