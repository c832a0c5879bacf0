"""Every sysctl of every interface at once: quiet when it is right, right after one pass."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import pytest

from linx_async import Ownership, sysctl
from linx_async._flat import source as flat_source
from linx_async._kernel.files import write_at
from linx_async._kernel.inotify_abi import add_watch, decode, open_inotify
from linx_async.sysctl.keys import normalized
from linx_async.sysctl.knobs import effects
from linx_async.testing.links import add_veth, delete_link
from tests.kernel.sysctls import CONF, Inside, fresh, listing, put, value

__all__ = ["fresh"]

pytestmark = pytest.mark.anyio

IN_MODIFY = 0x2
OTHERS = ("0", "1", "2", "3", "10", "100", "1280", "1400")
"""Values that one key or another accepts."""


@pytest.fixture
def veth() -> Iterator[None]:
    add_veth("va", "vb")
    yield
    delete_link("va")


@pytest.fixture
def everything(veth: None) -> Iterator[Mapping[str, str]]:
    """Every key below conf that accepts its own value back, and that value."""
    before = listing(*CONF)
    yield {key: text for key, text in before.items() if accepts(key, text)}
    order = sorted(before, key=lambda key: ("all" not in key, "default" not in key))
    for key in order:
        if "/v" not in key and value(key) != before[key]:
            accepts(key, before[key])


def accepts(key: str, text: str) -> bool:
    try:
        put(key, text)
    except OSError:
        return False
    return True


@contextmanager
def counted(keys: Mapping[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """What is written, as the library says and as the kernel does."""
    written: list[str] = []

    def count(directory: int, name: str, data: bytes) -> None:
        written.append(f"write {name}")
        write_at(directory, name, data)

    inotify, pins = open_inotify(), []
    for directory in {key.rpartition("/")[0] for key in keys}:
        pins.append(os.open(f"/proc/sys/{directory}", os.O_PATH | os.O_CLOEXEC))
        add_watch(inotify, pins[-1], IN_MODIFY, directory)
    try:
        with monkeypatch.context() as patch:
            patch.setattr(flat_source, "write_at", count)
            yield written
        while True:
            try:
                written.extend(f"modify {name}" for _, _, name in decode(os.read(inotify, 65536)))
            except BlockingIOError:
                break
    finally:
        for fd in (inotify, *pins):
            os.close(fd)


async def test_a_pass_over_what_is_right_writes_nothing(
    everything: Mapping[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert len(everything) > 200
    with counted(everything, monkeypatch) as written:
        first = await sysctl.reconcile(everything)
        second = await sysctl.reconcile(everything, last_applied=first.last_applied)
    for report in (first, second):
        assert report.converged
        assert report.applied == ()
        assert report.last_applied == Ownership()
    assert written == []


def perturbed(everything: Mapping[str, str]) -> dict[str, str]:
    """Another value for each key that takes one, and where the kernel leaves them all."""
    order = sorted(everything, key=lambda key: ("all" not in key, "default" not in key))
    for key in order:
        before = value(key)
        any(accepts(key, text) and value(key) != before for text in OTHERS if text != before)
    return {key: value(key) for key in everything}


async def test_whatever_was_changed_converges_in_one_pass_and_the_next_is_quiet(
    everything: Mapping[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = perturbed(everything)
    differing = {key for key in everything if wrong[key] != everything[key]}
    assert len(differing) > len(everything) * 0.8

    first = await sysctl.reconcile(everything)
    assert first.converged
    assert {key: value(key) for key in everything} == everything

    with counted(everything, monkeypatch) as written:
        second = await sysctl.reconcile(everything, last_applied=first.last_applied)
    assert second.converged
    assert second.applied == ()
    assert written == []


async def test_every_change_can_be_taken_back_in_one_pass(everything: Mapping[str, str]) -> None:
    wanted = perturbed(everything)
    before = dict(wanted)
    for key in sorted(everything, key=lambda key: ("all" not in key, "default" not in key)):
        put(key, everything[key])
    report = await sysctl.reconcile(before)
    assert report.converged
    assert {key: value(key) for key in before} == before
    undone = await sysctl.reconcile({}, last_applied=report.last_applied, revert_on_release=True)
    assert undone.failed == ()
    assert undone.last_applied == Ownership()
    claimed = {key for key in everything if normalized(key) in report.last_applied}
    assert {key: value(key) for key in claimed} == {key: everything[key] for key in claimed}


def test_the_kernel_changes_no_other_key_than_we_know(fresh: Inside) -> None:
    assert fresh(surprises) == {}


def surprises() -> dict[str, object]:
    """Side effects that are not told, and those that are told and do not happen, by write.

    In a fresh namespace: where a default was ever written, nothing follows it that comes later.
    """
    add_veth("va", "vb")
    put("net/ipv6/conf/lo/mtu", "1300")
    places = [*CONF, "net/ipv4/neigh/va", "net/ipv6/neigh/va"]
    paths = [path for path in listing(*places) if "/vb/" not in path and "/lo/" not in path]
    paths += ["net/ipv4/ip_forward", "net/ipv6/conf/lo/disable_ipv6", "net/ipv6/conf/lo/mtu"]
    keys = {normalized(path): path for path in paths}
    wrong: dict[str, object] = {}
    after = {key: value(path) for key, path in keys.items()}
    for key, path in sorted(keys.items(), key=lambda item: ("all" not in item[0], item)):
        before = after
        text = next((t for t in OTHERS if t != before[key] and accepts(path, t)), None)
        if text is None:
            continue
        after = {other: value(place) for other, place in keys.items()}
        told = effects(key, text, keys)
        found = {o: after[o] for o in keys if o != key and before[o] != after[o]}
        unforeseen = {o: new for o, new in found.items() if told.get(o) not in {new, ""}}
        untrue = {o: new for o, new in told.items() if new not in {after[o], ""}}
        if unforeseen or untrue:
            wrong[f"{key} = {text}"] = (unforeseen, untrue)
    return wrong
