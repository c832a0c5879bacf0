"""The conformance suite: which law each broken Source fails, and what it is told."""

from __future__ import annotations

import asyncio
import os
import pickle
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any, Self
from unittest.mock import ANY

import anyio
import pytest
from anyio import CancelScope
from anyio.lowlevel import checkpoint
from attrs import evolve, frozen

from linx_async import Claim, Hint, Outcome, Ownership, Plan, SourceError
from linx_async.testing.changes import Change, Objects, Put, Remove
from linx_async.testing.conformance import LawBroken
from linx_async.testing.fake import FakeSource
from linx_async.testing.kernel import FakeKernel
from tests.conformance import LAWS, ONE, TWO, TakesOver, broken, case_of
from tests.leftovers import open_descriptors

pytestmark = pytest.mark.anyio


@pytest.fixture
def backend(anyio_backend: tuple[str, object]) -> str:
    return anyio_backend[0]


# What breaks them ---------------------------------------------------------------------------------


class TakesAll(FakeSource):
    def check(self, desired: Objects, /) -> Objects:
        return dict(desired)


class RefusesInItsOwnWay(FakeSource):
    def check(self, desired: Objects, /) -> Objects:
        return {key: value + "" for key, value in desired.items() if key.islower() or 1 / 0}


class RefusesNothing(FakeSource):
    def check(self, desired: Objects, /) -> Objects:
        if not desired:
            return super().check({"": ""})
        return super().check(desired)


class ConvertsTwice(FakeSource):
    def check(self, desired: Objects, /) -> Objects:
        return {key: f"0{value}" for key, value in super().check(desired).items()}


class ConvertsInPlace(FakeSource):
    def check(self, desired: Objects, /) -> Objects:
        checked = super().check(desired)
        if isinstance(desired, dict):
            desired.pop("a", None)
        return checked


@pytest.mark.parametrize(
    ("make", "what"),
    [
        (TakesAll, "check() takes what is wrong\n    {'A': '1'}"),
        (
            RefusesInItsOwnWay,
            "something else than a DesiredStateError\n    of {'A': '1'}\n    Zero",
        ),
        (
            RefusesNothing,
            "check() refuses a state that is right\n    {}\n    desired: '' is no key",
        ),
        (ConvertsTwice, "something else for what it gave itself\n    first {'a': '01', 'b'"),
        (ConvertsInPlace, "check() changes its argument\n    was {'a': '1', 'b': '1'}\n    is now"),
    ],
)
async def test_a_check_that_is_wrong(make: type[FakeSource], what: str) -> None:
    states = (dict(ONE), dict(TWO))
    with pytest.raises(LawBroken) as failure:
        await LAWS["check"].check(case_of(make, states=states))
    assert failure.value.law == "check"
    assert what in str(failure.value)


@frozen
class OddOp:
    """An op of which something is changed."""

    op: Change
    change: Mapping[str, object]

    def __getattr__(self, name: str) -> Any:
        return self.change[name] if name in self.change else getattr(self.op, name)

    def __str__(self) -> str:
        return str(self.change.get("line", self.op))


def plan_of(ops: Iterable[Any]) -> Plan[Any]:
    return Plan((tuple(ops),))


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"key": ""}, "key: '' is not some text"),
        ({"verb": "create"}, "verb: 'create' is not a Verb"),
        ({"line": "put\na"}, "str(): 'put\\na' is not one line for people"),
        ({"line": ""}, "str(): '' is not one line for people"),
        ({"claim": Claim("other")}, "claim: its key is 'other', but the op's is 'a'"),
        ({"claim": "a"}, "claim: 'a' is neither a Claim nor None"),
        ({"original": 1}, "original: 1 is neither text nor None"),
        ({"requires": ["a"]}, "requires: ['a'] is no frozenset of keys"),
    ],
)
async def test_an_op_that_is_not_what_an_op_has_to_be(
    change: Mapping[str, object], what: str
) -> None:
    class Odd(FakeSource):
        def diff(self, desired: Objects, observed: Objects, owned: Ownership, /) -> Plan[Any]:
            plan = super().diff(desired, observed, owned)
            return plan_of(OddOp(op, change) for op in plan)

    assert what in str(await broken("ops", Odd))


