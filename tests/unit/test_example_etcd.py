"""The example's client of etcd goes on, whatever is said to it, and takes only what makes sense."""

from __future__ import annotations

import base64
import json
import logging
from collections.abc import AsyncIterator
from contextlib import aclosing
from itertools import pairwise
from typing import Any

import anyio
import httpx
import pytest

from examples.etcd.keys import EtcdError, put, values

pytestmark = [pytest.mark.anyio, pytest.mark.virtual_time]

HEADER = {"cluster_id": "7", "revision": "5"}
CREATED = {"result": {"header": HEADER, "created": True}}


def line(message: object) -> bytes:
    return json.dumps(message).encode() + b"\n"


def change(value: bytes, revision: str = "6") -> bytes:
    kv = {"mod_revision": revision, "value": base64.b64encode(value).decode()}
    return line({"result": {"header": HEADER, "events": [{"kv": kv}]}})


WHOLE = line(CREATED) + change(b"new")
SILENCE = b"\n"


class FakeEtcd(httpx.AsyncBaseTransport):
    """Has one value, and says of a watch what it was given, the last of that forever."""

    def __init__(self, *watches: bytes, status: int = 200, size: int = 1000) -> None:
        self.answers: list[object] = []
        self.watches = list(watches)
        self.status = status
        self.size = size
        self.asked: list[tuple[float, Any]] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        asked = json.loads(request.content)
        if request.url.path == "/v3/kv/range":
            kv = {"value": base64.b64encode(b"old").decode()}
            answer = {"header": HEADER, "kvs": [kv]}
            return httpx.Response(200, json=self.answers.pop(0) if self.answers else answer)
        self.asked.append((anyio.current_time(), asked))
        said = self.watches.pop(0) if len(self.watches) > 1 else self.watches[0]
        return httpx.Response(self.status, stream=Said(said, self.size))


class Said(httpx.AsyncByteStream):
    """A text in chunks of a size."""

    def __init__(self, text: bytes, size: int) -> None:
        self.text = text
        self.size = size

    async def __aiter__(self) -> AsyncIterator[bytes]:
        if self.text is SILENCE:
            await anyio.sleep_forever()
        for place in range(0, len(self.text), self.size):
            yield self.text[place : place + self.size]


def client(etcd: FakeEtcd) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url="http://etcd", transport=etcd)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (b"\xff\n", "this is not JSON"),
        (b"[" * 100_000 + b"\n", "this is not JSON"),
        (b"[]\n", "this is no object"),
        (line({"result": []}), "this is no message of a watch"),
        (line({"error": {"message": "transport is closing"}}), "transport is closing"),
        (line({"result": {"created": True}}), "this has no header"),
        (line(CREATED) + line({"result": {"events": [7]}}), "this is no change"),
        (line(CREATED) + line({"result": {"events": 7}}), "this is no list of changes: 7"),
        (
            line(CREATED) + line({"result": {"events": [{"kv": {"mod_revision": 6}}]}}),
            "this is no change",
        ),
        (
            line(CREATED) + line({"result": {"events": [{"kv": {"mod_revision": "6x"}}]}}),
            "this is no number",
        ),
        (
            line(CREATED)
            + line({"result": {"events": [{"kv": {"mod_revision": "6", "value": "é"}}]}}),
            "this is not base64",
        ),
        (line({"result": {"canceled": True, "cancel_reason": "no"}}), "was cancelled: no"),
        (
            line(CREATED) + line({"result": {"canceled": True, "compact_revision": "9"}}),
            "up to revision 9",
        ),
        (
            line({"result": {"created": True, "header": {**HEADER, "cluster_id": "8"}}}),
            "this is cluster 8, and it was 7",
        ),
        (b"", "this is no message of a watch: {}"),
        (line(CREATED), "the watch ended"),
    ],
)
async def test_what_makes_no_sense_is_told_and_the_watch_begins_again(
    said: bytes, told: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with client(FakeEtcd(said, WHOLE)) as etcd, aclosing(values(etcd, "key")) as stream:
        seen = [await anext(stream)]
        while seen[-1] != b"new":
            seen.append(await anext(stream))
    assert seen[0] == b"old"
    assert told in caplog.text


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (7, "this is no object: b'7'"),
        ({"kvs": []}, "this has no header"),
        ({"header": HEADER, "kvs": "none"}, "this is no value of a key: 'none'"),
        ({"header": HEADER, "kvs": [{"value": "é"}]}, "this is not base64"),
    ],
)
async def test_an_answer_that_makes_no_sense_is_told_and_it_is_asked_again(
    answer: object, told: str, caplog: pytest.LogCaptureFixture
) -> None:
    fake = FakeEtcd(WHOLE)
    fake.answers = [answer]
    async with client(fake) as etcd, aclosing(values(etcd, "key")) as stream:
        assert await anext(stream) == b"old"
    assert told in caplog.text


@pytest.mark.parametrize("size", [1, 7, 1000])
async def test_messages_come_whole_however_they_were_cut(size: int) -> None:
    said = line(CREATED) + change(b"one", "6") + change(b"two", "9")
    async with client(FakeEtcd(said, size=size)) as etcd, aclosing(values(etcd, "key")) as stream:
        assert [await anext(stream) for _ in range(3)] == [b"old", b"one", b"two"]


async def test_a_watch_goes_on_after_the_last_change_that_was_seen() -> None:
    later = line({"result": {"header": {**HEADER, "revision": "9"}, "created": True}})
    fake = FakeEtcd(
        line(CREATED) + change(b"one", "6") + change(b"two", "9"), later + change(b"new", "10")
    )
    async with client(fake) as etcd, aclosing(values(etcd, "key")) as stream:
        assert [await anext(stream) for _ in range(3)] == [b"old", b"one", b"two"]
        assert await anext(stream) == b"new"
    assert [asked["create_request"]["start_revision"] for _, asked in fake.asked[:2]] == ["6", "10"]


async def test_a_watch_that_says_nothing_at_all_is_begun_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with client(FakeEtcd(SILENCE, WHOLE)) as etcd, aclosing(values(etcd, "key")) as stream:
        assert [await anext(stream) for _ in range(2)] == [b"old", b"new"]
    assert "TimeoutError" in caplog.text


async def test_tries_come_further_and_further_apart_and_are_told_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    fake = FakeEtcd(b'{"message": "etcdserver: no leader"}', status=503)
    with caplog.at_level(logging.INFO, "examples.etcd"):
        async with client(fake) as etcd, aclosing(values(etcd, "key")) as stream:
            assert await anext(stream) == b"old"
            with anyio.move_on_after(3600):
                await anext(stream)
    times = [when for when, _ in fake.asked]
    waits = [after - before for before, after in pairwise(times)]
    assert waits[0] <= 0.1
    assert 5.0 <= max(waits) <= 10.0
    (record,) = caplog.records
    assert "etcd says 503" in record.message
    assert "no leader" in record.message


async def test_a_put_that_is_refused_is_an_error() -> None:
    async with client(FakeEtcd(b"no space", status=500)) as etcd:
        with pytest.raises(EtcdError, match="etcd says 500: no space"):
            await put(etcd, {"key": b"value"})
