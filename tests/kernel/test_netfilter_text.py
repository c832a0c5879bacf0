from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import anyio
import anyio.to_thread
import pytest

from linx_async._core.errors import OpError, SourceError
from linx_async._kernel.netlink import attribute_map, attributes
from linx_async._kernel.scratch import Scratch
from linx_async.netfilter.text import compiler
from linx_async.netfilter.text.cache import Cache
from linx_async.netfilter.text.compiler import compile_now, compiled
from linx_async.netfilter.text.errors import TextError, located
from linx_async.netfilter.text.raw import RawTable
from tests.kernel.nft_families import needs_inet

pytestmark = [pytest.mark.anyio, needs_inet]

ADMINISTRATION = "/usr/local/sbin:/usr/sbin:/sbin"
NFT = shutil.which("nft", path=f"{os.environ.get('PATH', os.defpath)}:{ADMINISTRATION}")
needs_nft = pytest.mark.skipif(NFT is None, reason="nft (nftables) is not installed")

SMALL = """\
table inet fw {
    chain input {
        type filter hook input priority 0; policy drop;
        ct state established,related accept
        tcp dport { 22, 80 } accept
    }
}
"""
BY_INDEX = "table inet fw {\n chain a {\n  iif eth7 accept\n }\n}\n"


@pytest.fixture(autouse=True)
def nothing_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiler, "_CACHE", Cache())


def compared(rule: bytes) -> list[bytes]:
    """What the comparisons of a rule are with."""
    expressions = (attribute_map(each) for _, each in attributes(attribute_map(rule)[4]))
    values = (attribute_map(each[2]) for each in expressions if each[1] == b"cmp\0")
    return [attribute_map(each[3])[1] for each in values]


def index_in(table: RawTable) -> int:
    """What the first comparison of the first rule is with, the index of a link."""
    return int.from_bytes(compared(table.rules[0])[0], sys.byteorder)


def script(path: Path, *lines: str) -> str:
    """A program in the place of nft."""
    path.write_text("\n".join(["#!/bin/sh", *lines, ""]))
    path.chmod(0o755)
    return str(path)


@needs_nft
async def test_a_table_is_compiled_to_what_the_kernel_dumps() -> None:
    (table,) = await compiled(SMALL)
    assert (table.family, table.name) == ("inet", "fw")
    assert [attribute_map(chain)[3] for chain in table.chains] == [b"input\0"]
    assert len(table.rules) == 2
    assert b"lookup\0" in table.rules[1]
    (anonymous,) = table.sets
    assert anonymous.name == "__set0"
    assert b"\0\x16" in b"".join(anonymous.elements)
    assert (table.objects, table.flowtables) == ((), ())


@needs_nft
async def test_rules_can_be_had_in_nfts_own_words_as_well() -> None:
    text = (
        "define open = { 22,\\\n 80 }\n"
        "table inet a {\n set s { type ipv4_addr; elements = { 10.0.0.1 }; }\n chain c {\n"
        "  type filter hook input priority 0; policy drop;\n"
        "  tcp dport \\\n $open counter accept; ip saddr @s drop\n"
        "  jump { tcp dport 5 accept; counter; }\n }\n}\n"
        'table ip b {\n chain c {\n iif eth7 log prefix "\a" comment "x # handle 3"\n }\n}\n'
    )
    first, second = await compiled(text, links={"eth7": 7}, listed=True)
    assert list(first.texts.values()) == [
        "tcp dport { 22, 80 } counter accept",
        "ip saddr @s drop",
        "jump { tcp dport 5 accept; counter; }",
    ]
    assert list(second.texts.values()) == [
        'iif "eth7" log prefix "\\x07" comment "x # handle 3"',
    ]


@needs_nft
async def test_very_many_rules_are_not_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiler, "_MOST_LISTED", 1)
    (table,) = await compiled(SMALL, listed=True)
    assert (len(table.rules), table.texts) == (2, {})


@needs_nft
async def test_an_nft_that_lists_nothing_compiles_all_the_same(tmp_path: Path) -> None:
    program = script(tmp_path / "nft", 'case "$*" in *list*) exit 1;; esac', f'exec {NFT} "$@"')
    (table,) = await compiled(SMALL, program=program, listed=True)
    assert (len(table.rules), table.texts) == (2, {})


