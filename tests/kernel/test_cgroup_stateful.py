"""Passes over a cgroup that somebody else writes to, removes, makes again, gives controllers."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest
from anyio.from_thread import start_blocking_portal
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from linx_async import MemoryStore, Ownership, Report, Verb
from linx_async._core.reconcile import Ledger, run_pass
from linx_async._kernel.inotify import Mask
from linx_async._kernel.inotify_abi import add_watch, decode, open_inotify
from linx_async.cgroup import Desired, Source
from linx_async.cgroup.codec import same
from linx_async.cgroup.ops import LimitOp
from tests.cgroups import (
    LIMITS,
    given_controller,
    make,
    needs_cgroup2,
    pin,
    read,
    reads,
    remove,
    write,
)

CONTROL = "cgroup.subtree_control"
SETTINGS = ["cgroup.max.depth", "cgroup.max.descendants", "cgroup.freeze"]
LIMIT = "the controller's limit"
"""Stands for whichever limit this kernel has."""

keys = st.sampled_from([*SETTINGS, LIMIT])
flags = st.sampled_from(["0", "1"])
depths = st.sampled_from(["max", "0", "3", "4"])
sizes = st.sampled_from(["max", "0", "100", "2097152", "3145728"])
values = {LIMIT: sizes, "cgroup.freeze": flags}
choices = st.fixed_dictionaries(
    {}, optional={key: values.get(key, depths) for key in [*SETTINGS, LIMIT]}
)


class Ear:
    """Hears who writes what below some directories."""

    def __init__(self) -> None:
        self._fd = open_inotify()
        self._watched: dict[int, Path] = {}

    def listen(self, directory: Path) -> None:
        fd = pin(directory)
        mask = Mask.MODIFY | Mask.CREATE | Mask.DELETE
        self._watched[add_watch(self._fd, fd, mask, directory)] = directory
        os.close(fd)

    def heard(self) -> set[Path]:
        """The files that were written, made or removed since the last call."""
        try:
            buffer = os.read(self._fd, 1 << 16)
        except BlockingIOError:
            return set()
        return {
            self._watched[wd] / name
            for wd, mask, name in decode(buffer)
            if not mask & Mask.IGNORED and name != "cgroup.events"
        }

    def close(self) -> None:
        os.close(self._fd)


class Scene(RuleBasedStateMachine):
    """A cgroup with a parent, a sibling that has a process, and a somebody else."""

    backend: str

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        self.given = self.stack.enter_context(given_controller())
        self.parent, self.web = self.given.parent, self.given.cgroup
        self.sibling = self.parent / "sibling"
        make(self.sibling)
        sleeper = subprocess.Popen(["sleep", "600"])
        self.stack.callback(sleeper.wait)
        self.stack.callback(sleeper.kill)
        write(self.sibling / "cgroup.procs", str(sleeper.pid))
        self.ear = Ear()
        self.stack.callback(self.ear.close)
        for directory in (self.parent, self.sibling, self.web):
            self.ear.listen(directory)
        self.portal = self.stack.enter_context(start_blocking_portal(self.backend))
        self.desired = Desired({})

    @initialize(revert=st.booleans())
    def enter(self, revert: bool) -> None:
        source = Source(str(self.web), revert_on_release=revert)
        self.source = self.stack.enter_context(self.portal.wrap_async_context_manager(source))
        record = self.portal.wrap_async_context_manager(MemoryStore().open("web", ""))
        self.ledger = self.portal.call(Ledger.of, self.stack.enter_context(record))

    def real(self, key: str) -> str:
        return self.given.key if key == LIMIT else key

    @property
    def is_there(self) -> bool:
        return self.web.exists()

    @property
    def inode(self) -> str | None:
        return str(self.web.stat().st_ino) if self.is_there else None

    @property
    def owned(self) -> Ownership:
        return self.ledger.ownership

    @property
    def is_given(self) -> bool:
        return self.given.controller in read(self.given.switch).split()

    @rule(chosen=choices, at_once=st.booleans())
    def want(self, chosen: Mapping[str, str], at_once: bool) -> None:
        self.desired = Desired({self.real(key): text for key, text in chosen.items()})
        if at_once:
            self.we_pass()

    @precondition(lambda self: self.is_there)
    @rule(data=st.data(), key=keys)
    def somebody_writes(self, data: st.DataObject, key: str) -> None:
        file = self.web / self.real(key)
        if file.exists():
            write(file, data.draw(values.get(key, depths)))

    @rule(where=st.sampled_from(["parent", "sibling"]), depth=depths)
    def somebody_writes_elsewhere(self, where: str, depth: str) -> None:
        # Deep enough for the cgroup to be made again.
        write(getattr(self, where) / SETTINGS[0], depth.replace("0", "2"))

    @precondition(lambda self: self.is_there)
    @rule()
    def somebody_removes_it(self) -> None:
        remove(self.web)

    @precondition(lambda self: not self.is_there)
    @rule()
    def somebody_makes_it(self) -> None:
        make(self.web)
        self.ear.listen(self.web)

    @precondition(lambda self: self.is_there)
    @rule(chosen=st.none() | choices)
    def somebody_makes_it_again(self, chosen: Mapping[str, str] | None) -> None:
        remove(self.web)
        self.somebody_makes_it()
        if chosen is not None:
            self.want(chosen, at_once=True)

    @precondition(lambda self: self.is_given)
    @rule(back=st.booleans())
    def somebody_takes_the_controller(self, back: bool) -> None:
        self.given.take()
        if back:
            self.given.give()

    @precondition(lambda self: not self.is_given)
    @rule()
    def somebody_gives_the_controller(self) -> None:
        self.given.give()

    def one_pass(self) -> Report[LimitOp]:
        return self.portal.call(run_pass, self.source, self.desired, self.ledger)

    def snapshot(self) -> dict[Path, str | None]:
        """All that a pass could change."""
        names = [*SETTINGS, self.given.key, CONTROL, "cgroup.type", "cgroup.procs"]
        directories = [path for path in (self.parent, *self.parent.rglob("*")) if path.is_dir()]
        return {file: reads(file) for place in directories for file in map(place.joinpath, names)}

    @rule()
    def we_pass(self) -> None:
        # A claim on a cgroup that was there before is no right to change this one.
        owned = {key for key, claim in self.owned.items() if claim.incarnation == self.inode}
        may_change = {self.web / key for key in {*self.desired.settings, *owned}}
        before = self.snapshot()
        self.ear.heard()
        report = self.one_pass()
        assert self.ear.heard() <= may_change
        after = self.snapshot()
        assert after.keys() == before.keys()
        assert {file for file in after if after[file] != before[file]} <= may_change
        self.check(report)
        self.check_quiet(after)

    def check(self, report: Report[LimitOp]) -> None:
        assert {op.verb for op in report.applied} <= {Verb.UPDATE, Verb.REVERT, Verb.RELEASE}
        assert set(self.owned) <= set(self.desired.settings)
        assert report.last_applied == self.owned
        if not self.is_there:
            assert {waiting.key for waiting in report.waiting} == set(self.desired.settings)
            assert not report.last_applied
            return
        lost = {self.given.key} & set(self.desired.settings) if not self.is_given else set[str]()
        assert {failure.key for failure in report.failed} == lost
        assert report.converged is not bool(lost)
        for key, text in self.desired.settings.items():
            assert key in lost or same(key, text, read(self.web / key))
        assert {claim.incarnation for claim in self.owned.values()} <= {self.inode}

    def check_quiet(self, before: Mapping[Path, str | None]) -> None:
        """A second pass finds nothing to do and writes nothing."""
        owned = self.owned
        report = self.one_pass()
        assert report.applied == ()
        assert self.ear.heard() == set()
        assert self.snapshot() == before
        assert self.owned == owned

    def teardown(self) -> None:
        self.stack.close()


@needs_cgroup2
@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_whatever_others_do_only_what_is_desired_or_ours_is_changed(backend: str) -> None:
    with given_controller() as given:
        assert given.key in [limit[0] for limit in LIMITS.values()]
    few = settings(max_examples=max(5, settings().max_examples // 5), stateful_step_count=20)
    run_state_machine_as_test(type("Scene", (Scene,), {"backend": backend}), settings=few)
