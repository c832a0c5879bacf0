from __future__ import annotations

import errno
from collections.abc import AsyncIterator

import anyio.to_thread
import pytest
from attrs import evolve

from linx_async._core.errors import DesiredStateError, OpError
from linx_async._kernel.netlink import Flag, pack_attribute, pack_u32
from linx_async._kernel.netns import NetworkNamespace
from linx_async._kernel.socket import NetlinkSocket
from linx_async.rtnl.codec.rule import DUMP, decode, encode, encode_delete, is_ours
from linx_async.rtnl.codec.wire import Type
from linx_async.rtnl.desired import Rule
from linx_async.testing.namespaces import Namespaces
from tests.pyroute2_rules import rule_fields

pytestmark = pytest.mark.anyio

CREATE = Flag.CREATE | Flag.EXCL
TAG = 76
SRC, SPORT_RANGE = 2, 23
IIF_DETACHED, OIF_DETACHED, UNRESOLVED = 0x8, 0x10, 0x4

RULES = [
    Rule(100, 50),
    Rule(100, "main", family=6),
    Rule(0, 50),
    Rule(2**32 - 1, 50),
    Rule(100, 252),
    Rule(100, 256),
    Rule(100, 2**32 - 1),
    Rule(100, 50, source="10.0.0.0/8"),
    Rule(100, 50, destination="192.0.2.1"),
    Rule(100, 50, source="fd00::/64", destination="2001:db8::1"),
    Rule(100, 50, fwmark=5),
    Rule(100, 50, fwmark=0x100, fwmask=0xFF00),
    Rule(100, 50, fwmark=0),
    Rule(100, 50, fwmark=0, fwmask=0xFF),
    Rule(100, 50, fwmark=5, fwmask=0),
    Rule(100, 50, fwmark=0, fwmask=0),
    Rule(100, 50, iif="lo"),
    Rule(100, 50, oif="lo"),
    Rule(100, 50, iif="late0", oif="late1"),
    Rule(100, 50, tos=0x1C),
    Rule(100, 50, tos=0xFC, family=6),
    Rule(100, 50, uid_range=(0, 0)),
    Rule(100, 50, ip_protocol=6),
    Rule(100, 50, ip_protocol=17, source_ports=(1, 65534)),
    Rule(100, 50, ip_protocol=17, destination_ports=53),
    Rule(100, 50, source="10.0.0.0/8", invert=True),
    Rule(100, action="goto", goto=200),
    Rule(100, action="nop"),
    Rule(100, action="blackhole"),
    Rule(100, action="unreachable", family=6),
    Rule(100, action="prohibit", source="10.1.0.0/16"),
    Rule(100, 50, suppress_prefix_length=0),
    Rule(100, 50, suppress_prefix_length=128, family=6),
    Rule(100, 50, suppress_group=0),
    Rule(100, 50, suppress_group=2**31 - 1),
]


@pytest.fixture
async def sock(box: Namespaces) -> AsyncIterator[NetlinkSocket]:
    """A socket in a namespace that has no rules but the kernel's."""
    target = await anyio.to_thread.run_sync(NetworkNamespace.of_pid(box.pid).open)
    try:
        async with await NetlinkSocket.open(opener=target.call) as sock:
            yield sock
    finally:
        target.close()


async def payloads(sock: NetlinkSocket) -> list[bytes]:
    messages = await sock.request(Type.GETRULE, Flag.DUMP, DUMP, key="rules")
    return [message.payload for message in messages if is_ours(message.payload)]


async def present(sock: NetlinkSocket) -> list[Rule]:
    """The rules that are not the kernel's own."""
    rules = [decode(payload, {}) for payload in await payloads(sock)]
    return [rule for rule in rules if rule.protocol != 2]


async def add(sock: NetlinkSocket, *rules: Rule) -> None:
    for rule in rules:
        await sock.request(Type.NEWRULE, CREATE, encode(rule, {}, TAG), key=rule.key)