@needs_nft
@pytest.mark.parametrize("error", [TimeoutError(), SourceError("cannot start nft: EAGAIN")])
async def test_rules_that_are_not_listed_in_time_are_compiled_all_the_same(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def output_of(place: Scratch, argv: Sequence[str]) -> str | None:
        raise error

    monkeypatch.setattr(Scratch, "output_of", output_of)
    (table,) = await compiled(SMALL, listed=True)
    assert (len(table.rules), table.texts) == (2, {})


@needs_nft
async def test_who_gives_up_while_rules_are_listed_leaves_no_nft_behind(tmp_path: Path) -> None:
    started = tmp_path / "started"
    os.mkfifo(started)
    hanging = f"echo $$ > {started}; exec sleep 600"
    program = script(tmp_path / "nft", f'case "$*" in *list*) {hanging};; esac', f'exec {NFT} "$@"')
    pids: list[int] = []
    async with anyio.create_task_group() as group:
        group.start_soon(lambda: compiled(SMALL, program=program, listed=True))
        pids.append(int(await anyio.to_thread.run_sync(started.read_text)))
        group.cancel_scope.cancel()
    with pytest.raises(ProcessLookupError):
        os.kill(pids[0], 0)


@needs_nft
def test_the_same_is_had_without_an_event_loop() -> None:
    (table,) = compile_now(SMALL)
    assert (table.family, table.name, len(table.rules)) == ("inet", "fw", 2)


@needs_nft
async def test_objects_sets_and_maps_are_told_with_their_table() -> None:
    tables = await compiled(
        """
        table ip one {
            counter hits { packets 3 bytes 4 }
            set blocked { type ipv4_addr; flags interval; elements = { 10.0.0.0/8, 192.0.2.1 }; }
            map ports { type inet_service : verdict; elements = { 80 : accept, 22 : drop }; }
        }
        table ip6 two {
            chain c { jump d; }
            chain d { }
        }
        """
    )
    one, two = sorted(tables, key=lambda table: table.name)
    assert (len(one.objects), len(one.chains)) == (1, 0)
    assert sorted(each.name for each in one.sets) == ["blocked", "ports"]
    assert all(b"".join(each.elements) for each in one.sets)
    assert (two.family, len(two.chains), len(two.rules)) == ("ip6", 2, 1)
    assert (two.sets, two.objects, two.flowtables) == ((), (), ())


@needs_nft
async def test_flowtables_are_told_with_their_devices() -> None:
    text = """
        table ip fw {
            flowtable fast { hook ingress priority 0; devices = { eth7, wan0 }; }
        }
        """
    try:
        (table,) = await compiled(text, links={"eth7": 7, "wan0": 12})
    except TextError:
        pytest.skip("this kernel lacks flowtables (CONFIG_NF_FLOW_TABLE)")
    (flowtable,) = table.flowtables
    assert b"wan0\0" in flowtable


@needs_nft
async def test_rules_keep_their_order() -> None:
    ports = range(1000, 1500)  # an ordinary user may not send many more at once
    lines = "\n".join(f"tcp dport {port} accept" for port in ports)
    (table,) = await compiled(f"table inet fw {{\n chain a {{\n{lines}\n }}\n}}\n")
    found = [int.from_bytes(compared(rule)[-1], "big") for rule in table.rules]
    assert found == list(ports)


@needs_nft
async def test_of_commands_what_is_there_after_them_counts() -> None:
    text = "add table ip a\nadd table ip b\ndelete table ip a\n"
    assert [table.name for table in await compiled(text)] == ["b"]
    assert await compiled(text + "flush ruleset\n") == ()
    assert await compiled("") == ()


@needs_nft
async def test_an_interface_is_compiled_to_the_index_that_it_has_where_the_table_is_to_be() -> None:
    (table,) = await compiled(BY_INDEX, links={"eth7": 7, "eth": 8, "eth70": 9})
    assert index_in(table) == 7


@needs_nft
async def test_devices_are_there_for_chains_to_be_bound_to() -> None:
    text = """
        table netdev fw {
            chain in { type filter hook ingress devices = { "eth7", "wan.100" } priority 0; }
        }
        """
    (table,) = await compiled(text, links={"eth7": 7, "wan.100": 3})
    assert b"wan.100\0" in table.chains[0]


@needs_nft
async def test_a_name_that_is_no_word_to_nft_is_found_in_quotes() -> None:
    text = BY_INDEX.replace("eth7", '"{a,b}"')
    (table,) = await compiled(text, links={"{a,b}": 7})
    assert index_in(table) == 7


@needs_nft
async def test_an_interface_that_is_not_there_is_an_error_that_names_it() -> None:
    with pytest.raises(TextError, match="iifname and oifname do not") as caught:
        await compiled(BY_INDEX, links={"eth70": 9})
    (complaint,) = caught.value.complaints
    assert (complaint.line, complaint.column, complaint.meant) == (3, 7, "eth7")


@needs_nft
async def test_variables_can_be_given() -> None:
    text = "table inet fw {\n chain a {\n  iif $wan tcp dport $open accept\n }\n}\n"
    links = {"eth7": 7}
    (table,) = await compiled(text, links=links, defines={"wan": "eth7", "open": "{ 22, 80 }"})
    assert index_in(table) == 7
    assert len(table.sets) == 1
    (other,) = await compiled(text, links=links, defines={"wan": "lo", "open": "{ 22, 80 }"})
    assert index_in(other) == 1


@needs_nft
async def test_every_error_is_told_with_its_place_its_line_and_who_says_so() -> None:
    text = (
        "table inet fw {\n chain a {\n  ip saddr 1.2.3.400 drop\n  accept\n  jump nowhere\n"
        "  tcp dport nosuch drop\n }\n}\n"
    )
    with pytest.raises(TextError) as caught:
        await compiled(text)
    error = caught.value
    assert [(each.line, each.column, each.meant) for each in error.complaints] == [
        (3, 12, "1.2.3.400"),
        (6, 13, "nosuch"),
    ]
    assert "  ip saddr 1.2.3.400 drop\n" in str(error)
    assert error.version.startswith("nftables v")
    assert (located(error, 2).line, located(error, 2).column) == (1, 12)


@needs_nft
async def test_a_syntax_error_is_told_in_nfts_words() -> None:
    with pytest.raises(TextError, match="line 2, column 16: syntax error") as caught:
        await compiled("table inet fw {\n chain a { frob; }\n}\n")
    assert caught.value.line == 2


@needs_nft
async def test_what_the_kernel_refuses_is_told_with_its_place() -> None:
    with pytest.raises(TextError, match="Could not process rule: No such file") as caught:
        await compiled("table inet fw {\n chain a {\n  jump nowhere\n }\n}\n")
    assert caught.value.line == 3


@needs_nft
async def test_a_name_that_needs_dns_is_an_error_that_says_so() -> None:
    text = "table ip fw {\n chain a {\n  ip saddr host.invalid drop\n }\n}\n"
    with pytest.raises(TextError, match="no DNS answers: write the address"):
        await compiled(text)


@needs_nft
async def test_an_include_is_read_anew_each_time_and_sees_all_links(tmp_path: Path) -> None:
    included = tmp_path / "more.nft"
    text = f'include "{included}"\n'
    for index in (7, 8):
        await anyio.to_thread.run_sync(included.write_text, f"{BY_INDEX}# {index}\n")
        (table,) = await compiled(text, links={"eth7": index, "wan0": 30})
        assert index_in(table) == index
    await anyio.to_thread.run_sync(included.write_text, "table ip a {\n frob\n}\n")
    with pytest.raises(TextError) as caught:
        await compiled(text)
    assert (caught.value.complaints[0].file, caught.value.line) == (str(included), 2)


@needs_nft
async def test_a_text_is_compiled_once_while_it_and_its_links_are_the_same(tmp_path: Path) -> None:
    counting = script(tmp_path / "nft", f"echo >> {tmp_path}/runs", f'exec {NFT} "$@"')

    async def runs(text: str, links: Mapping[str, int], defines: Mapping[str, str]) -> int:
        await compiled(text, links=links, defines=defines, program=counting)
        return len(await anyio.to_thread.run_sync((tmp_path / "runs").read_bytes))

    assert await runs(BY_INDEX, {"eth7": 7}, {}) == 1
    assert await runs(BY_INDEX, {"eth7": 7, "not.named": 4}, {}) == 1
    assert await runs(BY_INDEX, {"eth7": 8}, {}) == 2
    assert await runs(BY_INDEX, {"eth7": 7}, {"more": "1"}) == 3
    assert await runs(BY_INDEX, {"eth7": 7}, {}) == 3
    script(tmp_path / "nft", f"echo >> {tmp_path}/runs", f'exec {NFT} "$@"', "# an update")
    assert await runs(BY_INDEX, {"eth7": 7}, {}) == 4


@needs_nft
async def test_an_error_is_not_kept() -> None:
    with pytest.raises(TextError):
        await compiled(BY_INDEX)
    assert await compiled(BY_INDEX, links={"eth7": 7})
    with pytest.raises(TextError):
        await compiled(BY_INDEX)


@needs_nft
async def test_texts_can_be_compiled_at_the_same_time() -> None:
    found: dict[int, int] = {}

    async def compile_one(index: int) -> None:
        (table,) = await compiled(BY_INDEX, links={"eth7": index})
        found[index] = index_in(table)

    async with anyio.create_task_group() as group:
        for index in range(2, 8):
            group.start_soon(compile_one, index)
    assert found == {index: index for index in range(2, 8)}


@pytest.mark.skipif(
    shutil.which("nft", path=ADMINISTRATION) is None,
    reason="nft (nftables) is not among the administrators' programs",
)
async def test_an_ordinary_users_path_need_not_lead_to_nft(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    assert await compiled(SMALL)


async def test_a_text_that_cannot_be_sent_at_once_says_what_to_do(tmp_path: Path) -> None:
    said = "netlink: Error: Could not process rule: Message too long"
    program = script(tmp_path / "nft", f"echo '{said}' >&2", "exit 1")
    with pytest.raises(SourceError, match=r"Message too long: .*net\.core\.wmem_max"):
        await compiled(SMALL, program=program)


@needs_nft
async def test_words_in_the_text_are_not_taken_for_nfts_own() -> None:
    text = 'table inet fw {\n chain a {\n  frob comment "Message too long"\n }\n}\n'
    with pytest.raises(TextError):
        await compiled(text)


async def test_a_missing_nft_says_what_to_install() -> None:
    with pytest.raises(SourceError, match=r"no program no-such-nft on PATH .*apt install nftables"):
        await compiled(SMALL, program="no-such-nft")
    with pytest.raises(SourceError, match=r"no program /nonexistent/nft: .*builders"):
        await compiled(SMALL, program="/nonexistent/nft")


async def test_an_nft_that_is_ended_by_a_signal_is_told_by_the_signals_name(tmp_path: Path) -> None:
    program = script(tmp_path / "nft", "echo 'BUG: unknown expression' >&2", "kill -ABRT $$")
    with pytest.raises(TextError, match=r"ended by SIGABRT: BUG: unknown expression: .*builders"):
        await compiled(SMALL, program=program)


async def test_an_nft_that_fails_without_a_word_is_told(tmp_path: Path) -> None:
    program = script(tmp_path / "nft", "exit 3")
    with pytest.raises(TextError, match="exit code 3, without a word"):
        await compiled(SMALL, program=program)
    program = script(tmp_path / "nft", "echo 'unrecognized option' >&2", "exit 1")
    with pytest.raises(TextError, match="unrecognized option"):
        await compiled(SMALL, program=program)


async def test_warnings_are_no_errors(tmp_path: Path) -> None:
    program = script(tmp_path / "nft", "echo '/dev/stdin:1:1-2: Warning: deprecated' >&2")
    assert await compiled(SMALL, program=program) == ()


async def test_an_nft_that_hangs_is_ended(tmp_path: Path) -> None:
    program = script(tmp_path / "nft", "exec sleep 600")
    with pytest.raises(SourceError, match=r"did not end within 0\.5 s, and was ended"):
        await compiled(SMALL, program=program, limit=0.5)


async def test_a_dump_that_the_kernel_refuses_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: object) -> None:
        raise OpError("dump GETTABLE", 1)

    monkeypatch.setattr(compiler, "dumped", refuse)
    with pytest.raises(SourceError, match="in the scratch namespace: dump GETTABLE: EPERM"):
        await compiled(SMALL, program=script(tmp_path / "nft", ":"))


async def test_who_gives_up_waiting_leaves_no_nft_behind(tmp_path: Path) -> None:
    started = tmp_path / "started"
    os.mkfifo(started)
    program = script(tmp_path / "nft", f"echo $$ > {started}", "exec sleep 600")
    pids: list[int] = []
    async with anyio.create_task_group() as group:
        group.start_soon(lambda: compiled(SMALL, program=program))
        pids.append(int(await anyio.to_thread.run_sync(started.read_text)))
        group.cancel_scope.cancel()
    with pytest.raises(ProcessLookupError):
        os.kill(pids[0], 0)


async def test_who_has_given_up_already_starts_nothing(tmp_path: Path) -> None:
    program = script(tmp_path / "nft", f"echo >> {tmp_path}/runs")
    with anyio.CancelScope() as scope:
        scope.cancel()
        await compiled(SMALL, program=program)
    assert scope.cancelled_caught
    assert not (tmp_path / "runs").exists()


def test_every_message_of_a_dump_can_be_taken_apart() -> None:
    if NFT is None:
        pytest.skip("nft (nftables) is not installed")
    (table,) = compile_now(SMALL)
    for payload in (table.payload, *table.chains, *table.rules, table.sets[0].payload):
        assert list(attributes(payload))