async def test_an_op_that_disowns_and_claims() -> None:
    class Clinging(FakeSource):
        def diff(self, desired: Objects, observed: Objects, owned: Ownership, /) -> Plan[Any]:
            ops = super().diff(desired, observed, owned).ops
            odd = [OddOp(op, {"claim": Claim(op.key)}) if op.claim is None else op for op in ops]
            return plan_of(odd)

    assert "but after a delete the key is not ours any more" in str(await broken("ops", Clinging))


class Forgetful(FakeSource):
    """Gives another order each time."""

    asked = 0

    def diff(self, desired: Objects, observed: Objects, owned: Ownership, /) -> Plan[Change]:
        self.asked += 1
        ops = super().diff(desired, observed, owned).ops
        return Plan((ops[:: 1 if self.asked % 2 else -1],))


class LooksAgain(FakeSource):
    """Reads the kernel where it is to compare."""

    def diff(self, desired: Objects, observed: Objects, owned: Ownership, /) -> Plan[Change]:
        return super().diff(desired, self.kernel.look(), owned)


class Consumes(FakeSource):
    """Takes what it compares out of what was observed."""

    def diff(self, desired: Objects, observed: Objects, owned: Ownership, /) -> Plan[Change]:
        plan = super().diff(desired, observed, owned)
        assert isinstance(observed, dict)
        observed.pop("theirs", None)
        return plan


@pytest.mark.parametrize(
    ("make", "what"),
    [
        (Forgetful, "another plan when it was asked again\n    first: batch 1: put a = 1 (create"),
        (LooksAgain, "another plan once the kernel was changed\n    first: batch 1: put a = 1"),
        (Consumes, "diff() changes its argument 'observed'\n    was {'theirs': '1'}"),
    ],
)
async def test_a_diff_that_is_not_pure(make: type[FakeSource], what: str) -> None:
    assert what in str(await broken("purity", make))


class DoesNothing(FakeSource):
    async def apply(self, batch: Sequence[Change], /) -> Sequence[Outcome]:
        await checkpoint()
        return [Outcome() for _ in batch]


class WritesSomethingElse(FakeSource):
    async def apply(self, batch: Sequence[Change], /) -> Sequence[Outcome]:
        ops = [evolve(op, value="8") if isinstance(op, Put) else op for op in batch]
        return await super().apply(ops)


@pytest.mark.parametrize(
    ("make", "what"),
    [
        (DoesNothing, "'a': desired '1', but is absent"),
        (WritesSomethingElse, "'a': desired '1', but is '8'"),
    ],
)
async def test_a_pass_that_says_it_has_converged_and_has_not(
    make: type[FakeSource], what: str
) -> None:
    failure = await broken("convergence", make)
    assert failure.what == "after the 1. converged pass, what is desired is not there"
    assert failure.details[0] == what


async def test_a_value_that_is_open_has_to_be_there_all_the_same() -> None:
    class Halfway(FakeSource):
        def diff(self, desired: Objects, observed: Objects, owned: Ownership, /) -> Plan[Change]:
            half = {key: value for key, value in desired.items() if key != "b"}
            return super().diff(half, observed, owned)

    failure = await broken("convergence", Halfway, shows=lambda state: dict.fromkeys(state, ANY))
    assert failure.details == ("'b': desired <ANY>, but is absent",)


async def test_what_is_told_survives_a_trip_to_another_process() -> None:
    failure = await broken("convergence", DoesNothing)
    again = pickle.loads(pickle.dumps(failure))
    assert str(again) == str(failure)
    assert vars(again) == vars(failure)


