"""Every kind of expression goes to the kernel in its canonical form, and comes back in it."""

from __future__ import annotations

import errno
import shutil
import struct
from collections.abc import Iterator

import pytest

from linx_async._kernel.netlink import Flag, pack_attribute
from linx_async.netfilter.codec.abi import Family, Message, RuleAttribute
from linx_async.netfilter.codec.describing import described
from linx_async.netfilter.codec.expressions import canonical, encoded, expressions, joined
from linx_async.netfilter.codec.state import State, states, with_state
from linx_async.testing.namespaces import throwaway
from tests.kernel.nft_families import needs_inet
from tests.netfilter_raw import Dump, Netfilter, Refused, copy_of, packed
from tests.netfilter_rules import FILTER, SETS, cases

pytestmark = [
    pytest.mark.skipif(shutil.which("nft") is None, reason="nft is not installed"),
    needs_inet,
]

ADD = int(Flag.REQUEST | Flag.ACK | Flag.CREATE | Flag.APPEND)
REPLACE = int(Flag.REQUEST | Flag.ACK | Flag.REPLACE)
LACKING = {errno.ENOENT, errno.EOPNOTSUPP}

Pairs = list[tuple[str, dict[int, bytes]]]


def be32(value: int) -> bytes:
    return struct.pack(">I", value)


def be64(value: int) -> bytes:
    return struct.pack(">Q", value)


def value(data: bytes) -> bytes:
    return pack_attribute(1, data)


def nested(name: str, attributes: dict[int, bytes]) -> bytes:
    return pack_attribute(1, name.encode() + b"\0") + pack_attribute(2, packed(attributes))


MARK_TO_1 = ("meta", {1: be32(1), 2: be32(3)})
PORT_TO_1 = ("immediate", {1: be32(1), 2: value(b"\0\x50")})

BY_HAND: dict[str, Pairs] = {
    "what a tunnel carries": [
        (
            "inner",
            {
                1: be32(0),
                2: be32(1),
                3: be32(0xF),
                4: be32(8),
                5: nested("payload", {1: be32(1), 2: be32(1), 3: be32(12), 4: be32(4)}),
            },
        )
    ],
    "a tunnel's id": [("tunnel", {1: be32(1), 2: be32(1)})],
    "the last packet": [("last", {})],
    "the last packet, a second ago": [("last", {1: be32(1), 2: be64(1000)})],
    "two registers": [
        MARK_TO_1,
        ("ct", {1: be32(2), 2: be32(3)}),
        ("bitwise", {1: be32(1), 2: be32(1), 3: be32(4), 6: be32(3), 8: be32(2)}),
    ],
    "a register and a value": [
        MARK_TO_1,
        ("bitwise", {1: be32(1), 2: be32(1), 3: be32(4), 6: be32(5), 7: value(be32(7))}),
    ],
    "no operation": [
        MARK_TO_1,
        (
            "bitwise",
            {1: be32(1), 2: be32(1), 3: be32(4), 4: value(be32(255)), 5: value(be32(0))},
        ),
    ],
    "registers by their new numbers": [
        ("meta", {1: be32(8), 2: be32(3)}),
        ("cmp", {1: be32(8), 2: be32(0), 3: value(be32(7))}),
        ("meta", {1: be32(12), 2: be32(3)}),
        ("meta", {1: be32(9), 2: be32(3)}),
    ],
    "no burst": [("limit", {1: be64(10), 2: be64(1)})],
    "a burst of 0 packets": [("limit", {1: be64(10), 2: be64(1), 3: be32(0)})],
    "a burst of 0 bytes": [("limit", {1: be64(10), 2: be64(1), 3: be32(0), 4: be32(1)})],
    "no level": [("log", {})],
    "the usual level, no flags": [("log", {5: be32(4), 6: be32(0)})],
    "an empty prefix": [("log", {2: b"\0"})],
    "a prefix without its NUL": [("log", {2: b"abc"})],
    "no bytes of a packet": [("log", {1: b"\0\0", 3: be32(0)})],
    "a quota without flags": [("quota", {1: be64(10)})],
    "a counter without numbers": [("counter", {})],
    "a connection limit without flags": [("connlimit", {1: be32(10)})],
    "payload without a checksum": [
        ("immediate", {1: be32(1), 2: value(b"\5")}),
        ("payload", {2: be32(1), 3: be32(8), 4: be32(1), 5: be32(1)}),
    ],
    "an IPv6 extension header": [("exthdr", {1: be32(1), 2: b"\0", 3: be32(0), 4: be32(1)})],
    "a reset with a code": [("reject", {1: be32(1), 2: b"\3"})],
    "an operating system": [("osf", {1: be32(1)})],
    "a proxy of nothing": [("synproxy", {})],
    "numbers from 0": [("numgen", {1: be32(1), 2: be32(4), 3: be32(0)})],
    "a hash without a seed": [
        ("payload", {1: be32(2), 2: be32(1), 3: be32(12), 4: be32(4)}),
        ("hash", {1: be32(2), 2: be32(1), 3: be32(4), 4: be32(4)}),
    ],
    "the first transformation": [("xfrm", {1: be32(1), 2: be32(5), 3: b"\0"})],
    "an xtables match": [("match", {1: b"comment\0", 2: be32(0), 3: bytes(256)})],
    "an xtables target": [("target", {1: b"MARK\0", 2: be32(2), 3: bytes(8)})],
    "a queue": [("queue", {1: b"\0\3"})],
    "a byte order": [
        MARK_TO_1,
        ("byteorder", {1: be32(1), 2: be32(1), 3: be32(1), 4: be32(4), 5: be32(4)}),
    ],
}

