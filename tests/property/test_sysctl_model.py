"""Plans applied to a model of the kernel: one pass converges, and only our own is touched."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from linx_async import Claim, DesiredStateError, Ownership
from linx_async.sysctl import Desired, Observed, ReleaseSysctl, RevertSysctl, SetSysctl, diff
from linx_async.sysctl.codec import same
from linx_async.sysctl.knobs import same_knob

INTERFACES = ("eth0", "eth1")
COPIED = ("rp_filter", "accept_redirects")
PAIRS = (
    ("vm.dirty_bytes", "vm.dirty_ratio"),
    ("vm.overcommit_kbytes", "vm.overcommit_ratio"),
)
PACKET = 2048  # bytes: what a packet counts as in unres_qlen, net/core/neighbour.c


class Refused(Exception):
    """EINVAL."""


class Kernel:
    """Sysctls as the kernel keeps them, by its source: see the functions named below."""

    def __init__(self) -> None:
        self.values: dict[str, int] = {"kernel.shmmni": 4096}
        self.own: set[str] = set()
        self.writes: list[str] = []
        self.values |= {ratio: 20 for _, ratio in PAIRS} | {size: 0 for size, _ in PAIRS}
        for place in ("all", "default"):
            self._appear(place)
        for name in INTERFACES:
            self.appear(name)

    def appear(self, name: str) -> None:
        """An interface comes, with copies of the defaults."""
        self._appear(name)
        for leaf in ("forwarding", *COPIED):
            self.values[v4(name, leaf)] = self.values[v4("default", leaf)]
        for leaf in ("forwarding", "disable_ipv6", "addr_gen_mode"):
            self.values[v6(name, leaf)] = self.values[v6("default", leaf)]
        for leaf in ("reachable", "queue"):
            self.values[f"{name} {leaf}"] = self.values[f"default {leaf}"]

    def _appear(self, name: str) -> None:
        for leaf in ("forwarding", *COPIED):
            self.values[v4(name, leaf)] = 0
        for leaf in ("forwarding", "disable_ipv6", "addr_gen_mode", "force_forwarding"):
            self.values[v6(name, leaf)] = 0
        if name != "all":
            self.values[v6(name, "stable_secret")] = 1
        self.values |= {f"{name} reachable": 30_000, f"{name} queue": 101 * PACKET}

    def disappear(self, name: str) -> None:
        for key in [key for key in self.values if name in key.replace(".", " ").split()]:
            del self.values[key]
            self.own.discard(key)

    def there(self, name: str) -> bool:
        return v4(name, "rp_filter") in self.values

    def names(self) -> Iterator[str]:
        for key in self.values:
            if " " not in key:
                yield key
                continue
            name, what = key.split()
            if name != "all":
                yield from (REACHABLE if what == "reachable" else QUEUE)[name]
        yield "net.ipv4.ip_forward"

    def read(self, key: str) -> str:
        knob, _ = place_of(key)
        return str(self.values[knob] // unit_of(key))

    def write(self, key: str, text: str) -> None:
        self.writes.append(key)
        knob, parts = place_of(key)
        value = int(text) * unit_of(key)
        before = self.values[knob]
        self._check(key, value)
        if parts[-1] == "reachable":
            value = -(-value // 4) * 4  # a jiffy of 4 ms
        self.values[knob] = value
        self.own.add(knob)
        self._spread(knob, parts, value, changed=value != before)

    def _check(self, key: str, value: int) -> None:
        if value < 0 or (key == "vm.dirty_bytes" and value < 8192):
            raise Refused(key)

    def _spread(self, knob: str, parts: Sequence[str], value: int, *, changed: bool) -> None:
        match parts:
            case ("net", "ipv4", "conf", name, leaf):
                self._spread_v4(name, leaf, value, changed=changed)
            case ("net", "ipv6", "conf", name, leaf):
                self._spread_v6(name, leaf, value, changed=changed)
            case ("default", what):  # neigh_copy_dflt_parms()
                self._copy([f"{name} {what}" for name in self._interfaces()], value)
        for pair in PAIRS:
            # As dirty_bytes_handler() does, and its like; some for the same value, too.
            if knob in pair and (changed or pair == PAIRS[1]):
                self.values[pair[1 - pair.index(knob)]] = 0

    def _spread_v4(self, name: str, leaf: str, value: int, *, changed: bool) -> None:
        if (name, leaf) == ("all", "forwarding") and changed:  # inet_forward_change()
            for each in ("default", *self._interfaces()):
                self.values[v4(each, "forwarding")] = value
            self.values[v4("all", "accept_redirects")] = int(not value)
        elif name == "default" and leaf in COPIED:  # devinet_copy_dflt_conf()
            self._copy([v4(each, leaf) for each in self._interfaces()], value)

    def _spread_v6(self, name: str, leaf: str, value: int, *, changed: bool) -> None:
        if leaf == "stable_secret":  # addrconf_sysctl_stable_secret()
            for each in self._interfaces() if name == "default" else [name]:
                self.values[v6(each, "addr_gen_mode")] = 2
        elif name == "all" and changed:  # addrconf_forward_change() and its like
            places = self._interfaces()
            if leaf != "force_forwarding":
                places.append("default")
            for each in places:
                self.values[v6(each, leaf)] = value

    def _interfaces(self) -> list[str]:
        return [name for name in INTERFACES if self.there(name)]

    def _copy(self, knobs: list[str], value: int) -> None:
        for knob in knobs:
            if knob not in self.own:
                self.values[knob] = value


def v4(name: str, leaf: str) -> str:
    return f"net.ipv4.conf.{name}.{leaf}"


def v6(name: str, leaf: str) -> str:
    return f"net.ipv6.conf.{name}.{leaf}"


def neighbour(*leaves: str) -> dict[str, tuple[str, ...]]:
    return {
        name: tuple(f"net.ipv4.neigh.{name}.{leaf}" for leaf in leaves)
        for name in ("default", *INTERFACES)
    }


REACHABLE = neighbour("base_reachable_time", "base_reachable_time_ms")
QUEUE = neighbour("unres_qlen", "unres_qlen_bytes")


def place_of(key: str) -> tuple[str, Sequence[str]]:
    """Where the kernel keeps a key's value."""
    for what, names in (("reachable", REACHABLE), ("queue", QUEUE)):
        for name, spellings in names.items():
            if key in spellings:
                return f"{name} {what}", (name, what)
    knob = "net.ipv4.conf.all.forwarding" if key == "net.ipv4.ip_forward" else key
    return knob, knob.split(".")