async def test_a_plan_that_leaves_something_to_do() -> None:
    class Restless(FakeSource):
        def diff(self, desired: Objects, observed: Objects, owned: Ownership, /) -> Plan[Change]:
            puts = tuple(Put(key, value, observed.get(key)) for key, value in desired.items())
            rest = super().diff({**observed, **desired}, observed, Ownership())
            gone = super().diff(desired, observed, owned)
            removes = tuple(op for op in gone if isinstance(op, Remove))
            return Plan((puts + removes,), rest.waiting, rest.conflicts, gone.stale)

    failure = await broken("quiet", Restless)
    assert failure.what == "a second pass of the same source still found something to do"
    assert failure.details == ("applied: put a = 1", "applied: put b = 1")


async def test_a_source_that_is_quiet_by_what_it_remembers_alone() -> None:
    class Sure(FakeSource):
        done = ""

        def diff(self, desired: Objects, observed: Objects, owned: Ownership, /) -> Plan[Change]:
            plan = super().diff(desired, observed, owned)
            again = Plan((tuple(Put(k, v, observed.get(k)) for k, v in desired.items()),))
            return plan if plan.ops or self.done == repr(desired) else again

        async def apply(self, batch: Sequence[Change], /) -> Sequence[Outcome]:
            self.done = repr({op.key: getattr(op, "value", "") for op in batch})
            return await super().apply(batch)

    assert "a pass of a fresh source, with the record," in str(await broken("quiet", Sure))


async def test_a_source_that_tidies_up_what_is_not_its_own() -> None:
    class Tidy(FakeSource):
        def diff(self, desired: Objects, observed: Objects, owned: Ownership, /) -> Plan[Change]:
            everything = Ownership({key: Claim(key) for key in observed})
            return super().diff(desired, observed, everything)

    failure = await broken("foreign", Tidy)
    assert failure.what == "after a pass, something else is not as it was"
    assert failure.details == ("'theirs': was '1', is now absent",)


async def test_a_source_that_changes_something_by_looking() -> None:
    class Touching(FakeSource):
        async def observe(self, desired: Objects, owned: Ownership, /) -> dict[str, str]:
            found = await super().observe(desired, owned)
            if "b" in desired:
                self.kernel.update("theirs", "2")
            return found

    assert "observe() and diff() change something" in str(await broken("foreign", Touching))


async def test_a_source_that_leaves_something_behind() -> None:
    def make(kernel: FakeKernel) -> FakeSource:
        return FakeSource(kernel, on_release="keep")

    failure = await broken("removal", make)
    assert failure.details == ("'a': was absent, is now '1'", "'b': was absent, is now '1'")


async def test_a_source_that_cannot_be_entered_again() -> None:
    class Once(FakeSource):
        entered = 0

        async def __aenter__(self) -> Self:
            self.entered += 1
            return await super().__aenter__()

        async def observe(self, desired: Objects, owned: Ownership, /) -> dict[str, str]:
            if self.entered > 1:
                raise SourceError("the socket is closed")
            return await super().observe(desired, owned)

    failure = await broken("reentry", Once)
    assert failure.details == ("SourceError: the socket is closed",)


async def test_a_source_with_an_identity_of_its_own() -> None:
    class Anew(FakeSource):
        def __init__(self, kernel: FakeKernel) -> None:
            super().__init__(kernel)
            self.identity = f"fake {id(self)}"

    assert "the record would not be found again" in str(await broken("reentry", Anew))


class Opening(FakeSource):
    """Has a descriptor, and closes it in the right way."""

    fd = -1

    async def __aenter__(self) -> Self:
        self.open()
        await super().__aenter__()
        return self

    async def __aexit__(self, *why: Any) -> None:  # noqa: PYI036
        await super().__aexit__(*why)
        self.close()

    def open(self) -> None:
        self.fd = os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC)

    def close(self) -> None:
        os.close(self.fd)


@pytest.fixture
def descriptors() -> Iterator[None]:
    """Closes what broken sources leave open."""
    before = nulls()
    yield
    for number in nulls() - before:
        os.close(number)


def nulls() -> set[int]:
    return {number for number, target in open_descriptors() if target == "/dev/null"}


