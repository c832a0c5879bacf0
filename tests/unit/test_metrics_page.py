"""The page with metrics: where it may be, what is asked of it, and what cannot hurt it."""

from __future__ import annotations

import errno
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from http import HTTPStatus
from typing import Any

import anyio
import pytest
from anyio import to_thread
from anyio.abc import SocketListener, SocketStream
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import Metric
from prometheus_client.openmetrics import parser as openmetrics_parser
from prometheus_client.parser import text_string_to_metric_families as plain

from linx_async.cli.events import Event
from linx_async.cli.http_request import LONGEST_HEAD, Refused, Request
from linx_async.cli.metrics import MetricsLimits, MetricsPage
from linx_async.cli.metrics_place import MetricsError, MetricsPlace
from linx_async.metrics import Counts

openmetrics: Callable[[str], Iterable[Metric]] = openmetrics_parser.text_string_to_metric_families
ANY = MetricsPlace.parse("127.0.0.1:0")
GET = b"GET /metrics HTTP/1.1\r\n\r\n"


# Where


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("127.0.0.1:9100", "127.0.0.1:9100"),
        (":9100", "127.0.0.1:9100"),
        ("localhost:0", "127.0.0.1:0"),
        ("0.0.0.0:65535", "0.0.0.0:65535"),
        ("[::1]:9100", "[::1]:9100"),
        ("[2001:DB8::0]:1", "[2001:db8::]:1"),
    ],
)
def test_an_address_is_an_ip_address_and_a_port(text: str, meant: str) -> None:
    place = MetricsPlace.parse(text)
    assert str(place) == meant
    assert MetricsPlace.parse(str(place)) == place


@pytest.mark.parametrize(
    "text",
    [
        *("", ":", "9100", "127.0.0.1", "127.0.0.1:", "127.0.0.1:http", "127.0.0.1:65536"),
        *("::1:9100", "[::1]", "[127.0.0.1]:1", "[]:1", "example.org:9100", "[::1:9100"),
        *(
            "127.0.0.1:9100\n",
            "127.0.0.1:٣",
            "[fe80::1%lo]:1",
            "127.1:9100",
            "127.0.0.1:+1",
            "http://[::1]:1",
        ),
    ],
)
def test_what_is_no_address_is_refused_with_what_was_given(text: str) -> None:
    with pytest.raises(MetricsError) as refused:
        MetricsPlace.parse(text)
    assert str(refused.value).endswith(repr(text))


@given(st.text())
def test_any_text_is_a_place_or_refused(text: str) -> None:
    with suppress(MetricsError):
        assert MetricsPlace.parse(text).port <= 65535


# What is asked


@given(st.binary(max_size=200) | st.binary(max_size=50).map(GET[:-2].__add__))
def test_garbage_is_refused_or_understood(head: bytes) -> None:
    with suppress(Refused):
        request = Request.parse(head)
        assert request.path.isprintable()
        assert "\n" not in request.accept
        assert "\r" not in request.accept


def test_a_request_is_its_first_line_and_the_forms_that_it_accepts() -> None:
    head = b"HEAD /metrics?x=/y HTTP/1.0\r\nHost: a:1\r\naccept: a/b ;q=1\t\r\nX-Y:\r\nACCEPT:c"
    assert Request.parse(head) == Request("HEAD", "/metrics", "a/b ;q=1,c")


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"get /metrics HTTP/1.1",
        b"GET /metrics",
        b"GET  /metrics HTTP/1.1",
        b"GET /met\xffrics HTTP/1.1",
        b"GET /metrics HTTP/2.0",
        b"GET /metrics HTTP/1.1\r\nno field",
        b"GET /metrics HTTP/1.1\r\nAccept: a\r\n folded",
        b"GET /metrics HTTP/1.1\r\nAccept: a\nSet-Cookie: b",
        b"GET /metrics HTTP/1.1\r\nAccept : a",
        b"GET /metrics HTTP/1.1\r\nA\x00: a",
    ],
)
def test_what_is_no_request_is_refused(head: bytes) -> None:
    with pytest.raises(Refused):
        Request.parse(head)


# The page


