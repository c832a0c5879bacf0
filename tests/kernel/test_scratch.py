from __future__ import annotations

import errno
import os
import shutil
import struct
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest

from linx_async._core.errors import OpError, SourceError
from linx_async._kernel import scratch as scratch_module
from linx_async._kernel import stand_ins
from linx_async._kernel.abort import Abort, Aborted, Patience
from linx_async._kernel.netlink import Flag, attribute_map, pack_text
from linx_async._kernel.scratch import Ended, Scratch, scratch
from linx_async._kernel.stand_ins import put_stand_ins
from linx_async.testing.links import links
from linx_async.testing.namespaces import can_unshare_user, throwaway

ROOT = Path(__file__).resolve().parents[2]
SH = shutil.which("sh") or "/bin/sh"
GETLINK, IFNAME = 18, 3


@pytest.fixture
def undo() -> Iterator[ExitStack]:
    with ExitStack() as undo:
        yield undo


def shell(undo: ExitStack, script: str, text: bytes = b"", patience: float = 30.0) -> Scratch:
    return undo.enter_context(scratch([SH, "-c", script], text, Patience.of(patience)))


def links_in(place: Scratch) -> dict[str, int]:
    answer = place.route.request(GETLINK, Flag.DUMP, bytes(16), key="links")
    return {
        attribute_map(message.payload, 16)[IFNAME].rstrip(b"\0").decode(): struct.unpack_from(
            "=i", message.payload, 4
        )[0]
        for message in answer
    }


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_the_program_runs_in_a_network_namespace_of_its_own(undo: ExitStack) -> None:
    ended = shell(undo, "readlink /proc/self/ns/net >&2").run()
    assert ended.status == 0
    assert ended.told.startswith("net:[")
    assert ended.told.strip() != os.readlink("/proc/self/ns/net")


def test_the_program_gets_its_input_and_tells_its_exit_code_and_its_words(undo: ExitStack) -> None:
    text = b"line\n" * 100_000
    assert shell(undo, "cat /dev/stdin | wc -c >&2; exit 3", text).run() == Ended(3, "500000\n")


def test_the_program_is_root_there(undo: ExitStack) -> None:
    assert shell(undo, "id -u >&2").run().told == "0\n"


def test_the_sockets_hold_the_namespace_when_the_program_has_ended(undo: ExitStack) -> None:
    place = shell(undo, ":")
    put_stand_ins(place.route, {"eth7": 7})
    place.run()
    assert links_in(place)["eth7"] == 7


def test_our_own_namespace_stays_as_it_is(undo: ExitStack) -> None:
    before = links()
    put_stand_ins(shell(undo, ":").route, {"eth7": 7})
    assert links() == before


@pytest.mark.parametrize("kind", ["dummy", "bridge", "veth"])
def test_links_of_any_kind_stand_in_under_name_and_index(
    undo: ExitStack, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stand_ins, "_KINDS", (kind,))
    place = shell(undo, ":")
    wanted = {"eth7": 7, "wan.100": 4711, "lo": 1, "x" * 15: 2}
    try:
        put_stand_ins(place.route, wanted)
    except SourceError:
        pytest.skip(f"this kernel has no links of kind {kind}")
    there = links_in(place)
    assert {name: there[name] for name in wanted} == wanted


def test_the_first_kind_that_the_kernel_has_stands_in(
    undo: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stand_ins, "_KINDS", ("nonesuch", *stand_ins._KINDS))
    place = shell(undo, ":")
    put_stand_ins(place.route, {"a": 3, "b": 4})
    assert links_in(place) == {"lo": 1, "a": 3, "b": 4} | peers(links_in(place))


def peers(there: Mapping[str, int]) -> dict[str, int]:
    return {name: index for name, index in there.items() if index > 2**30}


def test_a_kernel_without_any_such_link_is_told(
    undo: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stand_ins, "_KINDS", ("nonesuch",))
    with pytest.raises(SourceError, match=r"stand-in link a: EOPNOTSUPP.*one of these kinds"):
        put_stand_ins(shell(undo, ":").route, {"a": 3})


