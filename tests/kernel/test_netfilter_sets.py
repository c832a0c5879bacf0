from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from random import Random
from typing import Any

import pytest

from linx_async._kernel.netlink import Flag, pack_attribute, pack_text
from linx_async.netfilter import build as make
from linx_async.netfilter.codec import elements as element_codec
from linx_async.netfilter.codec import sets as set_codec
from linx_async.netfilter.codec import tables as table_codec
from linx_async.netfilter.codec.abi import Family, Message
from linx_async.netfilter.desired import Elements, Rest, Set
from linx_async.netfilter.desired.sets import with_elements
from linx_async.netfilter.desired.shown import elements_shown
from linx_async.netfilter.text.compiler import compile_now
from linx_async.netfilter.text.errors import TextError
from linx_async.netfilter.text.raw import RawSet, RawTable
from linx_async.testing.namespaces import Namespaces, throwaway
from tests.kernel.nft_families import needs_inet
from tests.netfilter_raw import Netfilter
from tests.netfilter_sets import DECLARED, Case, all_cases

ADMINISTRATION = "/usr/local/sbin:/usr/sbin:/sbin"
NFT = shutil.which("nft", path=f"{os.environ.get('PATH', os.defpath)}:{ADMINISTRATION}")
pytestmark = [pytest.mark.skipif(NFT is None, reason="nft (nftables) is not installed"), needs_inet]

ADD = int(Flag.REQUEST | Flag.ACK | Flag.CREATE)
AT_ONCE = 40
"""Sets in a batch: more answers than that, an element list each, overflow the socket."""
CASES = all_cases()


def sets_of(table: RawTable) -> dict[str, Set]:
    """The sets of a table as the kernel has them."""
    return dict(map(read, table.sets))


def read(raw: RawSet) -> tuple[str, Set]:
    _, head = set_codec.decode(raw.payload)
    found = element_codec.decode(raw.elements, head.set.type.length)
    return raw.name, with_elements(head.set, Elements(found))


@pytest.fixture(scope="module")
def by_nft() -> dict[str, Set]:
    """What nft makes of all the cases."""
    texts = "\n".join(case.text for case in CASES)
    (table,) = compile_now(f"table inet t {{\n{DECLARED}{texts}\n}}\n")
    return sets_of(table)


@pytest.fixture
def kernel() -> Iterator[Kernel]:
    with throwaway("net") as box, Netfilter(box) as netfilter:
        yield Kernel(box, netfilter)


class Kernel:
    """A table of sets in a network namespace of its own."""

    def __init__(self, box: Namespaces, netfilter: Netfilter) -> None:
        self.box, self.netfilter = box, netfilter

    def load(self, sets: Iterable[Set]) -> None:
        self.netfilter.batch(Family.INET, [(Message.NEWTABLE, ADD, pack_text(1, "t"))])
        left = list(sets)
        while left:
            messages: list[tuple[int, int, bytes]] = []
            for number, value in enumerate(left[:AT_ONCE], 1):
                made = set_codec.encode("t", value, value.name, number)
                messages.append((Message.NEWSET, ADD, made))
                messages += self.elements(Message.NEWSETELEM, value, value.elements)
            self.netfilter.batch(Family.INET, messages)
            left = left[AT_ONCE:]

    def elements(
        self, kind: Message, value: Set, elements: Mapping[bytes, Rest]
    ) -> list[tuple[int, int, bytes]]:
        head = pack_text(1, "t") + pack_text(2, value.name)
        length = value.type.length
        listed = (
            element_codec.encode(elements, length)
            if kind is Message.NEWSETELEM
            else element_codec.encode_keys(elements, length)
        )
        return [(kind, ADD, head + pack_attribute(3, each)) for each in listed]

    def change(self, value: Set, base: Set) -> None:
        """Send what is other than before."""
        changes = value.changes_from(base)
        assert changes is not None
        added, gone = changes
        self.netfilter.batch(
            Family.INET,
            [
                *self.elements(Message.DELSETELEM, value, gone),
                *self.elements(Message.NEWSETELEM, value, added),
            ],
        )

    def dumped(self) -> dict[str, Set]:
        found = {}
        for payload in self.netfilter.dump(Message.GETSET, Family.INET, pack_text(1, "t")):
            _, head = set_codec.decode(payload)
            asked = pack_text(1, "t") + pack_text(2, head.name)
            raw = self.netfilter.dump(Message.GETSETELEM, Family.INET, asked)
            found[head.name] = with_elements(
                head.set, Elements(element_codec.decode(raw, head.set.type.length))
            )
        return found


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_a_set_written_in_python_is_the_one_nft_makes(case: Case, by_nft: dict[str, Set]) -> None:
    assert by_nft[case.set.name] == case.set
    assert dict(by_nft[case.set.name].elements) == dict(case.set.elements)


def test_sets_come_back_from_the_kernel_as_they_were_sent(kernel: Kernel) -> None:
    sets = [case.set for case in CASES if not (case.set.objects or jumps(case.set))]
    kernel.load(sets)
    dumped = kernel.dumped()
    assert [dumped[each.name] for each in sets] == sets


def jumps(value: Set) -> bool:
    return any(b"web" in rest.data or b"dns" in rest.data for rest in value.elements.values())


