"""Throw-away namespaces: they are really others, and really go away."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from linx_async.testing.namespaces import (
    Kind,
    Namespaces,
    NamespaceUnavailable,
    can_make_links,
    cgroup2_writable,
    controllers,
    scratch_cgroup,
    throwaway,
)

ROOT = Path(__file__).parents[2]
FORWARD = "net.ipv4.ip_forward"
KINDS: tuple[Kind, ...] = ("cgroup", "ipc", "mount", "net", "user", "uts")


def identity(pid: int | str, kind: str) -> str:
    return os.readlink(f"/proc/{pid}/ns/{'mnt' if kind == 'mount' else kind}")


def wait_for_end(pid: int) -> None:
    """Until the process is gone, or a zombie whose parent does not care."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        ended, _, _ = select.select([descriptor], [], [], 10)
    finally:
        os.close(descriptor)
    assert ended, f"process {pid} is still there"


def in_another_process(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return done.stdout + done.stderr


# This process ------------------------------------------------------------------------------------


def test_the_tests_run_in_namespaces_of_their_own() -> None:
    story = """
import os
from linx_async.testing.namespaces import unshare_this_process
def seen():
    return [os.readlink(f"/proc/self/ns/{kind}") for kind in ("net", "uts", "ipc", "mnt")]
before = seen()
unshare_this_process()
after = seen()
unshare_this_process()
print("all new", not set(before) & set(after), "idempotent", after == seen())
"""
    assert in_another_process(story) == "all new True idempotent True\n"


def test_loopback_is_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(server.getsockname()).close()


def test_named_namespaces_are_thrown_away_too(foreigner: Namespaces) -> None:
    if not can_make_links():
        pytest.skip("`ip` (iproute2) is missing, or the kernel has no veth")
    foreigner.run(["ip", "netns", "add", "linx-test"])
    assert Path("/run/netns/linx-test").exists()
    assert not Path("/run/.host/netns/linx-test").exists()
    foreigner.run(["ip", "netns", "delete", "linx-test"])


def test_a_process_with_two_threads_is_refused_and_left_as_it_is() -> None:
    story = """
import os, threading
from linx_async.testing.namespaces import NamespaceUnavailable, unshare_this_process
before = os.readlink("/proc/self/ns/net")
stop = threading.Event()
threading.Thread(target=stop.wait).start()
try:
    unshare_this_process()
except NamespaceUnavailable as error:
    print(error.reason, "; moved:", os.readlink("/proc/self/ns/net") != before)
stop.set()
"""
    said = in_another_process(story)
    assert said.startswith("this process has 2 threads"), said
    assert said.endswith("moved: False\n"), said


def test_where_user_namespaces_are_used_up_the_reason_names_the_limit() -> None:
    with throwaway("user") as box:
        story = """
from linx_async.testing.namespaces import NamespaceUnavailable, throwaway
try:
    throwaway("user", "net").close()
except NamespaceUnavailable as error:
    print(error.reason)
"""
        box.write("user.max_user_namespaces", "0")
        said = box.run([sys.executable, "-c", story], cwd=ROOT).stdout
    assert said.startswith("unshare(user, net): ENOSPC"), said
    assert "user.max_user_namespaces is 0" in said, said


# A child's ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_a_box_has_new_namespaces_of_the_kinds_asked_for_and_ours_otherwise(kind: Kind) -> None:
    with throwaway(kind) as box:
        new = {other for other in KINDS if identity(box.pid, other) != identity("self", other)}
        assert new == set(box.kinds) >= {kind}
        assert os.readlink(box.path(kind)) == identity(box.pid, kind)


def test_an_unknown_kind_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="'network' is no kind of namespace"):
        throwaway("network")  # type: ignore[arg-type]


def test_what_is_written_in_a_box_stays_there(box: Namespaces) -> None:
    here = Path("/proc/sys/net/ipv4/ip_forward")
    before = here.read_text()
    box.write(FORWARD, "1")
    assert box.read(FORWARD) == "1\n"
    assert box.read("net/ipv4/ip_forward") == "1\n"
    box.write(FORWARD, "0")
    assert box.read(str(here)) == "0\n"
    assert here.read_text() == before