class Served:
    """A page that is being served."""

    def __init__(self, page: MetricsPage, url: str) -> None:
        self.page = page
        self.url = url
        host, _, port = url.removeprefix("http://").removesuffix("/metrics").rpartition(":")
        self.address = (host.strip("[]"), int(port))

    def connect(self) -> socket.socket:
        return socket.create_connection(self.address, timeout=30)

    async def sent(self, data: bytes, *, half_close: bool = False) -> bytes:
        """What comes back for some bytes until the other side hangs up."""

        def talk() -> bytes:
            with self.connect() as connection:
                try:
                    connection.sendall(data)
                    if half_close:
                        connection.shutdown(socket.SHUT_WR)
                    return b"".join(iter(lambda: connection.recv(65536), b""))
                except (BrokenPipeError, ConnectionResetError):
                    return b""

        return await to_thread.run_sync(talk)

    async def got(self, data: bytes = GET) -> tuple[int, dict[str, str], str]:
        """The status, the fields and the body of the answer."""
        head, _, body = (await self.sent(data)).partition(b"\r\n\r\n")
        first, *lines = head.decode().split("\r\n")
        fields = dict(line.split(": ", 1) for line in lines)
        assert fields["Connection"] == "close"
        return int(first.split()[1]), fields, body.decode()

    async def once_it_answers(self) -> None:
        with anyio.fail_after(30):
            while not (await self.sent(GET)).startswith(b"HTTP/1.1 200 "):
                pass


@asynccontextmanager
async def serving(
    place: MetricsPlace = ANY, tell: Callable[..., None] = print, **limits: Any
) -> AsyncIterator[Served]:
    counts = Counts()
    counts.crashed("one", ZeroDivisionError())
    page = MetricsPage(counts, tell, MetricsLimits(**limits))
    async with anyio.create_task_group() as tasks:
        url: str = await tasks.start(page.serve, place)
        yield Served(page, url)
        tasks.cancel_scope.cancel()


def asking(accept: str) -> bytes:
    return f"GET /metrics HTTP/1.1\r\nHost: x\r\nAccept: {accept}\r\n\r\n".encode()


@pytest.mark.anyio
@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]"])
async def test_the_page_has_the_counts(host: str) -> None:
    async with serving(MetricsPlace.parse(f"{host}:0")) as served:
        assert served.url.startswith(f"http://{host}:")
        status, fields, body = await served.got()
        assert (status, int(fields["Content-Length"])) == (200, len(body))
        assert fields["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
        assert 'linx_crashes_total{loop="one"} 1.0' in body.splitlines()
        served.page.counts.crashed("one", ZeroDivisionError())
        _, _, body = await served.got()
        assert 'linx_crashes_total{loop="one"} 2.0' in body.splitlines()


@pytest.mark.anyio
async def test_it_comes_in_the_form_that_is_asked_for() -> None:
    # As Prometheus asks.
    prefers = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.2"
    async with serving() as served:
        _, fields, body = await served.got(asking(prefers))
        assert fields["Content-Type"].startswith("application/openmetrics-text; version=1.0.0;")
        first = {family.name for family in openmetrics(body)}
        _, fields, body = await served.got(asking("text/html, */*"))
        assert fields["Content-Type"].startswith("text/plain; version=0.0.4;")
        assert first == {family.name for family in plain(body)}


@pytest.mark.anyio
@pytest.mark.parametrize(
    "accept",
    [
        "application/openmetrics-text; version=x.y",
        f"application/openmetrics-text; version={'9' * 6000}",
        "text/plain; version=",
        "text/plain; version=x; escaping=y",
        ";;,,;=",
    ],
)
async def test_who_asks_for_a_form_that_is_none_gets_one(accept: str) -> None:
    told: list[Event] = []
    async with serving(tell=told.append) as served:
        status, _, body = await served.got(asking(accept))
        assert (status, "linx_crashes_total" in body) == (200, True)
    assert told == []


@pytest.mark.anyio
async def test_there_is_no_other_page_and_nothing_but_reading() -> None:
    async with serving() as served:
        for path in ("/", "/metrics/", "/metrics/..", "//metrics", "*", "/%6Detrics"):
            status, _, _ = await served.got(f"GET {path} HTTP/1.1\r\n\r\n".encode())
            assert status == 404
        status, fields, _ = await served.got(b"POST /metrics HTTP/1.1\r\n\r\n")
        assert (status, fields["Allow"]) == (405, "GET, HEAD")
        status, fields, body = await served.got(b"HEAD /metrics HTTP/1.1\r\n\r\n")
        assert (status, body) == (200, "")
        assert int(fields["Content-Length"]) > 0
        status, _, _ = await served.got(b"GET /metrics?name[]=x HTTP/1.0\r\n\r\n")
        assert status == 200


@pytest.mark.anyio
async def test_a_port_that_is_taken_is_an_error() -> None:
    async with serving() as served:
        place = MetricsPlace.parse(":".join(map(str, served.address)))
        with pytest.raises(MetricsError, match=rf"served at {place}: Address already in use"):
            await MetricsPage(Counts(), print).serve(place)
        assert (await served.got())[0] == 200
    async with serving(place):
        pass  # it is free again, whatever connections linger


def test_an_address_that_is_not_ours_is_an_error() -> None:
    with pytest.raises(MetricsError, match=r"192\.0\.2\.1:9: Cannot assign requested address"):
        MetricsPlace.parse("192.0.2.1:9").listen()


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", 400),  # TLS
        (b"\r\n\r\n", 400),
        (b"GET /metrics HTTP/1.1\nHost: x\r\n\r\n", 400),
        (GET[:-2] + b"X: " + b"y" * LONGEST_HEAD, 431),
        (b"x" * (100 * LONGEST_HEAD), 431),
    ],
)
async def test_garbage_is_answered_or_hung_up_on_and_the_next_is_heard(
    data: bytes, status: int
) -> None:
    async with serving() as served:
        back = await served.sent(data)
        # Where it goes on sending, the answer may be lost with the connection.
        assert back[:12] in {b"", f"HTTP/1.1 {status}".encode()}
        assert back or len(data) > LONGEST_HEAD
        assert (await served.got())[0] == 200


