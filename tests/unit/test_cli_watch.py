"""`linx watch`: what it shows of given parts, and what cannot hold up the one that is watched."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import anyio
import pytest
from anyio import to_thread
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console, Group

from linx_async import Report
from linx_async.cli.control import Control, Limits
from linx_async.cli.events import Event
from linx_async.cli.keeper import Keeper
from linx_async.cli.kept import Kept, Pacing
from linx_async.cli.place import ControlError, ControlPlace
from linx_async.cli.requests import LONGEST_REQUEST, Request
from linx_async.cli.state import HostStore
from linx_async.cli.watch_columns import cut
from linx_async.cli.watch_counts import counts_fields, median
from linx_async.cli.watch_lines import Watcher
from linx_async.cli.watch_picture import Picture
from linx_async.cli.watch_plain import PlainView
from linx_async.cli.watch_rows import short_ms, uptime
from linx_async.cli.watch_tail import Tail
from linx_async.cli.watch_view import view
from linx_async.config import Part
from linx_async.metrics import BOUNDS, Counts, Spread

NOW = datetime(2026, 3, 1, 9, 41, 30, tzinfo=UTC)
WATCH = Request("watch")


# What is shown


def part(name: str, state: str = "converged", **fields: Any) -> dict[str, Any]:
    """A part as `linx run` tells of it."""
    lists = dict.fromkeys(("failed", "pending", "waiting", "conflicts", "flapping"), ())
    there = {kind: list(fields.pop(kind, items)) for kind, items in lists.items()}
    latencies = {"last_ms": fields.pop("last", None), "median_ms": fields.pop("median", None)}
    return {
        "part": name,
        "state": state,
        "converged": state == "converged",
        "paused": False,
        "left": False,
        "last_pass": {
            "time": (NOW - timedelta(seconds=7)).isoformat(),
            "trigger": "resync",
            "pass_ms": 1.234,
        },
        "busy_s": 0.0,
        "restarts": 0,
        "error": None,
        **there,
        "totals": {kind: len(items) for kind, items in there.items()},
        "counts": {"healed": fields.pop("healed", 0), "latencies": latencies},
        **fields,
    }


def line(*parts: Mapping[str, Any], **fields: Any) -> dict[str, Any]:
    """A line as `linx run` tells it."""
    return {
        "ok": True,
        "pid": 812,
        "file": "/etc/linx/host.toml",
        "since": (NOW - timedelta(hours=2, minutes=13)).isoformat(),
        "errors": [],
        "whole": True,
        "more": False,
        "parts": list(parts),
        "gone": [],
        "events": [],
        **fields,
    }


def applied(number: int, text: str = "set net.ipv4.ip_forward = 1 (was 0)") -> dict[str, Any]:
    time = NOW.isoformat()
    event = {"number": number, "time": time, "event": "applied", "part": "sysctl", "text": text}
    return {**event, "trigger": "hint", "pass_ms": 0.61}


def picture(*parts: Mapping[str, Any], **fields: Any) -> Picture:
    made = Picture()
    made.take(line(*parts, **fields))
    return made


def shown(picture: Picture, width: int = 80, height: int = 24) -> list[str]:
    console = Console(width=width, height=height, file=StringIO(), color_system=None)
    console.print(Group(*view(picture, NOW, width, height)))
    assert isinstance(console.file, StringIO)
    return [each.rstrip() for each in console.file.getvalue().splitlines()]


LATE = {"key": "link eth7", "reason": "it is not there"}
OTHERS = {"key": "route 10.0.0.0/8", "reason": "it is there, by another program"}


def test_all_that_there_is_to_say_of_a_part_is_in_80_columns() -> None:
    told = shown(
        picture(
            part("sysctl", healed=12, last=104.3, median=98.76),
            part("rtnl", "not converged", waiting=[LATE], conflicts=[OTHERS] * 2),
            part("netfilter inet fw", paused=True, pending=[{"text": "add table inet fw"}] * 3),
            events=[applied(1)],
        )
    )
    assert told == [
        "/etc/linx/host.toml: kept by pid 812, up 2 h 13 min",
        "3 parts: 1 converged, 1 not converged, 1 paused                        q ends it",
        "",
        "                                           last pass  drift           latency ms",
        "part                 state          ago by        ms healed wait conf last  med.",
        "sysctl               converged       7s resync  1.23     12            104  98.8",
        "rtnl                 not converged   7s resync  1.23           1    2",
        "netfilter inet fw    paused, 3 due   7s resync  1.23",
        "",
        "rtnl: waiting: link eth7: it is not there",
        "rtnl: conflict: route 10.0.0.0/8: it is there, by another program",
        "rtnl: conflict: route 10.0.0.0/8: it is there, by another program",
        "netfilter inet fw: due: add table inet fw",
        "netfilter inet fw: due: add table inet fw",
        "netfilter inet fw: due: add table inet fw",
        "09:41:30 sysctl: set net.ipv4.ip_forward = 1 (was 0) (hint, 0.61 ms)",
    ]


def test_what_is_rare_has_a_column_where_there_is_some_or_room_for_it() -> None:
    failed = [{"text": "set a = 1: Permission denied"}]
    narrow = shown(picture(part("sysctl", "error", error="it is gone", failed=failed, restarts=3)))
    assert " ".join(narrow[4].split()) == (
        "part state ago ms healed wait conf fail last med. start"
    )
    assert narrow[5].split() == ["sysctl", "error", "7s", "1.23", "1", "3"]
    assert "sysctl: error: it is gone" in narrow
    wide = shown(picture(part("sysctl")), width=120)
    assert " ".join(wide[4].split()) == (
        "part state ago by ms healed wait conf fail last med. start"
    )


def test_where_there_is_no_room_for_all_those_with_trouble_come_first() -> None:
    fine = [part(f"cgroup web-{number}") for number in range(44)]
    told = shown(
        picture(
            *fine,
            part("rtnl", "not converged", waiting=[LATE]),
            part("sysctl", "error", error="it is gone"),
            events=[applied(number) for number in range(1, 30)],
        ),
        height=16,
    )
    assert len(told) == 16
    names = [each.partition(" ")[0] for each in told[4:9]]
    assert names == ["sysctl", "rtnl", "cgroup", "cgroup", "cgroup"]
    assert told[9] == "… and 41 more that are converged"
    assert told[10:12] == ["sysctl: error: it is gone", "rtnl: waiting: link eth7: it is not there"]
    assert len([each for each in told if each.startswith("09:41:30")]) == 4


def test_of_many_troubles_there_are_a_few_and_how_many_more() -> None:
    waiting = [{"key": f"link eth{number}", "reason": "it is not there"} for number in range(8)]
    many = part("rtnl", "not converged", waiting=waiting)
    many["totals"]["waiting"] = 12345
    told = shown(picture(many), height=12)
    assert told[4].split() == ["rtnl", "not", "converged", "7s", "resync", "1.23", "12k"]
    assert told[-1] == "… and 12339 more"
    assert len(told) == 12


def test_long_texts_are_cut_and_never_wrapped() -> None:
    name = "netns blue netfilter inet a-table-with-a-long-name"
    told = shown(
        picture(
            part(name, "not converged", waiting=[{"key": "k" * 90, "reason": "r" * 90}]),
            file=f"/a/long/{'way/' * 30}host.toml",
            events=[applied(1, "set " + "x" * 200)],
        )
    )
    assert told[0].startswith("/a/long/way/")
    assert told[0].endswith("/host.toml: kept by pid 812, up 2 h 13 min")
    assert told[5].startswith("netns blue…long-name ")
    assert [each[-1] for each in told[-2:]] == ["…", "…"]
    assert max(map(len, told)) == 80


def test_what_a_terminal_would_obey_is_not_shown() -> None:
    evil = "\x1b[2J\r"
    told = shown(
        picture(
            part(f"cgroup {evil}", "error", error=evil, waiting=[{"key": evil, "reason": evil}]),
            file=evil,
            events=[applied(1, evil)],
        )
    )
    assert not any(char in "".join(told) for char in "\x1b\r")


def test_what_is_not_as_usual_is_said_in_the_head() -> None:
    error = {"file": "h.toml", "line": 3, "section": "sysctl", "key": "a", "message": "set twice"}
    told = shown(picture(errors=[error]))
    assert told[1].startswith("no parts ")
    assert told[2:4] == [
        "  the last reload was refused, and what was before goes on:",
        "  h.toml:3: [sysctl] a: set twice",
    ]
    gone = picture(part("sysctl"))
    gone.lost = "`linx run` has ended"
    assert shown(gone)[1] == "`linx run` has ended"


@given(
    st.lists(
        st.builds(
            part,
            st.text(min_size=1, max_size=60),
            st.sampled_from(["starting", "converged", "not converged", "error", "restarting"]),
            healed=st.integers(0, 10**9),
            last=st.none() | st.floats(0, 1e9),
            median=st.none() | st.floats(0, 1e9),
            restarts=st.integers(0, 10**6),
            busy_s=st.floats(0, 1e7),
            paused=st.booleans(),
            left=st.booleans(),
            last_pass=st.none(),
            waiting=st.lists(st.just(LATE), max_size=8),
        ),
        max_size=30,
    ),
    st.integers(1, 200),
    st.integers(1, 60),
)
def test_whatever_the_size_of_the_terminal_nothing_goes_beyond_it(
    parts: Sequence[dict[str, Any]], width: int, height: int
) -> None:
    told = shown(picture(*parts, events=[applied(1)]), width, height)
    assert len(told) <= height
    assert all(cell_len(each) <= width for each in told)


@given(st.text(), st.integers(1, 40))
def test_a_text_is_cut_to_what_there_is_room_for(text: str, width: int) -> None:
    short = cut(text, width)
    assert cell_len(short) <= width
    assert short == text or cell_len(text) > width


@given(st.floats(0, 1e12))
def test_a_time_takes_four_characters(milliseconds: float) -> None:
    days = milliseconds / 1e3 / 86400
    assert len(short_ms(milliseconds)) <= (4 if days < 1000 else 7)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (59.9, "59 s"), (60, "1 min"), (7380, "2 h 3 min"), (90000, "1 d 1 h")],
)
def test_a_time_is_told_in_its_two_largest_units(seconds: float, text: str) -> None:
    assert uptime(seconds) == text


# What is learnt from the lines


def test_later_lines_have_what_has_changed_alone() -> None:
    known = picture(part("sysctl"), part("rtnl"), events=[applied(1)])
    assert known.is_converged
    fresh = known.take(
        line(part("rtnl", "not converged"), whole=False, gone=["sysctl"], events=[applied(2)])
    )
    assert [event["number"] for event in fresh] == [2]
    assert {name: each["state"] for name, each in known.parts.items()} == {"rtnl": "not converged"}
    assert not known.is_converged


def test_who_is_attached_again_hears_no_event_twice_and_all_of_another_program() -> None:
    known = picture(part("sysctl"), events=[applied(1), applied(2)])
    again = line(part("rtnl"), events=[applied(2), applied(3)])
    assert [event["number"] for event in known.take(again)] == [3]
    assert list(known.parts) == ["rtnl"]
    assert [event["number"] for event in known.take({**again, "pid": 813})] == [2, 3]


json_like = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from([*line(), *part("a")]), inner),
)


@given(st.dictionaries(st.sampled_from([*line()]), json_like))
def test_what_another_version_tells_is_taken_or_refused(told: dict[str, Any]) -> None:
    with suppress(ControlError):
        Picture().take({**line(), **told})


@pytest.mark.anyio
async def test_without_a_terminal_each_change_of_state_is_a_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    plain, known = PlainView(), Picture()
    for told in (
        line(part("sysctl"), part("rtnl", "not converged", waiting=[LATE])),
        line(whole=False),
        line(part("sysctl", healed=2), whole=False),
        line(part("sysctl", paused=True), part("rtnl", "error", error="gone"), whole=False),
        line(part("sysctl"), whole=False, gone=["rtnl"]),
    ):
        known.take(told)
        await plain.heard(known, told)
    known.lost = "it has ended"
    await plain.lost(known)
    lines = [each.split(" ", 2)[2] for each in capsys.readouterr().out.splitlines()]
    assert lines == [
        "linx: /etc/linx/host.toml is kept by pid 812",
        "sysctl: converged",
        "rtnl: not converged, 1 waiting",
        "sysctl: healed 2 changes of somebody else's",
        "sysctl: paused",
        "rtnl: error: gone",
        "rtnl: is kept no more",
        "sysctl: converged",
        "linx: it has ended",
    ]


# What is told


def test_the_median_is_in_the_bucket_that_the_middle_one_fell_into() -> None:
    spread = Spread()
    assert median(spread) is None
    for seconds in (0.11, 0.12, 0.13):
        spread.add(seconds)
    assert median(spread) == pytest.approx(0.12)
    spread.add(100.0)
    spread.add(0.0001)
    assert median(spread) == 0.25


@given(st.lists(st.floats(0, 100), min_size=1))
def test_the_median_is_about_right(times: list[float]) -> None:
    spread = Spread()
    for seconds in times:
        spread.add(seconds)
    middle = sorted(times)[(len(times) - 1) // 2]
    low = max([bound for bound in (0.0, *BOUNDS) if bound < middle], default=0.0)
    high = min([bound for bound in BOUNDS if bound >= middle], default=float("inf"))
    found = median(spread)
    assert found is not None
    assert low <= found <= high


def test_who_comes_late_hears_the_last_few_events_alone() -> None:
    tail = Tail()
    tail.put(*(Event("applied", "sysctl", f"set a = {number}") for number in range(1, 1001)))
    tail.put(Event("waiting", "rtnl", "waiting"), Event("reloaded", "", "reloaded"))
    assert tail.number == 1002
    assert [each["number"] for each in tail.after(0, ["sysctl"])] == [*range(971, 1001), 1002]
    assert [each["text"] for each in tail.after(1000, ["rtnl"])] == ["waiting", "reloaded"]


def test_what_is_counted_with_others_is_not_told() -> None:
    counts = Counts()
    for number in range(1001):
        counts.of(f"cgroup {number}")
    assert counts_fields(counts, "cgroup 1000") is None
    told = counts_fields(counts, "cgroup 999")
    assert told is not None
    assert told["healed"] == 0


class Kernel:
    """Parts that are kept, without a kernel."""

    def __init__(self, folder: Path, *names: str) -> None:
        self.keeper = Keeper(HostStore(str(folder)), Pacing(), None, lambda *events: None)
        for name in names:
            made = Part("cgroup", name)
            self.keeper.kept[made.name] = Kept.of(
                made, self.keeper._loop, self.keeper.note, left=False
            )

    def passed(self, name: str, report: Report[Any]) -> None:
        self.keeper.kept[f"cgroup {name}"]._told(report)


@pytest.mark.anyio
@pytest.mark.virtual_time
async def test_first_all_is_told_and_then_what_is_new_and_at_last_a_sign_of_life(
    tmp_path: Path,
) -> None:
    kernel = Kernel(tmp_path, "a", "b")
    told: list[Any] = []
    times: list[float] = []

    async def say(answer: Mapping[str, Any]) -> None:
        assert json.dumps(answer)
        told.append(answer)
        times.append(anyio.current_time())
        if len(told) == 1:
            for _ in range(1000):
                kernel.passed("b", Report(converged=True))
        elif len(told) == 2:
            del kernel.keeper.kept["cgroup a"]
        elif len(told) == 3:
            tasks.cancel_scope.cancel()

    async with anyio.create_task_group() as tasks:
        await Watcher(kernel.keeper, (), lambda: {"errors": []}, say).tell()
    assert [[each["part"] for each in line["parts"]] for line in told] == [
        ["cgroup a", "cgroup b"],
        ["cgroup b"],
        [],
    ]
    assert [line["whole"] for line in told] == [True, False, False]
    assert [line["gone"] for line in told] == [[], [], ["cgroup a"]]
    assert [[each["text"] for each in line["events"]] for line in told] == [[], ["converged"], []]
    assert [round(time - times[0], 3) for time in times] == [0, 0.1, 2.2]


@pytest.mark.anyio
async def test_much_is_told_in_several_lines_and_of_too_much_a_part(tmp_path: Path) -> None:
    kernel = Kernel(tmp_path, *map(str, range(150)))
    told: list[Any] = []

    async def say(answer: Mapping[str, Any]) -> None:
        told.append(answer)
        if not answer["more"]:
            tasks.cancel_scope.cancel()

    async with anyio.create_task_group() as tasks:
        await Watcher(kernel.keeper, (), lambda: {"errors": [{}] * 100}, say).tell()
    assert [len(line["parts"]) for line in told] == [64, 64, 22]
    assert [len(line["errors"]) for line in told] == [8, 8, 8]
    assert [(line["whole"], line["more"]) for line in told] == [
        (True, True),
        (False, True),
        (False, False),
    ]


# The socket


@pytest.fixture
def place(tmp_path: Path) -> ControlPlace:
    return ControlPlace.below(str(tmp_path / "records"))


Follow = Callable[[Request, Callable[[Mapping[str, Any]], Awaitable[None]]], Awaitable[None]]


async def once(check: Callable[[], bool]) -> None:
    with anyio.fail_after(30):
        while not check():
            await to_thread.run_sync(lambda: None)


async def serving(tasks: Any, place: ControlPlace, follow: Follow, **limits: Any) -> Control:
    async def answer(_: Request) -> dict[str, Any]:
        return {}

    control = Control(answer, Limits(**limits), follow)
    await tasks.start(control.serve, place)
    return control


async def watching(place: ControlPlace, data: bytes = WATCH.line()) -> socket.socket:
    def attach() -> socket.socket:
        connection = place.connect(30)
        connection.sendall(data)
        return connection

    return await to_thread.run_sync(attach)


async def heard(connection: socket.socket) -> bytes:
    """What comes next."""
    return await to_thread.run_sync(connection.recv, 65536)


async def rest(connection: socket.socket) -> bytes:
    """All that comes until the other side hangs up."""

    def read() -> bytes:
        try:
            return b"".join(iter(lambda: connection.recv(65536), b""))
        except ConnectionResetError:
            return b""

    return await to_thread.run_sync(read)


@pytest.mark.anyio
async def test_who_watches_and_does_not_read_is_hung_up_on(place: ControlPlace) -> None:
    async def talk(_: Request, say: Any) -> None:
        while True:
            await say({"text": "x" * 100_000})

    async with anyio.create_task_group() as tasks:
        control = await serving(tasks, place, talk, patience=0.05)
        with await watching(place):
            await once(lambda: control._watchers == 1)
            await once(lambda: control._watchers == 0)
        tasks.cancel_scope.cancel()


async def silent(_: Request, say: Any) -> None:
    await say({})
    await anyio.sleep_forever()


@pytest.mark.anyio
async def test_who_hangs_up_is_forgotten_at_once_and_one_half_may_be_closed(
    place: ControlPlace,
) -> None:
    async with anyio.create_task_group() as tasks:
        control = await serving(tasks, place, silent)
        with await watching(place) as half:
            half.shutdown(socket.SHUT_WR)
            assert await heard(half) == b'{"ok": true}\n'
            with await watching(place):
                await once(lambda: control._watchers == 2)
            await once(lambda: control._watchers == 1)
            tasks.cancel_scope.cancel()


@pytest.mark.anyio
async def test_who_goes_on_sending_is_hung_up_on(place: ControlPlace) -> None:
    async with anyio.create_task_group() as tasks:
        control = await serving(tasks, place, silent)
        with await watching(place, WATCH.line() + b"\x00{") as some:
            await once(lambda: control._watchers == 1)
            garbage = b"x" * (2 * LONGEST_REQUEST)
            with await watching(place, WATCH.line() + garbage) as much:
                await rest(much)
            await once(lambda: control._watchers == 1)
            assert await heard(some) == b'{"ok": true}\n'
        tasks.cancel_scope.cancel()


@pytest.mark.anyio
async def test_watchers_leave_room_for_others(place: ControlPlace) -> None:
    async with anyio.create_task_group() as tasks:
        control = await serving(tasks, place, silent, watchers=1)
        with await watching(place):
            await once(lambda: control._watchers == 1)
            with await watching(place) as second:
                assert b"too many watch at once" in await rest(second)
            with await watching(place, Request("status").line()) as other:
                assert await rest(other) == b'{"ok": true}\n'
        tasks.cancel_scope.cancel()


@pytest.mark.anyio
async def test_those_who_watch_are_hung_up_on_at_the_end(place: ControlPlace) -> None:
    async with anyio.create_task_group() as tasks:
        control = await serving(tasks, place, silent)
        with await watching(place) as watcher:
            await once(lambda: control._watchers == 1)
            tasks.cancel_scope.cancel()
            with anyio.CancelScope(shield=True):
                await once(lambda: control._watchers == 0)
                assert re.fullmatch(rb'(\{"ok": true\}\n)?', await rest(watcher))
