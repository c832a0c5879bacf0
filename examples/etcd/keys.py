"""The value of a key in etcd, and each change of it: by etcd's v3 API, over its JSON gateway."""

from __future__ import annotations

import base64
import json
import logging
import random
import socket
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import AsyncExitStack, aclosing, asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

import anyio
import httpx

__all__ = ["EtcdError", "connect", "put", "values"]

SECONDS = 5.0
"""What an answer may take."""
SHORTEST, LONGEST = 0.1, 10.0
"""Seconds between tries: doubled at each that fails, and jittered."""
LARGEST = 64 * 1024 * 1024
"""Bytes of a message."""
KEEPALIVE = [
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 10),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 5),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3),
]
"""A watch says nothing for days where nothing is put; so the kernel asks whether etcd is there."""
WITH_LEADER = {"Grpc-Metadata-hasleader": "true"}
"""A member that is cut off from its cluster would watch on, and see nothing: it is to end that."""

logger = logging.getLogger("examples.etcd")


class EtcdError(Exception):
    """Etcd refused, or what it said makes no sense."""


class HistoryLost(EtcdError):
    """The changes since a revision cannot be had any more."""


@dataclass(frozen=True, slots=True)
class Seen:
    """Up to where a cluster's changes have been seen."""

    cluster: str
    revision: int


def connect(url: str) -> httpx.AsyncClient:
    """A client for `http://127.0.0.1:2379`; to be closed, or used in `async with`."""
    transport = httpx.AsyncHTTPTransport(
        verify=url.startswith("https:"),
        # Each watch has a connection of its own.
        limits=httpx.Limits(max_connections=None),
        socket_options=KEEPALIVE,
    )
    return httpx.AsyncClient(base_url=url, transport=transport, timeout=SECONDS, trust_env=False)


async def put(etcd: httpx.AsyncClient, values: Mapping[str, bytes]) -> None:
    """Put the values of keys, all in one transaction; etcd takes 128 unless told otherwise.

    Raises:
        httpx.HTTPError: Etcd cannot be reached.
        EtcdError: It refused.
    """
    puts = [
        {"request_put": {"key": encoded(key.encode()), "value": encoded(value)}}
        for key, value in values.items()
    ]
    await ask(etcd, "/v3/kv/txn", {"success": puts})


async def values(etcd: httpx.AsyncClient, key: str) -> AsyncGenerator[bytes, None]:
    """The present value of a key, then each one that is put; without end.

    Where etcd cannot be reached, it waits, tries again, and goes on after the last change that it
    has seen. Where that is not possible, since the history was compacted or is another one, it
    goes on with what is the present value then. A key that is not there has no value: nothing is
    told of it, nor of its deletion.
    """
    seen: Seen | None = None
    failures = 0
    while True:
        try:
            if seen is None:
                value, seen = await read(etcd, key)
                if value is not None:
                    yield value
            async with aclosing(changes(etcd, key, seen)) as stream:
                async for value, now in stream:
                    seen, failures = now, 0
                    if value is not None:
                        yield value
        except HistoryLost as error:
            logger.warning("%s: %s; it is read anew", key, error)
            seen = None
        except (httpx.HTTPError, EtcdError, TimeoutError) as error:
            level = logging.DEBUG if failures else logging.WARNING  # once, until it is back
            logger.log(level, "%s: %s; trying until it is back", key, str(error) or repr(error))
        await anyio.sleep(pause(failures))
        failures += 1


def pause(failures: int) -> float:
    """Seconds until the next try, after that many in a row before the last that failed."""
    jitter = random.uniform(0.5, 1.0)  # noqa: S311 - jitter is no secret
    return float(min(SHORTEST * 2.0 ** min(failures, 32), LONGEST) * jitter)


async def read(etcd: httpx.AsyncClient, key: str) -> tuple[bytes | None, Seen]:
    """The present value of a key, None where it is not there; and as of when that is."""
    answer = await ask(etcd, "/v3/kv/range", {"key": encoded(key.encode())})
    match answer:
        case {"kvs": [dict(found)]}:
            return decoded(found.get("value", "")), seen_in(answer)
        case {"kvs": others} if others != []:
            raise EtcdError(f"this is no value of a key: {others!r:.200}")
    return None, seen_in(answer)


async def changes(
    etcd: httpx.AsyncClient, key: str, seen: Seen
) -> AsyncGenerator[tuple[bytes | None, Seen], None]:
    """Each change of a key after a revision: its new value, None where it was deleted.

    The first is none, but tells that etcd listens. It never ends without an error.
    """
    request = {"key": encoded(key.encode()), "start_revision": str(seen.revision + 1)}
    async with AsyncExitStack() as stack:
        with anyio.fail_after(SECONDS):
            watch = etcd.stream(
                "POST",
                "/v3/watch",
                json={"create_request": request},
                headers=WITH_LEADER,
                timeout=httpx.Timeout(SECONDS, read=None),
            )
            response = await stack.enter_async_context(watch)
            stream = await stack.enter_async_context(aclosing(messages(response)))
            check_history(seen, seen_in(result_of(await anext(stream, {}))))
        yield None, seen
        async for message in stream:
            for change in changes_in(result_of(message)):
                value, revision = change_of(change)
                seen = Seen(seen.cluster, revision)
                yield value, seen
    raise EtcdError("the watch ended")