@pytest.mark.anyio
async def test_who_closes_one_half_gets_an_answer_and_who_says_nothing_gets_none() -> None:
    async with serving() as served:
        assert (await served.sent(GET, half_close=True)).startswith(b"HTTP/1.1 200 OK\r\n")
        assert await served.sent(b"GET /metr", half_close=True) == b""
        assert await served.sent(b"", half_close=True) == b""


@pytest.mark.anyio
async def test_who_is_slow_is_hung_up_on() -> None:
    async with serving(patience=0.05) as served:
        assert await served.sent(b"GET /met") == b""
        await served.once_it_answers()


@pytest.mark.anyio
async def test_who_does_not_read_is_hung_up_on() -> None:
    async with serving(clients=1, patience=0.05) as served:
        long = "x" * 200_000  # a page that no buffers take
        served.page.counts.crashed(long, ZeroDivisionError())
        with socket.socket() as idle:
            idle.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            await to_thread.run_sync(idle.connect, served.address)
            idle.sendall(GET)
            assert await to_thread.run_sync(idle.recv, 1) == b"H"
            served.page.counts.forget(long)
            await served.once_it_answers()


@pytest.mark.anyio
async def test_one_more_than_may_be_there_at_once_waits_until_another_has_left() -> None:
    async with serving(clients=2, patience=30) as served, anyio.create_task_group() as tasks:
        answers: list[bytes] = []

        async def ask() -> None:
            answers.append(await served.sent(GET))

        with served.connect():
            with served.connect():
                tasks.start_soon(ask)
                for _ in range(50):
                    await to_thread.run_sync(lambda: None)
                assert answers == []
            await served.once_it_answers()


@pytest.mark.anyio
async def test_a_page_that_cannot_be_made_is_told_of_once_and_nothing_ends() -> None:
    told: list[tuple[Event, bool]] = []
    ours = threading.current_thread()

    def tell(event: Event) -> None:
        told.append((event, threading.current_thread() is ours))

    async with serving(tell=tell) as served:

        class Broken:
            def collect(self) -> Any:
                raise ZeroDivisionError

        served.page._registry.register(Broken())
        for _ in range(2):
            status, _, body = await served.got()
            assert (status, body) == (500, f"{HTTPStatus.INTERNAL_SERVER_ERROR.phrase}\n")
    text = "the metrics cannot be written: ZeroDivisionError()"
    assert told == [(Event("error", "", text), True)]


@pytest.mark.anyio
async def test_an_accept_that_fails_is_not_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    async with await SocketListener.from_socket(ANY.listen()) as listener:
        kind = type(listener)
    accept, refusals = kind.accept, iter([OSError(errno.EMFILE, "no more of them")])

    async def failing(self: SocketListener) -> SocketStream:
        for error in refusals:
            raise error
        return await accept(self)

    monkeypatch.setattr(kind, "accept", failing)
    async with serving() as served:
        assert (await served.got())[0] == 200


@pytest.mark.anyio
async def test_a_flood_of_garbage_leaves_nothing_behind() -> None:
    at_once = anyio.CapacityLimiter(16)  # more would wait for another SYN
    async with serving(clients=4, patience=0.05) as served, anyio.create_task_group() as tasks:

        async def send(data: bytes) -> None:
            async with at_once:
                await served.sent(data)

        for number in range(60):
            tasks.start_soon(send, bytes(range(256)) * 4 + b"\r\n\r\n" * (number % 3))
        await served.once_it_answers()
        tasks.cancel_scope.cancel()