REFUSED = {
    'osf name "Linux"': "",
    "tcp option maxseg size set 1000": "",
    "reset tcp option sack-perm": "",
    "add @met { ip saddr }": SETS,
    "update @met { ip saddr limit rate 1/second counter }": SETS,
}


@pytest.fixture(scope="module")
def netfilter() -> Iterator[Netfilter]:
    with throwaway("net") as box:
        commands = "link add eth0 type veth peer name eth1\nlink set eth0 up\n"
        box.run(["ip", "-batch", "-"], input=commands)
        with Netfilter(box) as netfilter:
            yield netfilter


@pytest.fixture(autouse=True)
def empty(netfilter: Netfilter) -> Iterator[None]:
    yield
    netfilter.box.run(["nft", "flush", "ruleset"])


def load(netfilter: Netfilter, rules: str, beside: str = "", hook: str = FILTER) -> Dump:
    """A table t with a chain c."""
    netfilter.nft(f"table inet t {{ {beside}\n chain c {{ {hook}\n {rules}\n }}\n }}")
    return Dump(netfilter, Family.INET, "t")


def rule(body: bytes, **more: bytes) -> bytes:
    numbers = {int(RuleAttribute[name.upper()]): said for name, said in more.items()}
    return packed({1: "t", 2: "c", 4: body, **numbers})


@pytest.mark.parametrize(("family", "hook", "beside", "text"), list(cases()))
def test_an_expression_comes_back_as_it_was_sent(
    netfilter: Netfilter, family: str, hook: str, beside: str, text: str
) -> None:
    netfilter.nft(f"table {family} t {{ {beside}\n chain c {{ {hook}\n {text}\n }}\n }}")
    before = Dump(netfilter, Family[family.upper()], "t")
    netfilter.batch(before.family, copy_of(before, "copy"))
    after = Dump(netfilter, before.family, "copy")
    assert after.canonical_rules() != []
    assert [each.body for each in after.canonical_rules()] == [
        each.body for each in before.canonical_rules()
    ]
    listed = netfilter.box.run(["nft", "-s", "list", "ruleset"]).stdout
    one, other = listed.split(f"table {family} copy ")
    assert f"table {family} t {other}" == one


@pytest.mark.parametrize("what", BY_HAND)
def test_what_is_left_out_of_the_canonical_form_makes_no_difference(
    netfilter: Netfilter, what: str
) -> None:
    load(netfilter, "")
    raw = joined((name, packed(attributes)) for name, attributes in BY_HAND[what])
    sent = canonical(raw).body
    try:
        netfilter.batch(Family.INET, [(Message.NEWRULE, ADD, rule(raw))])
    except Refused as refused:
        if refused.number in LACKING:
            pytest.skip(f"this kernel lacks {', '.join(name for name, _ in BY_HAND[what])}")
        raise
    netfilter.batch(Family.INET, [(Message.NEWRULE, ADD, rule(sent))])
    found = [each.body for each in Dump(netfilter, Family.INET, "t").canonical_rules()]
    assert found == [sent, sent]


@pytest.mark.parametrize("kind", ["nat", "redir", "masq"])
def test_the_registers_of_a_translation_say_what_its_flags_do(
    netfilter: Netfilter, kind: str
) -> None:
    place = "postrouting" if kind == "masq" else "prerouting"
    load(netfilter, "", hook=f"type nat hook {place} priority 0;")
    ports: dict[str, dict[int, bytes]] = {
        "nat": {1: be32(1), 2: be32(2), 5: be32(1), 7: be32(4)},
        "redir": {1: be32(1), 3: be32(4)},
        "masq": {1: be32(4), 2: be32(1)},
    }
    raw = joined((name, packed(said)) for name, said in (PORT_TO_1, (kind, ports[kind])))
    netfilter.batch(Family.INET, [(Message.NEWRULE, ADD, rule(raw))])
    (told,) = Dump(netfilter, Family.INET, "t").rules
    assert told[1] != raw
    assert canonical(told[1]).body == canonical(raw).body == raw