def check_history(seen: Seen, now: Seen) -> None:
    """Make sure that etcd has the history of which we have seen a part."""
    if now.cluster != seen.cluster:
        raise HistoryLost(f"this is cluster {now.cluster}, and it was {seen.cluster}")
    if now.revision < seen.revision:  # it was restored from a backup, say
        raise HistoryLost(f"this is revision {now.revision}, and it was {seen.revision}")


async def ask(etcd: httpx.AsyncClient, path: str, request: object) -> Mapping[str, Any]:
    """One request, and its answer."""
    response = await etcd.post(path, json=request)
    if response.status_code != httpx.codes.OK:
        raise EtcdError(refusal(response.status_code, response.content))
    return parsed(response.content)


async def messages(response: httpx.Response) -> AsyncGenerator[Mapping[str, Any], None]:
    """The messages of a stream, one a line."""
    if response.status_code != httpx.codes.OK:
        raise EtcdError(refusal(response.status_code, await response.aread()))
    begun = bytearray()
    async with ended(response) as chunks:
        async for chunk in chunks:
            *ends, rest = chunk.split(b"\n")
            for end in ends:
                yield parsed(bytes(begun + end))
                begun.clear()
            begun += rest
            if len(begun) > LARGEST:
                raise EtcdError(f"a message has more than {LARGEST} bytes")


@asynccontextmanager
async def ended(response: httpx.Response) -> AsyncGenerator[AsyncIterator[bytes], None]:
    """The content of a response, which need not be read to its end."""
    chunks = response.aiter_bytes()
    try:
        yield chunks
    finally:
        # Closing them would leave those within, which are httpx's own, to the garbage collector.
        with anyio.CancelScope(shield=True), suppress(httpx.HTTPError):
            await response.aclose()
            async for _ in chunks:
                pass


def refusal(status: int, content: bytes) -> str:
    """What etcd says that refuses."""
    return f"etcd says {status}: {content[:200].decode(errors='replace').strip()}"


def parsed(text: bytes) -> Mapping[str, Any]:
    """An object of JSON."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise EtcdError(f"this is not JSON: {text[:200]!r}: {error}") from error
    if not isinstance(found, dict):
        raise EtcdError(f"this is no object: {text[:200]!r}")
    return found


def result_of(message: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a message of a watch says, unless that is the end of it."""
    match message:
        case {"result": {"compact_revision": revision}}:
            raise HistoryLost(f"compacted up to revision {revision}")
        case {"result": {"canceled": True, **more}}:
            raise EtcdError(f"the watch was cancelled: {more.get('cancel_reason')}")
        case {"result": dict(result)}:
            return result
        case {"error": {"message": str(reason)}}:
            raise EtcdError(reason)
    raise EtcdError(f"this is no message of a watch: {message!r:.200}")


def seen_in(answer: Mapping[str, Any]) -> Seen:
    """As of when an answer is."""
    match answer:
        case {"header": {"cluster_id": str(cluster), "revision": str(revision)}}:
            return Seen(cluster, number(revision))
    raise EtcdError(f"this has no header: {answer!r:.200}")


def changes_in(result: Mapping[str, Any]) -> list[object]:
    """The changes that a message tells of."""
    events = result.get("events", [])
    if not isinstance(events, list):
        raise EtcdError(f"this is no list of changes: {events!r:.200}")
    return events


def change_of(change: object) -> tuple[bytes | None, int]:
    """The value that a change brought, None where the key is gone; and its revision."""
    match change:
        case {"type": "DELETE", "kv": {"mod_revision": str(revision)}}:
            return None, number(revision)
        case {"kv": {"mod_revision": str(revision), **more}}:
            return decoded(more.get("value", "")), number(revision)
    raise EtcdError(f"this is no change: {change!r:.200}")


def number(text: str) -> int:
    """A number of 64 bits, which JSON carries as text."""
    if not (text.isascii() and text.isdecimal() and len(text) < 20):
        raise EtcdError(f"this is no number: {text[:200]!r}")
    return int(text)


def encoded(text: bytes) -> str:
    """Bytes, as JSON carries them."""
    return base64.b64encode(text).decode("ascii")


def decoded(text: object) -> bytes:
    """Bytes that JSON carried."""
    try:
        return base64.b64decode(str(text), validate=True)
    except ValueError as error:
        raise EtcdError(f"this is not base64: {text!r:.200}") from error