async def test_a_source_that_leaves_a_descriptor_open(descriptors: None) -> None:
    class Leaking(Opening):
        def close(self) -> None:
            """Forgotten."""

    failure = await broken("closing", Leaking)
    assert failure.what == "a source that was left has left something open"
    assert failure.details[0].endswith("-> /dev/null")


async def test_a_source_that_closes_only_after_success(descriptors: None) -> None:
    class Careless(Opening):
        async def __aexit__(self, *why: Any) -> None:  # noqa: PYI036
            await FakeSource.__aexit__(self, *why)
            if why[0] is None:
                self.close()

    assert "was left by an error" in str(await broken("closing", Careless))


async def test_a_source_that_swallows_errors() -> None:
    class Swallowing(FakeSource):
        async def __aexit__(self, *why: Any) -> bool:  # type: ignore[override]  # noqa: PYI036
            await super().__aexit__(*why)
            return isinstance(why[1], Exception)

    assert "swallows the error" in str(await broken("closing", Swallowing))


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_source_that_leaves_a_task_running(anyio_backend: str) -> None:
    tasks: list[asyncio.Task[None]] = []

    class Busy(FakeSource):
        async def __aenter__(self) -> Self:
            tasks.append(asyncio.create_task(anyio.sleep_forever(), name="forgotten"))
            return await super().__aenter__()

    failure = await broken("closing", Busy)
    assert failure.details == ("task forgotten",)
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)


class Trusting(FakeSource):
    """Reads again only when it has heard of a change."""

    heard = True
    seen: dict[str, str] | None = None

    @asynccontextmanager
    async def _announced(self, kernel: FakeKernel) -> AsyncIterator[AsyncIterator[Hint]]:
        with kernel.watch() as hints:
            await checkpoint()
            yield self._told(hints)

    async def _told(self, hints: AsyncIterator[Hint]) -> AsyncIterator[Hint]:
        async for hint in hints:
            self.heard = True
            yield hint

    async def observe(self, desired: Objects, owned: Ownership, /) -> dict[str, str]:
        if self.heard or self.seen is None:
            self.heard = False
            self.seen = await super().observe(desired, owned)
        return self.seen

    async def apply(self, batch: Sequence[Change], /) -> Sequence[Outcome]:
        self.heard = True
        return await super().apply(batch)


async def test_a_source_that_relies_on_its_hints() -> None:
    failure = await broken("drift", Trusting)
    assert failure.what == (
        "after a pass by a source without a subscription over what somebody else had changed, "
        "what is desired is not there"
    )
    assert failure.details == ("'a': desired '1', but is '7'",)


async def test_a_source_that_relies_on_its_hints_as_long_as_it_has_any() -> None:
    class Listening(Trusting):
        listens = False

        @asynccontextmanager
        async def _announced(self, kernel: FakeKernel) -> AsyncIterator[AsyncIterator[Hint]]:
            async with super()._announced(kernel) as hints:
                self.listens = True
                yield hints
                self.listens = False

        async def observe(self, desired: Objects, owned: Ownership, /) -> dict[str, str]:
            self.heard |= not self.listens
            return await super().observe(desired, owned)

    assert "that did not listen to its hints" in str(await broken("drift", Listening))


async def test_a_source_that_counts_on_every_hint_to_come() -> None:
    class Counting(FakeSource):
        """Looks again when the kernel has counted something."""

        seen: tuple[int, dict[str, str]] = (-1, {})

        async def observe(self, desired: Objects, owned: Ownership, /) -> dict[str, str]:
            assert isinstance(self.kernel, FakeKernel)
            if self.kernel.changes != self.seen[0]:
                self.seen = (self.kernel.changes, await super().observe(desired, owned))
            return dict(self.seen[1])

    failure = await broken("drift", Counting)
    assert failure.what == (
        "after a pass by a source that got no hint over what somebody else had changed, what is "
        "desired is not there"
    )
    assert failure.details == ("'b': desired '1', but is '7'",)


class ListensLate(FakeSource):
    """Subscribes with the first look at the stream."""

    @asynccontextmanager
    async def _announced(self, kernel: FakeKernel) -> AsyncIterator[AsyncIterator[Hint]]:
        async def hints() -> AsyncIterator[Hint]:
            with kernel.watch() as found:
                async for hint in found:
                    yield hint

        await checkpoint()
        yield hints()