def unit_of(key: str) -> int:
    return {"base_reachable_time": 1000, "unres_qlen": PACKET}.get(key.split(".")[-1], 1)


ALL_KEYS = tuple(sorted(set(Kernel().names())))
texts = st.sampled_from(["0", "1", "2", "7", "8192", "30000", "40002"])


def agree(desired: Mapping[str, str]) -> bool:
    """Whether two units of which only the kernel knows the relation say one value."""
    return all(
        int(desired[packets]) == int(desired[size]) // PACKET
        for packets, size in QUEUE.values()
        if packets in desired and size in desired
    )


def desired_states() -> st.SearchStrategy[Mapping[str, str]]:
    return st.dictionaries(st.sampled_from(ALL_KEYS), texts, max_size=8).filter(is_one)


def is_one(settings: Mapping[str, str]) -> bool:
    try:
        Desired(settings)
    except DesiredStateError:
        return False
    return agree(settings)


class Host:
    """A kernel, and passes over it."""

    def __init__(self) -> None:
        self.kernel = Kernel()
        self.owned = Ownership()
        self.renewed: set[str] = set()

    def observe(self, desired: Mapping[str, str]) -> Observed:
        there = set(self.kernel.names())
        keys = [*desired, *(key for key in self.owned if key not in desired)]
        return Observed(
            {key: self.kernel.read(key) for key in keys if key in there},
            {key: "not there" for key in keys if key not in there},
            renewed=frozenset(self.renewed.intersection(keys)),
        )

    def run_pass(self, desired: Mapping[str, str], *, revert: bool = False) -> set[str]:
        """One pass; the keys that were refused."""
        plan = diff(desired, self.observe(desired), self.owned, revert_on_release=revert)
        self.renewed.clear()
        claims = dict(self.owned.without(plan.stale))
        refused = set()
        for op in plan:
            match op:
                case ReleaseSysctl():
                    del claims[op.key]
                case RevertSysctl():
                    self._write(op.key, op.text)
                    del claims[op.key]
                case SetSysctl(key=key, text=text):
                    try:
                        self._write(key, text)
                    except Refused:
                        refused.add(key)
                        continue
                    before = claims.get(key)
                    original = op.original if before is None else before.original
                    claims[key] = Claim(key, text, original, self.kernel.read(key))
        self.owned = Ownership(claims)
        return refused

    def _write(self, key: str, text: str) -> None:
        if not same(key, text, self.kernel.read(key)):
            self.kernel.write(key, text)

    def holds(self, key: str, text: str) -> bool:
        value = self.kernel.read(key)
        claim = self.owned.get(key)
        return same(key, text, value) or (claim is not None and claim.settled == value)


def disturbed(values: Mapping[str, str]) -> Host:
    """A host where somebody has been before us."""
    host = Host()
    for key, text in values.items():
        if key not in {size for size, _ in PAIRS}:
            host.kernel.write(key, text)
    host.kernel.writes.clear()
    return host


starts = st.dictionaries(st.sampled_from(ALL_KEYS), texts, max_size=6).map(disturbed)


@given(starts, desired_states())
def test_one_pass_converges_and_the_next_has_nothing_to_do(
    host: Host, desired: Mapping[str, str]
) -> None:
    refused = host.run_pass(desired)
    if refused:
        return
    assert {key for key, text in desired.items() if not host.holds(key, text)} == set()
    assert diff(desired, host.observe(desired), host.owned).ops == ()


