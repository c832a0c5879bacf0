"""Scopes: pinned namespaces, entered from threads that die, and gone when they are gone."""

from __future__ import annotations

import errno
import gc
import os
import socket
import subprocess
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from linx_async import DesiredStateError, ScopeGone, SourceError
from linx_async._kernel import netns
from linx_async._kernel.netns import NetworkNamespace, Target
from linx_async._kernel.scopes import namespace_of
from linx_async.testing.namespaces import Namespaces
from tests.kernel.sysctls import named_namespace
from tests.leftovers import open_descriptors

LAST_PID = Path("/proc/sys/kernel/ns_last_pid")


def namespace_here(kind: str = "net") -> str:
    return os.readlink(f"/proc/thread-self/ns/{kind}")


@contextmanager
def opened(namespace: NetworkNamespace) -> Iterator[Target]:
    target = namespace.open()
    try:
        yield target
    finally:
        target.close()


@pytest.fixture
def no_descriptor_left() -> Iterator[None]:
    gc.collect()
    before = Counter(target for _, target in open_descriptors())
    yield
    gc.collect()
    assert Counter(target for _, target in open_descriptors()) == before


pytestmark = pytest.mark.usefixtures("no_descriptor_left")


@pytest.mark.parametrize(
    ("scope", "kind", "name"),
    [
        (None, "here", "here"),
        ("blue", "name", "netns blue"),
        ("/proc/self/ns/net", "path", "/proc/self/ns/net"),
        (Path("/proc/self/ns/net"), "path", "/proc/self/ns/net"),
        pytest.param(os.getpid(), "pid", f"pid {os.getpid()}", id="pid"),
    ],
)
def test_a_scope_has_a_short_form(scope: str | int | None, kind: str, name: str) -> None:
    namespace = namespace_of(scope)
    assert (namespace.kind, str(namespace)) == (kind, name)
    assert namespace_of(namespace) is namespace


@pytest.mark.parametrize(
    "scope",
    [0, -1, True, 1 << 31, 1 << 40, 1.5, "", ".", "..", "a/b", "a\0b", "/a\0b", "\ud800", b"blue"],
)
def test_what_is_no_scope_is_refused_and_named(scope: object) -> None:
    with pytest.raises(DesiredStateError) as refused:
        namespace_of(scope)  # type: ignore[arg-type]
    assert repr(scope) in str(refused.value)


def test_a_scope_cannot_be_made_around_the_checks() -> None:
    for kind, value in (("name", "../self"), ("path", "ns/net"), ("pid", "1"), ("other", "")):
        with pytest.raises(DesiredStateError):
            NetworkNamespace(kind, value)


def test_a_process_that_is_not_there_is_gone() -> None:
    with pytest.raises(ScopeGone, match="pid 4194304"):
        NetworkNamespace.of_pid(4194304)  # above the highest there can be


def test_out_of_descriptors_the_process_is_not_called_gone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def full(_pid: int) -> int:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    monkeypatch.setattr(os, "pidfd_open", full)
    with pytest.raises(SourceError, match="Too many open files") as refused:
        NetworkNamespace.of_pid(1)
    assert not isinstance(refused.value, ScopeGone)


def opened_identity(namespace: NetworkNamespace) -> str:
    with opened(namespace) as target:
        return target.identity


def test_a_call_happens_in_the_namespaces_of_a_process(box: Namespaces) -> None:
    here = namespace_here()
    with opened(NetworkNamespace.of_pid(box.pid)) as target:
        assert target.foreign == {"net", "uts"}
        assert target.call(namespace_here) == os.readlink(box.path("net")) != here
        assert target.call(lambda: namespace_here("uts")) == os.readlink(box.path("uts"))
        assert target.call(lambda: namespace_here("ipc")) == namespace_here("ipc")
    assert namespace_here() == here


def test_a_call_happens_in_a_thread_that_dies(box: Namespaces) -> None:
    with opened(NetworkNamespace.of_pid(box.pid)) as target:
        thread = target.call(threading.current_thread)
    assert thread is not threading.current_thread()
    assert not thread.is_alive()