def test_links_that_are_there_already_make_room(undo: ExitStack) -> None:
    place = shell(undo, ":")
    put_stand_ins(place.route, {"a": 5, "b": 6, "c": 7})
    put_stand_ins(place.route, {"a": 6, "b": 5})
    there = links_in(place)
    assert (there["a"], there["b"], there["lo"]) == (6, 5, 1)
    assert "c" not in there


def test_lo_can_have_another_name(undo: ExitStack) -> None:
    place = shell(undo, ":")
    put_stand_ins(place.route, {"loop": 1})
    assert links_in(place) == {"loop": 1}


def test_another_link_can_have_the_name_lo(undo: ExitStack) -> None:
    place = shell(undo, ":")
    put_stand_ins(place.route, {"lo": 5})
    assert links_in(place)["lo"] == 5


def test_what_the_kernel_refuses_of_a_link_is_told(undo: ExitStack) -> None:
    place = shell(undo, ":")
    with pytest.raises(OpError) as caught:
        place.route.request(16, 0, bytes(16) + pack_text(IFNAME, "none"), key="no such link")
    assert caught.value.errno == errno.ENODEV


def test_another_program_can_say_what_it_sees_there_afterwards(undo: ExitStack) -> None:
    place = shell(undo, "echo this is not looked at; readlink /proc/self/ns/net >&2")
    ended = place.run()
    assert place.output_of([SH, "-c", "readlink /proc/self/ns/net"]) == ended.told


def test_another_program_that_fails_says_nothing(undo: ExitStack) -> None:
    place = shell(undo, ":")
    place.run()
    assert place.output_of([SH, "-c", "echo half of it; exit 1"]) is None
    with pytest.raises(SourceError, match="cannot start /nonexistent/nft: ENOENT"):
        place.output_of(["/nonexistent/nft"])


def test_output_without_end_is_not_looked_at(
    undo: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scratch_module, "_MOST_OUTPUT", 10)
    place = shell(undo, ":")
    place.run()
    assert place.output_of([SH, "-c", "echo more than that"]) is None


def test_a_program_goes_when_the_child_is_killed_that_runs_it(
    undo: ExitStack, tmp_path: Path
) -> None:
    os.mkfifo(tmp_path / "started")
    # It holds the other end open for as long as it is there.
    place = shell(undo, f"exec sleep 600 > {tmp_path}/started")
    place._channel.send(b"given")
    with open(tmp_path / "started", "rb") as started:
        place._child.kill()
        assert started.read() == b""


def test_the_signal_that_ends_a_program_has_a_name(undo: ExitStack) -> None:
    assert shell(undo, "kill -ABRT $$").run().signal == "SIGABRT"
    assert Ended(-63, "").signal == "signal 63"
    assert Ended(1, "").signal is None


def test_a_program_that_does_not_end_is_ended_when_the_time_is_up() -> None:
    with ExitStack() as undo:
        place = shell(undo, "exec sleep 600")
        place._patience = Patience.of(0.0)
        with pytest.raises(TimeoutError):
            place.run()
    assert not is_running(place._child.pid)


def test_a_program_that_nobody_waits_for_is_ended() -> None:
    with Abort() as abort, ExitStack() as undo:
        patience = Patience.of(30.0, abort)
        place = undo.enter_context(scratch([SH, "-c", "exec sleep 600"], b"", patience))
        abort.set()
        with pytest.raises(Aborted):
            place.run()
    assert not is_running(place._child.pid)


def test_a_program_that_was_never_let_run_is_ended(undo: ExitStack, tmp_path: Path) -> None:
    with ExitStack() as inner:
        pid = shell(inner, f"echo > {tmp_path}/ran")._child.pid
    assert not is_running(pid)
    assert list(tmp_path.iterdir()) == []


def test_a_program_that_is_not_there_is_told(undo: ExitStack) -> None:
    place = undo.enter_context(scratch(["/nonexistent/nft"], b"", Patience.of(30.0)))
    with pytest.raises(SourceError, match="cannot start /nonexistent/nft: ENOENT"):
        place.run()