def test_a_foreigner_writes_where_we_are(foreigner: Namespaces) -> None:
    here = Path("/proc/sys/net/ipv4/conf/lo/arp_ignore")
    assert here.read_text() == "0\n"
    before = time.monotonic_ns()
    written = foreigner.write("net.ipv4.conf.lo.arp_ignore", "2")
    assert before < written < time.monotonic_ns()
    assert here.read_text() == "2\n"
    foreigner.write("net.ipv4.conf.lo.arp_ignore", "0")


def test_an_error_of_the_kernel_comes_through(box: Namespaces) -> None:
    with pytest.raises(FileNotFoundError) as missing:
        box.read("net.ipv4.conf.eth77.forwarding")
    assert missing.value.filename == "/proc/sys/net/ipv4/conf/eth77/forwarding"
    with pytest.raises(OSError, match="Invalid argument"):
        box.write(FORWARD, "many")


def test_commands_run_inside(box: Namespaces) -> None:
    if not can_make_links():
        pytest.skip("`ip` (iproute2) is missing, or the kernel has no veth")
    box.run(["ip", "link", "add", "inside", "type", "veth"])
    assert "inside" in box.call("os.listdir", "/proc/sys/net/ipv4/conf")
    assert not Path("/proc/sys/net/ipv4/conf/inside").exists()


def test_a_command_has_input_environment_directory_and_exit_code(
    box: Namespaces, tmp_path: Path
) -> None:
    script = 'read line; echo "$line $WORD $PWD"; echo oops >&2; exit 3'
    done = box.run(
        ["sh", "-c", script], input="hello\n", env={"WORD": "there"}, cwd=tmp_path, check=False
    )
    assert (done.returncode, done.stderr) == (3, "oops\n")
    assert done.stdout == f"hello there {tmp_path}\n"
    with pytest.raises(subprocess.CalledProcessError) as failed:
        box.run(["sh", "-c", script])
    assert failed.value.__notes__ == ["oops\n"]


def test_a_command_that_takes_too_long_is_killed(box: Namespaces) -> None:
    with pytest.raises(subprocess.TimeoutExpired):
        box.run(["sleep", "1000"], timeout=0.01)
    assert box.read(FORWARD)


def test_a_command_that_is_not_there_is_an_error_not_the_end(box: Namespaces) -> None:
    with pytest.raises(FileNotFoundError):
        box.run(["this-command-is-not-there"])
    assert box.read(FORWARD)


def test_the_host_name_is_set_by_a_call(box: Namespaces) -> None:
    box.call("socket.sethostname", "elsewhere")
    assert box.read("kernel.hostname") == "elsewhere\n"
    assert os.uname().nodename != "elsewhere"


def test_what_a_call_raises_is_told(box: Namespaces) -> None:
    with pytest.raises(RuntimeError, match="ZeroDivisionError"):
        box.call("operator.floordiv", 1, 0)
    with pytest.raises(RuntimeError, match="not JSON"):
        box.call("builtins.object")


def test_several_threads_take_turns(box: Namespaces) -> None:
    answers: list[str] = []

    def ask(number: int) -> None:
        answers.extend(box.run(["echo", str(number)]).stdout.strip() for _ in range(20))

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == sorted([str(number) for number in range(4)] * 20)


# The end -----------------------------------------------------------------------------------------


@pytest.fixture
def daemon() -> list[str]:
    """A command that leaves a process in a session of its own behind, and prints its pid."""
    return ["sh", "-c", "setsid sleep 1000 >/dev/null 2>&1 & echo $!"]