class Ends(FakeSource):
    """Gives no hint at all, and no more."""

    @asynccontextmanager
    async def _announced(self, kernel: FakeKernel) -> AsyncIterator[AsyncIterator[Hint]]:
        async def none() -> AsyncIterator[Hint]:
            nothing: tuple[Hint, ...] = ()
            for hint in nothing:
                yield hint

        await checkpoint()
        yield none()


class Mumbles(FakeSource):
    """Gives what is no hint."""

    @asynccontextmanager
    async def _announced(self, kernel: FakeKernel) -> AsyncIterator[AsyncIterator[Hint]]:
        async def keys() -> AsyncGenerator[Any, None]:
            yield "a"

        await checkpoint()
        async with aclosing(keys()) as stream:
            yield stream


@pytest.mark.parametrize(
    ("make", "what"),
    [
        (ListensLate, "no hint came of what somebody else has changed"),
        (Ends, "the stream of hints ended by itself"),
        (Mumbles, "what came is no Hint with a reason: 'a'"),
    ],
)
async def test_hints_that_do_not_come(make: type[FakeSource], what: str) -> None:
    assert what in str(await broken("hints", make))


async def test_a_source_that_drops_the_hints_of_what_comes_while_it_looks() -> None:
    class Dropping(FakeSource):
        changes = 0

        @asynccontextmanager
        async def _announced(self, kernel: FakeKernel) -> AsyncIterator[AsyncIterator[Hint]]:
            with kernel.watch() as hints:
                async with aclosing(self._since_then(hints, kernel.changes)) as stream:
                    yield stream

        async def _since_then(
            self, hints: AsyncIterator[Hint], number: int
        ) -> AsyncGenerator[Hint, None]:
            async for hint in hints:
                number += 1
                if number > self.changes:
                    yield hint

        async def observe(self, desired: Objects, owned: Ownership, /) -> dict[str, str]:
            found = await super().observe(desired, owned)
            assert isinstance(self.kernel, FakeKernel)
            self.changes = self.kernel.changes
            return found

    failure = await broken("subscription", Dropping)
    assert failure.what == (
        "no hint came of a change at the 2. await of observe(), which that did not see"
    )


class Silent(FakeSource):
    """Leaves it alone, and does not say so."""

    def diff(self, desired: Objects, observed: Objects, owned: Ownership, /) -> Plan[Change]:
        return evolve(super().diff(desired, observed, owned), conflicts=())


class Claiming(FakeSource):
    """Leaves it alone, says so, and claims it all the same."""

    def diff(self, desired: Objects, observed: Objects, owned: Ownership, /) -> Plan[Any]:
        plan = super().diff(desired, observed, owned)
        held = [Put(each.key, observed[each.key], observed[each.key]) for each in plan.conflicts]
        return evolve(plan, batches=(*plan.batches, tuple(held)))


@pytest.mark.parametrize(
    ("make", "what"),
    [
        (TakesOver, "what somebody else holds was changed\n    'a': was '9', is now '1'"),
        (Silent, "is not reported as a conflict\n    held: 'a'\n    applied: put b = 1"),
        (Claiming, "what somebody else holds was claimed\n    a"),
    ],
)
async def test_a_source_that_does_not_respect_others(make: type[FakeSource], what: str) -> None:
    assert what in str(await broken("conflicts", make))


class Unclaimed(FakeSource):
    """Its ops have no claims: it takes for its own what it has seen itself make."""

    made: set[str] = set()  # noqa: RUF012 - of the process

    def diff(self, desired: Objects, observed: Objects, owned: Ownership, /) -> Plan[Any]:
        mine = Ownership({key: Claim(key) for key in self.made})
        plan = super().diff(desired, observed, mine)
        odd = plan_of(OddOp(op, {"claim": None}) for op in plan)
        return evolve(odd, conflicts=plan.conflicts)

    async def apply(self, batch: Sequence[Any], /) -> Sequence[Outcome]:
        outcomes = await super().apply([each.op for each in batch])
        for each in batch:
            (self.made.discard if isinstance(each.op, Remove) else self.made.add)(each.key)
        return outcomes