def test_a_child_that_ends_early_is_told_with_its_last_words(
    undo: ExitStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "child.py"
    broken.write_text("raise SystemExit('no such luck')")
    monkeypatch.setattr(scratch_module, "_CHILD", str(broken))
    with pytest.raises(SourceError, match="ended early, with 1: no such luck"):
        shell(undo, ":")


@pytest.mark.parametrize("executable", ["", None])
def test_a_python_without_a_program_is_told(
    undo: ExitStack, executable: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", executable)
    with pytest.raises(SourceError, match=r"sys\.executable is empty"):
        shell(undo, ":")


def test_a_python_that_cannot_be_started_is_told(
    undo: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/nonexistent/python")
    with pytest.raises(SourceError, match="the child that makes a scratch namespace: ENOENT"):
        shell(undo, ":")


PROGRAM = """
from linx_async._core.errors import SourceError
from linx_async._kernel.abort import Patience
from linx_async._kernel.scratch import scratch
from linx_async._kernel.stand_ins import put_stand_ins
argv = ["/bin/sh", "-c", "readlink /proc/self/ns/user >&2; grep CapEff /proc/self/status >&2"]
try:
    with scratch(argv, b"", Patience.of(30.0)) as place:
        put_stand_ins(place.route, {"eth7": 7})
        place.netfilter.request(0xA01, 0x300, bytes(4), key="tables")
        print(place.run().told)
except SourceError as error:
    print(error)
"""


def without_privileges(bounds: str = "-all,+setfcap", **settings: str) -> str:
    """What the program says that is run with no capability but one, much as by an ordinary user.

    Without that one, root alone may not be root in a user namespace.
    """
    if not can_unshare_user():
        pytest.skip("user namespaces are not to be had here")
    if shutil.which("setpriv") is None:
        pytest.skip("setpriv (util-linux) is not installed")
    drop = ["setpriv", f"--bounding-set={bounds}", "--inh-caps=-all", "--ambient-caps=-all"]
    with throwaway("user", "net") as box:
        for key, value in settings.items():
            box.write(f"user/{key}", value)
        argv = [*drop, sys.executable, "-c", PROGRAM]
        return box.run(argv, env={"PYTHONPATH": str(ROOT)}, cwd=str(ROOT)).stdout


def test_an_ordinary_user_gets_a_user_namespace_as_well_and_may_do_all_there() -> None:
    told = without_privileges()
    assert told.startswith("user:[")
    assert told.splitlines()[0] != os.readlink("/proc/self/ns/user")
    assert int(told.splitlines()[1].split()[1], 16)


def test_root_that_has_lost_its_capabilities_is_told_which_ones_it_takes() -> None:
    told = without_privileges("-all")
    assert told.startswith("no scratch namespace: /proc/self/uid_map: EPERM")
    assert "CAP_SETFCAP" in told


def test_a_user_who_may_not_make_namespaces_is_told_which_setting_forbids_it() -> None:
    told = without_privileges(max_user_namespaces="0")
    assert told.startswith(
        "no scratch namespace: unshare(CLONE_NEWUSER, CLONE_NEWNET): ENOSPC (No space left on"
        " device): too many namespaces, or too deep: user.max_user_namespaces is 0, "
    )


@pytest.mark.parametrize(
    ("reply", "settings", "said"),
    [
        (b"1 unshare(CLONE_NEWUSER, CLONE_NEWNET)", {}, "EPERM.*seccomp filter or a policy"),
        (
            b"13 /proc/self/gid_map",
            {"kernel.apparmor_restrict_unprivileged_userns": "1"},
            "gid_map: EACCES.*apparmor_restrict_unprivileged_userns is 1: set it to 0, or run as",
        ),
        (
            b"1 unshare(CLONE_NEWUSER, CLONE_NEWNET)",
            {"kernel.unprivileged_userns_clone": "0"},
            "EPERM.*unprivileged_userns_clone is 0: set it to 1, or run as root",
        ),
        (b"22 unshare(CLONE_NEWUSER)", {}, "EINVAL.*CONFIG_USER_NS"),
        (b"93 socket(AF_NETLINK, protocol 12)", {}, "EPROTONOSUPPORT.*lacks nf_tables"),
        (b"12 unshare(CLONE_NEWNET)", {}, r"ENOMEM \(Cannot allocate memory\)$"),
    ],
)
def test_why_there_is_no_namespace_is_told(
    reply: bytes, settings: dict[str, str], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scratch_module, "_setting", lambda key: settings.get(key, "unknown"))
    with pytest.raises(SourceError, match=said):
        raise scratch_module._namespace_failure(reply)