def test_nft_shows_a_set_as_it_is_shown_here(kernel: Kernel) -> None:
    shown = {
        "ipv4_addr": ["10.0.0.0/8", "11.1.0.1-11.1.0.9", "192.0.2.1"],
        "inet_service": ["0-1023", "8080", "60000-65535"],
        "mark": ["0x00000001", "0x00000010-0x00000020"],
        "ifname": ['"eth*"', '"lo"'],
        "icmp_type": ["echo-request"],
        "time": ["5s", "1m5s"],
        "ipv4_addr . inet_service": ["1.2.3.0/24 . 80-90"],
        "mark . ifname": ['0x00000005-0x00000006 . "eth0"'],
    }
    sets = {
        type: Set(f"s{place}", type, [each.replace('"', "") for each in texts], interval=True)
        for place, (type, texts) in enumerate(shown.items())
    }
    kernel.load(sets.values())
    for type, value in sets.items():
        assert list(elements_shown(value.elements, value.form)) == shown[type]
        listed = kernel.box.run(["nft", "list", "set", "inet", "t", value.name]).stdout
        words = " ".join(listed.split())
        assert f"elements = {{ {', '.join(shown[type])} }}" in words


def test_a_change_of_a_few_ranges_is_all_that_is_sent(kernel: Kernel) -> None:
    value = Set(
        "ports", "inet_service", [(10, 20), 30, (60000, 65535)], interval=True, auto_merge=True
    )
    kernel.load([value])
    steps: list[tuple[str, list[Any]]] = [
        ("adding", [(21, 25)]),
        ("adding", [0]),
        ("adding", [(26, 29), "*"]),
        ("removing", [(15, 17)]),
        ("removing", [0, (10, 14)]),
        ("removing", [(60000, 65535)]),
        ("adding", [(0, 65535)]),
        ("removing", [(0, 65535)]),
        ("removing", ["*"]),
        ("adding", [5]),
    ]
    for what, entries in steps:
        before, value = value, getattr(value, what)(entries)
        kernel.change(value, before)
        assert kernel.dumped()["ports"] == value


def test_whatever_ranges_are_added_and_removed_the_kernel_takes_the_changes(
    kernel: Kernel,
) -> None:
    value = Set("s", "icmp_type", interval=True, auto_merge=True)
    kernel.load([value])
    chance = Random(4)
    there: set[int] = set()
    for _ in range(60):
        first = chance.randrange(256)
        last = min(255, first + chance.choice([0, 1, 5, 60]))
        span = set(range(first, last + 1))
        before = value
        if span <= there:
            value, there = value.removing([(first, last)]), there - span
        else:
            value, there = value.adding([(first, last)]), there | span
        kernel.change(value, before)
        dumped = kernel.dumped()["s"]
        assert dumped == value == evolved(value, there)


def evolved(value: Set, numbers: set[int]) -> Set:
    """The set as it were if it had been declared so."""
    return Set(value.name, "icmp_type", sorted(numbers), interval=True, auto_merge=True)


def test_a_set_that_was_changed_is_loaded_as_any_other(kernel: Kernel) -> None:
    value = Set("s", "inet_service", [(10, 30), 70], interval=True, auto_merge=True)
    value = value.removing([(15, 17)]).adding([(31, 69)]).removing([50])
    kernel.load([value])
    assert kernel.dumped()["s"] == value


def test_a_time_of_the_whole_set_is_not_that_of_the_ends_of_ranges(kernel: Kernel) -> None:
    value = Set("s", "ipv4_addr", ["10.0.0.0/8"], interval=True, timeout_ms=300_000)
    kernel.load([value])
    assert kernel.dumped()["s"] == value


OBJECTS = {
    'counter a { comment "x" }': make.counter_object("a", comment="x"),
    "quota a { over 100 mbytes }": make.quota_object("a", 100 << 20, over=True),
    "quota a { 25 bytes }": make.quota_object("a", 25),
    "limit a { rate 400/minute }": make.limit_object("a", 400, "minute"),
    "limit a { rate over 4/hour burst 10 packets }": make.limit_object(
        "a", 4, "hour", burst=10, over=True
    ),
    "limit a { rate 400/week burst 5 packets }": make.limit_object("a", 400, "week", burst=5),
    "limit a { rate 4 kbytes/second }": make.limit_object("a", 4096, unit="bytes"),
    "limit a { rate over 4 mbytes/minute burst 1 kbytes }": make.limit_object(
        "a", 4 << 20, "minute", burst=1024, unit="bytes", over=True
    ),
    'ct helper a { type "ftp" protocol tcp; }': make.ct_helper("a", "ftp", "tcp"),
    'ct helper a { type "sip" protocol udp; l3proto ip6; }': make.ct_helper(
        "a", "sip", "udp", family="ip6"
    ),
    "ct timeout a { protocol tcp; policy = { established : 100, unack : 7 }; }": make.ct_timeout(
        "a", "tcp", {"established": 100, "unack": 7}
    ),
    "ct timeout a { protocol udp; l3proto ip; policy = { replied : 11 }; }": make.ct_timeout(
        "a", "udp", {"replied": 11}, family="ip"
    ),
    "ct expectation a { protocol tcp; dport 98; timeout 2m; size 12; l3proto ip; }": (
        make.ct_expectation("a", "tcp", 98, 120_000, 12)
    ),
    "synproxy a { mss 1460; wscale 7; timestamp sack-perm; }": make.synproxy(
        "a", 1460, 7, timestamp=True, sack_perm=True
    ),
    "synproxy a { mss 1400; wscale 0; }": make.synproxy("a", 1400, 0),
}


@pytest.mark.parametrize("text", OBJECTS)
def test_an_object_written_in_python_is_the_one_nft_makes(text: str) -> None:
    lines = text.replace("; ", "\n")
    try:
        (table,) = compile_now(f"table inet t {{\n{lines}\n}}\n")
    except TextError as error:
        if "Could not process rule" in str(error):
            pytest.skip(f"this kernel lacks it: {text}")
        raise
    (found,) = [table_codec.decode_object(each)[1].object for each in table.objects]
    assert found == OBJECTS[text]