async def test_a_source_that_claims_what_it_has_made_too_late() -> None:
    class Late(Unclaimed):
        made: set[str] = set()  # noqa: RUF012

    failure = await broken("record", Late)
    assert "killed in the midst of 'put a = 1 and 1 more', at its 2. await (" in failure.what
    assert failure.details == ("'a': was absent, is now '1'",)


async def test_a_source_that_takes_what_is_there_for_gone() -> None:
    class Hasty(FakeSource):
        """Drops the claims of what it does not find as it was written."""

        def diff(self, desired: Objects, observed: Objects, owned: Ownership, /) -> Plan[Change]:
            plan = super().diff(desired, observed, owned)
            unsettled = frozenset(key for key, claim in owned.items() if claim.settled is None)
            kept = tuple(op for op in plan if op.key not in unsettled)
            return evolve(plan, batches=(kept,), stale=plan.stale | unsettled)

    assert "after a pass that was killed while the rec" in str(await broken("record", Hasty))


async def test_a_source_that_does_not_recover_from_an_apply_that_was_cut_short() -> None:
    class Stuck(FakeSource):
        waits_for_answer = False

        async def apply(self, batch: Sequence[Change], /) -> Sequence[Outcome]:
            if self.waits_for_answer:
                raise SourceError("the answer is one to another question")
            self.waits_for_answer = True
            outcomes = await super().apply(batch)
            self.waits_for_answer = False
            return outcomes

    failure = await broken("time_limit", Stuck)
    assert failure.details == ("SourceError: the answer is one to another question",)


async def test_a_source_that_is_cancelled_while_it_opens(descriptors: None) -> None:
    async def wait_a_turn(where: str) -> None:
        await checkpoint()

    failure = await broken("cancellation", lambda kernel: Opening(kernel, step=wait_a_turn))
    line, here = wait_a_turn.__code__.co_firstlineno + 1, Path(__file__).name
    assert failure.what == (
        "after a pass that was cancelled at its 1. await "
        f"({wait_a_turn.__qualname__}, {here}:{line}), something is left open"
    )


async def test_a_source_that_turns_a_cancellation_into_an_error() -> None:
    class Covering(FakeSource):
        async def observe(self, desired: Objects, owned: Ownership, /) -> dict[str, str]:
            try:
                return await super().observe(desired, owned)
            except BaseException as error:
                raise SourceError("interrupted") from error

    assert "raised something else" in str(await broken("cancellation", Covering))


async def test_a_source_with_a_shield_that_a_task_does_not_have(
    descriptors: None, backend: str
) -> None:
    class Shielded(Opening):
        async def __aenter__(self) -> Self:
            self.open()
            try:
                await FakeSource.__aenter__(self)
            except BaseException:
                self.close()
                raise
            return self

        async def __aexit__(self, *why: Any) -> None:  # noqa: PYI036
            with CancelScope(shield=True):
                await checkpoint()
                await Opening.__aexit__(self, *why)

    await LAWS["cancellation"].check(case_of(Shielded))
    if backend == "trio":
        silent = await LAWS["task_cancellation"].check(case_of(Shielded))
        assert silent == "only asyncio has tasks that are cancelled so"
    else:
        failure = await broken("task_cancellation", Shielded)
        assert "whose task was cancelled at its" in failure.what


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_source_that_goes_on_after_its_task_was_cancelled(anyio_backend: str) -> None:
    class Deaf(FakeSource):
        async def observe(self, desired: Objects, owned: Ownership, /) -> dict[str, str]:
            try:
                return await super().observe(desired, owned)
            except anyio.get_cancelled_exc_class():
                return dict(self.kernel.look())

    failure = await broken("task_cancellation", Deaf)
    assert failure.what.startswith("a pass went on after its task was cancelled")