def test_where_all_namespaces_are_ours_no_thread_is_entered(
    foreigner: Namespaces, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_arguments: object, **_options: object) -> None:
        raise AssertionError("a thread was made")

    monkeypatch.setattr(threading, "Thread", refuse)
    for namespace in (
        NetworkNamespace.here(),
        NetworkNamespace.of_pid(foreigner.pid),
        NetworkNamespace.at_path("/proc/self/ns/net"),
    ):
        with opened(namespace) as target:
            assert target.foreign == frozenset()
            assert target.call(threading.current_thread) is threading.current_thread()


def test_what_a_call_raises_comes_back(box: Namespaces) -> None:
    def fail() -> None:
        raise FileNotFoundError("no")

    with (
        opened(NetworkNamespace.of_pid(box.pid)) as target,
        pytest.raises(FileNotFoundError, match="no"),
    ):
        target.call(fail)


def test_where_no_thread_can_be_had_the_pass_cannot_run(
    box: Namespaces, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with opened(NetworkNamespace.of_pid(box.pid)) as target:
        monkeypatch.setattr(threading.Thread, "start", refuse)
        with pytest.raises(SourceError, match="can't start new thread"):
            target.call(namespace_here)


def test_a_namespace_may_be_had_by_path(box: Namespaces) -> None:
    with opened(NetworkNamespace.at_path(box.path("net"))) as target:
        assert target.foreign == {"net"}
        assert target.call(namespace_here) == os.readlink(box.path("net"))


def test_a_namespace_may_be_had_by_name(box: Namespaces) -> None:
    with (
        named_namespace("blue", box.path("net")),
        opened(NetworkNamespace.named("blue")) as target,
    ):
        assert target.call(namespace_here) == os.readlink(box.path("net"))


def test_an_open_socket_stands_for_the_namespace_it_was_opened_in(box: Namespaces) -> None:
    with opened(NetworkNamespace.at_path(box.path("net"))) as inside:
        sock = inside.call(socket.socket)
    with sock:
        namespace = namespace_of(sock)
    theirs = os.readlink(box.path("net"))
    assert str(namespace) == f"socket in {theirs}"
    box.kill()  # the socket is closed too: the namespace is pinned
    with opened(namespace) as target:
        assert target.foreign == {"net"}
        assert target.call(namespace_here) == theirs
        target.check()


def test_a_socket_of_ours_stands_for_here() -> None:
    with socket.socket() as sock, opened(NetworkNamespace.of_socket(sock)) as target:
        assert not target.foreign
        assert target.identity == opened_identity(NetworkNamespace.here())


def test_what_is_no_open_socket_is_refused() -> None:
    closed = socket.socket()
    closed.close()
    for value in (closed, 3, None):
        with pytest.raises(DesiredStateError, match="socket: expected an open one, got"):
            NetworkNamespace.of_socket(value)  # type: ignore[arg-type]


def test_a_socket_whose_namespace_we_may_not_have_says_what_it_takes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(_sock: socket.socket) -> int:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(netns, "descriptor_of_socket", refuse)
    with socket.socket() as sock, pytest.raises(SourceError, match="CAP_NET_ADMIN"):
        NetworkNamespace.of_socket(sock)


def test_a_name_that_is_not_there_is_gone() -> None:
    with pytest.raises(ScopeGone, match=r"netns no-such: /run/netns/no-such is not there"):
        NetworkNamespace.named("no-such").open()


@pytest.mark.parametrize("path", ["/proc/self/ns/uts", "/etc/passwd", "/proc/self/ns"])
def test_what_is_no_network_namespace_is_refused(path: str) -> None:
    with pytest.raises(SourceError, match=f"{path} is not a network namespace"):
        NetworkNamespace.at_path(path).open()


def test_a_pinned_namespace_outlives_the_process(box: Namespaces) -> None:
    theirs = os.readlink(box.path("net"))
    with opened(NetworkNamespace.of_pid(box.pid)) as target:
        box.kill()
        assert target.call(namespace_here) == theirs
        with pytest.raises(ScopeGone, match=f"pid {box.pid}: the process ended"):
            target.check()


def test_a_process_that_ended_before_it_was_looked_at_is_gone(box: Namespaces) -> None:
    namespace = NetworkNamespace.of_pid(box.pid)
    box.kill()
    with pytest.raises(ScopeGone, match="the process ended"):
        namespace.open()


def reuse_pid(pid: int, while_taken: Callable[[], None]) -> None:
    """Make the kernel give a pid to a new process (ns_last_pid in pid_namespaces(7))."""
    LAST_PID.write_text(str(pid - 1), encoding="ascii")
    with subprocess.Popen(["sleep", "60"]) as process:
        try:
            if process.pid != pid:
                pytest.skip("another process was quicker to take the pid")
            while_taken()
        finally:
            process.kill()


def may_choose_pids() -> bool:
    try:
        LAST_PID.write_text(LAST_PID.read_text(encoding="ascii"), encoding="ascii")
    except OSError:
        return False
    return True


def test_a_pid_that_is_used_again_is_gone_and_not_another_process() -> None:
    if not may_choose_pids():
        pytest.skip("choosing the next pid takes the machine's root and checkpoint/restore")
    with subprocess.Popen(["sleep", "60"]) as first:
        namespace = NetworkNamespace.of_pid(first.pid)
        target = namespace.open()
        first.kill()

    def while_taken() -> None:
        with pytest.raises(ScopeGone):
            target.check()
        with pytest.raises(ScopeGone):
            namespace.open()
        with opened(NetworkNamespace.of_pid(first.pid)) as another:
            another.check()

    try:
        reuse_pid(first.pid, while_taken)
    finally:
        target.close()


def test_a_name_that_leads_elsewhere_is_gone(box: Namespaces) -> None:
    namespace = NetworkNamespace.named("blue")
    with named_namespace("blue", box.path("net")):
        target = namespace.open()
        target.check()
    with pytest.raises(ScopeGone, match="netns blue"):
        target.check()
    with named_namespace("blue", Path("/proc/self/ns/net")):
        with pytest.raises(ScopeGone, match="replaced by another namespace"):
            target.check()
        with opened(namespace) as other:
            assert other.identity != target.identity
    target.close()


def test_a_name_of_our_own_namespace_that_leads_elsewhere_is_gone_too(box: Namespaces) -> None:
    with named_namespace("blue", Path("/proc/self/ns/net")):
        target = NetworkNamespace.named("blue").open()
        assert target.foreign == frozenset()
        target.check()
    with (
        named_namespace("blue", box.path("net")),
        pytest.raises(ScopeGone, match="replaced by another namespace"),
    ):
        target.check()
    target.close()


def test_one_scope_is_told_from_another_whatever_it_is_called(box: Namespaces) -> None:
    with (
        opened(NetworkNamespace.at_path(box.path("net"))) as by_path,
        opened(NetworkNamespace.here()) as here,
        opened(NetworkNamespace.of_pid(os.getpid())) as ourselves,
    ):
        assert by_path.identity != here.identity
        assert ourselves.identity == here.identity


def test_a_namespace_we_may_not_enter_says_what_it_takes(
    box: Namespaces, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_fd: int, _kind: str) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(netns, "enter", refuse)
    with pytest.raises(SourceError, match=r"cannot enter the net namespace.*CAP_SYS_ADMIN"):
        NetworkNamespace.of_pid(box.pid).open()


def test_no_descriptor_outlives_exec(box: Namespaces) -> None:
    with opened(NetworkNamespace.at_path(box.path("net"))) as inside:
        sock = inside.call(socket.socket)
    with sock:
        before = set(open_descriptors())
        namespace, of_socket = NetworkNamespace.of_pid(box.pid), NetworkNamespace.of_socket(sock)
    with opened(namespace), opened(of_socket):
        held = [number for number, _ in set(open_descriptors()) - before]
        # The process, its network and its UTS namespace; the socket's, twice.
        assert len(held) == 5
        assert not any(map(os.get_inheritable, held))