async def delete(sock: NetlinkSocket, rule: Rule) -> None:
    await sock.request(Type.DELRULE, 0, encode_delete(rule, {}), key=rule.key)


async def test_the_kernels_rules_read_as_pyroute2_reads_them(sock: NetlinkSocket) -> None:
    found = await payloads(sock)
    rules = [decode(payload, {}) for payload in found]
    told = [(rule.family, rule.priority, rule.table) for rule in rules]
    assert told[:3] == [(4, 0, 255), (4, 32766, 254), (4, 32767, 253)]
    assert {rule.protocol for rule in rules} == {2}
    for rule, fields in zip(rules, map(rule_fields, found), strict=True):
        assert {name: getattr(rule, name) for name in fields} == fields
        assert rule.unknown == ()


@pytest.mark.parametrize("rule", RULES, ids=str)
async def test_a_rule_is_taken_read_back_equal_and_deleted(sock: NetlinkSocket, rule: Rule) -> None:
    before = await payloads(sock)
    await add(sock, rule)
    (payload,) = [payload for payload in await payloads(sock) if payload not in before]
    back, fields = decode(payload, {}), rule_fields(payload)
    assert back == evolve(rule, protocol=TAG)
    assert back.unknown == ()
    assert {name: getattr(back, name) for name in fields} == fields
    await delete(sock, back)
    assert await payloads(sock) == before


async def test_a_rule_of_the_table_of_a_vrf(sock: NetlinkSocket) -> None:
    rule = Rule(100, l3mdev=True)
    try:
        await add(sock, rule)
    except OpError as error:
        pytest.skip(f"this kernel has no l3mdev rules: {error.message or error.errno}")
    assert await present(sock) == [evolve(rule, protocol=TAG)]
    await delete(sock, evolve(rule, protocol=TAG))
    assert await present(sock) == []


async def test_an_interface_or_a_target_that_is_not_there_is_told_in_the_flags(
    sock: NetlinkSocket,
) -> None:
    await add(sock, Rule(100, 50, iif="late0", oif="late1"), Rule(101, action="goto", goto=200))
    detached, unresolved = await present(sock)
    assert detached.flags == IIF_DETACHED | OIF_DETACHED
    assert unresolved.flags == UNRESOLVED


@pytest.mark.parametrize("tag", [0, 4, TAG, 255])
async def test_the_tag_comes_back(sock: NetlinkSocket, tag: int) -> None:
    rule = Rule(100, 50, protocol=tag)
    await add(sock, rule)
    assert await present(sock) == [rule]


async def test_a_rule_with_another_tag_is_not_deleted(sock: NetlinkSocket) -> None:
    await add(sock, Rule(100, 50, protocol=77))
    with pytest.raises(OpError) as missing:
        await delete(sock, Rule(100, 50, protocol=TAG))
    assert missing.value.errno == errno.ENOENT
    assert len(await present(sock)) == 1


@pytest.mark.parametrize("tag", [None, 0])
async def test_a_delete_without_a_tag_takes_anybodys(sock: NetlinkSocket, tag: int | None) -> None:
    await add(sock, Rule(100, 50, protocol=77))
    await delete(sock, Rule(100, 50, protocol=tag))
    assert await present(sock) == []


async def test_the_same_rule_with_another_tag_is_one_more(sock: NetlinkSocket) -> None:
    await add(sock, Rule(100, 50, protocol=77), Rule(100, 50, protocol=TAG))
    await delete(sock, Rule(100, 50, protocol=TAG))
    assert [rule.protocol for rule in await present(sock)] == [77]


async def test_the_same_rule_twice_is_refused(sock: NetlinkSocket) -> None:
    await add(sock, Rule(100, 50, source="10.0.0.0/8"))
    with pytest.raises(OpError) as taken:
        await add(sock, Rule(100, 50, source="10.0.0.0/8"))
    assert taken.value.errno == errno.EEXIST