def test_a_box_ends_with_all_that_it_started(daemon: list[str]) -> None:
    with throwaway("net") as box:
        started = [box.pid, box.start(["sleep", "1000"]), int(box.run(daemon).stdout)]
        for pid in started:
            os.kill(pid, 0)
    for pid in started:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_a_killed_box_takes_along_what_it_started() -> None:
    with throwaway("net") as box:
        sleeper = box.start(["sleep", "1000"])
        box.kill()
        wait_for_end(sleeper)
        with pytest.raises(ProcessLookupError):
            os.kill(box.pid, 0)
        with pytest.raises(NamespaceUnavailable, match="has ended"):
            box.read(FORWARD)


def test_a_box_that_dies_by_itself_is_told(box: Namespaces) -> None:
    os.kill(box.pid, signal.SIGKILL)
    with pytest.raises(NamespaceUnavailable, match="has ended"):
        box.read(FORWARD)


def test_a_kill_does_not_wait_for_its_turn(box: Namespaces, tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    said: list[str] = []

    def wait() -> None:
        try:
            box.run(["sh", "-c", 'echo under way > "$0"; sleep 1000', fifo])
        except NamespaceUnavailable as error:
            said.append(error.reason)

    thread = threading.Thread(target=wait)
    thread.start()
    assert fifo.read_text() == "under way\n"
    box.kill()
    thread.join()
    assert len(said) == 1


def test_a_box_ends_with_its_maker_even_by_kill_9() -> None:
    story = """
import json, signal, sys
from linx_async.testing.namespaces import throwaway
box = throwaway("net")
print(json.dumps([box.pid, box.start(["sleep", "1000"])]), flush=True)
signal.pause()
"""
    with subprocess.Popen(
        [sys.executable, "-c", story], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as maker:
        assert maker.stdout is not None
        pids = json.loads(maker.stdout.readline())
        maker.kill()
    for pid in pids:
        wait_for_end(pid)


# Cgroups -----------------------------------------------------------------------------------------


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["sleep", "1000"]) as process:
        yield process
        process.kill()


def test_a_scratch_cgroup_is_removed_with_its_children_and_processes(
    scratch: Path, sleeper: subprocess.Popen[bytes]
) -> None:
    with scratch_cgroup() as cgroup:
        (cgroup / "one" / "two").mkdir(parents=True)
        (cgroup / "one" / "two" / "cgroup.procs").write_text(str(sleeper.pid))
        assert cgroup != scratch
    assert sleeper.wait() == -signal.SIGKILL
    assert not cgroup.exists()


def test_a_scratch_cgroup_that_is_gone_already_is_well(scratch: Path) -> None:
    scratch.rmdir()


def test_a_foreign_process_stays_and_is_told() -> None:
    if cgroup2_writable() is None:
        pytest.skip("there is no cgroup v2 mount that this user may write to")
    # Its parent ends at once, so it is nobody's of ours.
    orphan = "sleep 1000 >/dev/null 2>&1 & echo $!"
    pid = int(subprocess.run(["sh", "-c", orphan], capture_output=True, check=True).stdout)
    try:
        with pytest.raises(OSError, match="busy") as refused, scratch_cgroup() as cgroup:
            (cgroup / "cgroup.procs").write_text(str(pid))
        assert refused.value.__notes__ == [f"in it: [{pid}]"]
        os.kill(pid, 0)
    finally:
        os.kill(pid, signal.SIGKILL)
        wait_for_end(pid)
    cgroup.rmdir()


def test_controllers_are_enabled_on_request_and_given_back(scratch: Path) -> None:
    parent = scratch.parent
    before = (parent / "cgroup.subtree_control").read_text()
    wanted = [name for name in controllers(parent) if name not in before.split()]
    if not wanted:
        pytest.skip("no controller of cgroup v2 is left to enable here")
    with scratch_cgroup(enable=[*wanted, "this-is-none"]) as cgroup:
        assert set(wanted) & set(controllers(cgroup))
    assert (parent / "cgroup.subtree_control").read_text() == before


def test_the_writable_cgroup_is_a_cgroup_v2_directory() -> None:
    place = cgroup2_writable()
    if place is None:
        pytest.skip("there is no cgroup v2 mount that this user may write to")
    assert (place / "cgroup.controllers").exists()