@pytest.mark.parametrize("text", REFUSED)
def test_what_the_kernel_tells_and_does_not_take_back_is_left_out(
    netfilter: Netfilter, text: str
) -> None:
    ((_, raw),) = load(netfilter, text, REFUSED[text]).rules
    with pytest.raises(Refused):
        netfilter.batch(Family.INET, [(Message.NEWRULE, ADD, rule(raw))])
    netfilter.batch(Family.INET, [(Message.NEWRULE, ADD, rule(canonical(raw).body))])
    one, other = Dump(netfilter, Family.INET, "t").canonical_rules()
    assert one == other


def test_a_named_set_of_the_same_batch_is_found_by_its_name(netfilter: Netfilter) -> None:
    before = load(netfilter, "ip saddr @s4 drop", SETS)
    (found,) = before.canonical_rules()
    assert (found.sets, found.references.sets) == ((), ("s4",))
    assert encoded(found.body) == found.body
    netfilter.batch(Family.INET, copy_of(before, "copy"))
    assert Dump(netfilter, Family.INET, "copy").canonical_rules() == [found]


def test_an_anonymous_set_is_found_by_its_id_alone(netfilter: Netfilter) -> None:
    before = load(netfilter, "tcp dport { 22, 80 } ip saddr { 10.0.0.1, 10.0.0.2 } drop")
    (found,) = before.canonical_rules()
    assert found.sets == ("__set0", "__set1")
    named = encoded(found.body, [("__set7", 1), ("__set%d", 1000)])
    with pytest.raises(Refused, match="No such file"):
        netfilter.batch(Family.INET, [(Message.NEWRULE, ADD, rule(named))])
    netfilter.batch(Family.INET, copy_of(before, "copy"))


def test_the_set_of_a_meter_is_anonymous_and_has_a_name_of_its_own(netfilter: Netfilter) -> None:
    before = load(netfilter, "meter m { ip saddr limit rate 1/second }")
    assert before.anonymous == {"m"}
    (found,) = before.canonical_rules()
    assert found.sets == ("m",)
    assert b"__set0" in found.body


def test_a_chain_that_is_jumped_to_takes_no_more_rules(netfilter: Netfilter) -> None:
    before = load(netfilter, "tcp dport 22 jump {\n drop\n }")
    (bound,) = before.bound
    late = packed({1: "t", 2: bound, 4: before.rules[1][1]})
    with pytest.raises(Refused) as refused:
        netfilter.batch(Family.INET, [(Message.NEWRULE, ADD, late)])
    assert refused.value.number == errno.EOPNOTSUPP


@pytest.mark.parametrize("milliseconds", [20, 60, 1980, 3_600_020])
def test_a_timeout_in_steps_of_20_ms_is_the_same_whatever_a_jiffy_is(
    netfilter: Netfilter, milliseconds: int
) -> None:
    text = f"update @seen {{ ip saddr timeout {milliseconds}ms }}"
    (found,) = load(netfilter, text, SETS).canonical_rules()
    assert f"timeout={milliseconds} " in f"{described(found.body)} "


def test_references_are_told_each_once(netfilter: Netfilter) -> None:
    rules = 'ip saddr @s4 counter name "c1" ip daddr @s4 quota name "q1" jump other'
    (found,) = load(netfilter, rules, SETS).canonical_rules()
    assert found.references.sets == ("s4",)
    assert found.references.objects == ((1, "c1"), (2, "q1"))
    assert found.references.chains == ("other",)


def test_a_replaced_rule_goes_on_counting_where_the_old_one_stopped(
    netfilter: Netfilter,
) -> None:
    text = "tcp dport 22 counter packets 3 bytes 1000 quota over 10 kbytes used 5 kbytes"
    before = load(netfilter, text)
    ((_, raw),) = before.rules
    counted = (State("counter", packets=3, bytes=1000), State("quota", bytes=5120))
    assert states(raw) == counted
    handle = before.raw_rules[0][RuleAttribute.HANDLE]

    body = canonical(raw).body + joined([("last", b"")])
    for sent, then in (
        (with_state(body, raw), counted),
        (body, (State("counter", packets=0, bytes=0), State("quota", bytes=0))),
    ):
        replaced = rule(sent, handle=handle)
        netfilter.batch(Family.INET, [(Message.NEWRULE, REPLACE, replaced)])
        ((_, now),) = Dump(netfilter, Family.INET, "t").rules
        assert states(now) == (*then, State("last"))
        assert canonical(now).body == body


def test_a_quota_that_is_used_up_is_the_same_quota(netfilter: Netfilter) -> None:
    ((_, raw),) = load(netfilter, "quota over 10 bytes").rules
    used = with_state(canonical(raw).body, raw.replace(be64(0), be64(10)))
    netfilter.batch(Family.INET, [(Message.NEWRULE, ADD, rule(used))])
    one, other = Dump(netfilter, Family.INET, "t").canonical_rules()
    assert one == other


def test_expressions_are_known_by_name(netfilter: Netfilter) -> None:
    ((_, raw),) = load(netfilter, "meta l4proto tcp counter accept").rules
    assert [name for name, _ in expressions(raw)] == ["meta", "cmp", "counter", "immediate"]