NARROWER = [
    Rule(100, 50, source="10.0.0.0/8"),
    Rule(100, 50, destination="10.0.0.0/8"),
    Rule(100, 50, tos=16),
]


@pytest.mark.parametrize("narrow", NARROWER, ids=str)
async def test_a_rule_is_refused_after_one_that_adds_an_address_or_a_tos(
    sock: NetlinkSocket, narrow: Rule
) -> None:
    """What a rule does not say is not compared: fib4_rule_compare() in net/ipv4/fib_rules.c."""
    wide = Rule(100, 50)
    await add(sock, narrow)
    with pytest.raises(OpError) as taken:
        await add(sock, wide)
    assert taken.value.errno == errno.EEXIST
    await delete(sock, evolve(narrow, protocol=TAG))
    await add(sock, wide, narrow)
    assert len(await present(sock)) == 2


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Rule(100, 50, source="10.0.0.0/8"), Rule(100, 50, source="10.0.0.0/8", invert=True)),
        (Rule(100, action="goto", goto=200), Rule(100, action="goto", goto=300)),
    ],
    ids=["inverted", "another target"],
)
async def test_inversion_and_the_target_tell_no_rules_apart(
    sock: NetlinkSocket, one: Rule, other: Rule
) -> None:
    await add(sock, one)
    with pytest.raises(OpError) as taken:
        await add(sock, other)
    assert taken.value.errno == errno.EEXIST
    await delete(sock, evolve(other, protocol=TAG))
    assert await present(sock) == []


async def test_a_delete_takes_the_first_rule_that_has_all_it_says(sock: NetlinkSocket) -> None:
    await add(sock, Rule(100, 50, fwmark=5), Rule(100, 50))
    await delete(sock, Rule(100, 50, protocol=TAG))
    assert [rule.fwmark for rule in await present(sock)] == [None]


async def test_a_foreign_rule_with_host_bits_is_read_and_deleted(sock: NetlinkSocket) -> None:
    payload = bytearray(encode(Rule(100, 50), {}, 4)) + pack_attribute(SRC, bytes([10, 0, 0, 1]))
    payload[2] = 8
    await sock.request(Type.NEWRULE, CREATE, bytes(payload))
    (rule,) = await present(sock)
    assert str(rule.source) == "10.0.0.0/8"
    await delete(sock, rule)
    assert await present(sock) == []


async def test_what_a_rule_cannot_say_the_kernel_would_refuse(sock: NetlinkSocket) -> None:
    plain = encode(Rule(100, 50), {}, TAG)
    for tos in (0x01, 0x20):
        with pytest.raises(DesiredStateError, match=f"tos: {tos:#x}"):
            Rule(100, 50, tos=tos)
        with pytest.raises(OpError, match=r"EINVAL.*tos"):
            await sock.request(Type.NEWRULE, CREATE, plain[:3] + bytes([tos]) + plain[4:])
    with pytest.raises(DesiredStateError, match="65535"):
        Rule(100, 50, source_ports=65535)
    port = pack_attribute(SPORT_RANGE, b"\xff\xff\xff\xff")
    with pytest.raises(OpError, match="EINVAL"):
        await sock.request(Type.NEWRULE, CREATE, plain + port)


async def test_a_dump_takes_a_family_and_no_other_filter(sock: NetlinkSocket) -> None:
    only_6 = await sock.request(Type.GETRULE, Flag.DUMP, bytes([10]) + DUMP[1:])
    assert {decode(message.payload, {}).family for message in only_6} == {6}
    for wrong in (DUMP[:4] + bytes([254]) + DUMP[5:], DUMP + pack_u32(15, 254)):
        with pytest.raises(OpError) as refused:
            await sock.request(Type.GETRULE, Flag.DUMP, wrong)
        assert refused.value.errno == errno.EINVAL