@given(starts, desired_states(), desired_states())
def test_a_new_desired_state_converges_in_one_pass_whatever_is_reverted(
    host: Host, first: Mapping[str, str], second: Mapping[str, str]
) -> None:
    if host.run_pass(first, revert=True) or host.run_pass(second, revert=True):
        return
    assert {key for key, text in second.items() if not host.holds(key, text)} == set()
    plan = diff(second, host.observe(second), host.owned, revert_on_release=True)
    assert plan.ops == ()


@given(starts, desired_states())
def test_what_was_claimed_has_its_original_value_after_the_revert(
    host: Host, desired: Mapping[str, str]
) -> None:
    before = {key: host.kernel.read(key) for key in host.kernel.names()}
    host.run_pass(desired)
    claimed = set(host.owned)
    assert {key: host.owned[key].original for key in claimed} == {
        key: before[key] for key in claimed
    }
    host.run_pass({}, revert=True)
    # Without the other of its pair, nothing can be done for one that was 0.
    alone = {one for pair in PAIRS for one in pair if claimed.intersection(pair) == {one}}
    restored = claimed - {key for key in alone if before[key] == "0"}
    assert {key: host.kernel.read(key) for key in restored} == {
        key: before[key] for key in restored
    }
    assert host.owned == Ownership()


@given(starts, desired_states(), desired_states())
def test_only_what_is_desired_or_owned_is_written(
    host: Host, first: Mapping[str, str], second: Mapping[str, str]
) -> None:
    host.run_pass(first, revert=True)
    owned = set(host.owned)
    assert set(host.kernel.writes) <= set(first)
    host.kernel.writes.clear()
    host.run_pass(second, revert=True)
    assert set(host.kernel.writes) <= set(second) | owned


class Fight(RuleBasedStateMachine):
    """Passes, somebody else who writes, and interfaces that come and go."""

    @initialize(revert=st.booleans())
    def begin(self, revert: bool) -> None:
        self.host = Host()
        self.revert = revert
        self.desired: Mapping[str, str] = {}
        self.originals: dict[str, str | None] = {}

    @rule(desired=desired_states())
    def put_desired(self, desired: Mapping[str, str]) -> None:
        self.desired = desired

    @rule(key=st.sampled_from(ALL_KEYS), text=texts)
    def somebody_writes(self, key: str, text: str) -> None:
        if key in set(self.host.kernel.names()) and key != "vm.dirty_bytes":
            self.host.kernel.write(key, text)

    @rule(name=st.sampled_from(INTERFACES))
    def an_interface_goes(self, name: str) -> None:
        self.host.kernel.disappear(name)

    @rule(name=st.sampled_from(INTERFACES))
    def an_interface_comes(self, name: str) -> None:
        if not self.host.kernel.there(name):
            before = set(self.host.kernel.names())
            self.host.kernel.appear(name)
            self.host.renewed |= set(self.host.kernel.names()) - before

    @rule()
    def a_pass(self) -> None:
        host = self.host
        there = set(host.kernel.names())
        owned = {key: claim for key, claim in host.owned.items() if key in there}
        for key in host.renewed:
            owned.pop(key, None)
        before = {key: host.kernel.read(key) for key in there}
        host.kernel.writes.clear()
        refused = host.run_pass(self.desired, revert=self.revert)

        assert set(host.kernel.writes) <= set(self.desired) | set(owned)
        self._originals_are_right(owned, before)
        if not refused:
            wanted = {key: text for key, text in self.desired.items() if key in there}
            assert {key for key, text in wanted.items() if not host.holds(key, text)} == set()
            plan = diff(self.desired, host.observe(self.desired), host.owned)
            assert (plan.ops, plan.stale) == ((), frozenset())

    def _originals_are_right(self, owned: Mapping[str, Claim], before: Mapping[str, str]) -> None:
        knobs = {same_knob(key)[0] for key in owned}
        for key, claim in self.host.owned.items():
            if key in owned:
                assert claim.original == self.originals[key]
            elif same_knob(key)[0] not in knobs:
                assert claim.original == before[key]
        self.originals = {key: claim.original for key, claim in self.host.owned.items()}

    @invariant()
    def nothing_is_owned_that_was_never_desired(self) -> None:
        if hasattr(self, "host"):
            assert set(self.host.owned) <= set(ALL_KEYS)


TestFight = Fight.TestCase
TestFight.settings = settings(stateful_step_count=30, deadline=None)


def test_the_model_itself_does_what_is_said_of_the_kernel() -> None:
    kernel = Kernel()
    kernel.write("net.ipv4.ip_forward", "1")
    assert kernel.read(v4("eth0", "forwarding")) == "1"
    assert kernel.read(v4("all", "accept_redirects")) == "0"
    kernel.write(v4("eth1", "rp_filter"), "2")
    kernel.write(v4("default", "rp_filter"), "1")
    assert [kernel.read(v4(name, "rp_filter")) for name in INTERFACES] == ["1", "2"]
    kernel.write("net.ipv4.neigh.eth0.base_reachable_time_ms", "40002")
    assert kernel.read("net.ipv4.neigh.eth0.base_reachable_time_ms") == "40004"
    assert kernel.read("net.ipv4.neigh.eth0.base_reachable_time") == "40"
