"""Random stories over real sysctls: writers, links that come and go, desired states that change."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack

from anyio.from_thread import start_blocking_portal
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from linx_async import Claim, DesiredStateError, MemoryStore, Ownership, Report, sysctl
from linx_async._core.reconcile import Ledger, run_pass
from linx_async.sysctl import Desired, SetSysctl
from linx_async.sysctl.codec import same
from linx_async.sysctl.keys import interface_of, normalized
from linx_async.sysctl.knobs import effects, same_knob
from linx_async.sysctl.ops import SysctlOp
from linx_async.testing.links import add_veth, delete_link, links, rename_link
from tests.kernel.sysctls import CONF, changes, has_key, kept, listing, put, value

FORWARD = "net.ipv4.ip_forward"
LEAVES = ("forwarding", "arp_filter", "accept_redirects")
KEYS = (
    FORWARD,
    *(f"net.ipv4.conf.{name}.{leaf}" for name in ("all", "default", "lo") for leaf in LEAVES),
    *(f"net.ipv4.conf.{name}.{leaf}" for name in ("va", "vc") for leaf in LEAVES),
)
LASTING = tuple(key for key in KEYS if not interface_of(key) or interface_of(key) == "lo")

keys = st.sampled_from(KEYS)
texts = st.sampled_from(["0", "1", "2", "7"])


def is_one(settings: Mapping[str, str]) -> bool:
    try:
        Desired(settings)
    except DesiredStateError:
        return False
    return True


desired_states = st.dictionaries(keys, texts, max_size=5).filter(is_one)


class Story(RuleBasedStateMachine):
    """One source, entered all the time, whose passes the story calls for."""

    backend = "asyncio"

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        self.stack.enter_context(kept(*LASTING))
        self.stack.callback(delete_links)
        self.desired = Desired({})
        self.originals: dict[str, str | None] = {}

    @initialize(revert=st.booleans())
    def enter(self, revert: bool) -> None:
        self.portal = self.stack.enter_context(start_blocking_portal(self.backend))
        source = sysctl.Source(revert_on_release=revert)
        enter = self.portal.wrap_async_context_manager
        self.source = self.stack.enter_context(enter(source))
        record = self.stack.enter_context(enter(MemoryStore().open("story", "here")))
        self.ledger = self.portal.call(Ledger.of, record)

    def teardown(self) -> None:
        self.stack.close()

    @rule(desired=desired_states)
    def put_desired(self, desired: Mapping[str, str]) -> None:
        self.desired = Desired(desired)

    @rule(key=keys, text=texts)
    def somebody_writes(self, key: str, text: str) -> None:
        if has_key(key):
            put(key, text)

    @rule()
    def a_link_comes(self) -> None:
        if not {"va", "vc"}.intersection(links()):
            add_veth("va", "vb")

    @rule()
    def a_link_goes(self) -> None:
        delete_links()
        self.forget("va", "vc")

    @rule()
    def a_link_is_made_anew(self) -> None:
        delete_links()
        add_veth("va", "vb")
        self.forget("va", "vc")

    @rule()
    def a_link_is_renamed(self) -> None:
        there = links()
        for name, new in (("va", "vc"), ("vc", "va")):
            if name in there:
                rename_link(name, new)
                self.forget("va", "vc")
                return

    def forget(self, *names: str) -> None:
        """What was claimed of such an interface is claimed of none any more."""
        for key in list(self.originals):
            if interface_of(key) in names:
                del self.originals[key]

    @rule()
    def two_passes(self) -> None:
        owned = self.ledger.ownership
        before = everything()
        first = self.one_pass()
        assert not first.failed
        self.only_ours_was_written(owned, first, changes(before, everything()))
        self.all_is_as_desired(first)
        self.originals_are_right(before)

        before = everything()
        second = self.one_pass()
        assert second.applied == ()
        assert everything() == before
        assert second.converged == (not second.waiting)

    def one_pass(self) -> Report[SysctlOp]:
        return self.portal.call(run_pass, self.source, self.desired, self.ledger)

    def only_ours_was_written(
        self, owned: Ownership, report: Report[SysctlOp], changed: Mapping[str, str]
    ) -> None:
        foreseen: set[str] = set()
        for op in report.applied:
            assert op.key in self.desired.settings or op.key in owned
            text = op.text if isinstance(op, SetSysctl) else op.original
            foreseen |= {op.key, *effects(op.key, text or "", everything())}
        assert set(changed) <= foreseen

    def all_is_as_desired(self, report: Report[SysctlOp]) -> None:
        waiting = {each.key for each in report.waiting}
        for key, text in self.desired.settings.items():
            assert has_key(key) == (key not in waiting)
            assert key in waiting or same(key, text, value(key))

    def originals_are_right(self, before: Mapping[str, str]) -> None:
        knobs = {same_knob(key)[0] for key in self.originals}
        for key, claim in self.ledger.ownership.items():
            self.original_is_right(key, claim, before, inherited=same_knob(key)[0] in knobs)
        self.originals = {key: claim.original for key, claim in self.ledger.ownership.items()}

    def original_is_right(
        self, key: str, claim: Claim, before: Mapping[str, str], *, inherited: bool
    ) -> None:
        if key in self.originals:
            assert claim.original == self.originals[key]
        elif not inherited:
            assert claim.original == before[key]


def everything() -> dict[str, str]:
    return {normalized(key): text for key, text in listing(*CONF).items()} | {
        FORWARD: value(FORWARD)
    }


def delete_links() -> None:
    for name in {"va", "vc"}.intersection(links()):
        delete_link(name)


class StoryOnTrio(Story):
    backend = "trio"


TestStory = Story.TestCase
TestStoryOnTrio = StoryOnTrio.TestCase
TestStory.settings = settings(max_examples=15, stateful_step_count=20)
TestStoryOnTrio.settings = TestStory.settings
