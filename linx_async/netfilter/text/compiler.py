"""Text in nft's syntax, compiled by the nft program in a throw-away namespace."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

from attrs import evolve, frozen

from ..._core.checks import between, check_interface, wrong
from ..._core.errors import OpError, SourceError
from ..._kernel.abort import Abort, Patience, run_abortable
from ..._kernel.nfnetlink_batch import Change
from ..._kernel.programs import Program, find, version
from ..._kernel.scratch import Ended, Scratch, scratch
from ..._kernel.stand_ins import put_stand_ins
from .cache import Cache
from .errors import Complaint, TextError, complaints_of
from .listed import OPTIONS, listed_rules
from .raw import RawTable, dumped

__all__ = ["TIME_LIMIT", "compile_now", "compiled"]

TIME_LIMIT: Final = 30.0
"""Seconds that nft may take."""

_CURE: Final = (
    "nft syntax is compiled by it: install nftables (apt install nftables, dnf install nftables),"
    " or write the rules with the builders, which need no nft"
)
_LARGEST_INDEX: Final = 2**31 - 1
# The scanner of nft: a word starts with a letter, '_' or '.', and may have '/' and '-' in it.
_VARIABLE: Final = re.compile(r"[A-Za-z_.][A-Za-z0-9_./-]*")
_WORD: Final = re.compile(r"[\w.-]+")
_INCLUDE: Final = re.compile(r"\binclude\b")
# What nft says when it is the place that is wrong, not the text, and what to do.
_OF_THE_PLACE: Final = {
    "Message too long": (
        ": all of a text is sent at once, and past net.core.wmem_max that takes CAP_NET_ADMIN"
        " outside any user namespace: raise it, or run as root"
    ),
    "cache initialization failed": "",
    "No buffer space": "",
    "Cannot allocate memory": "",
    "must be root": "",
}
_MOST_LISTED: Final = 5000
"""Rules of a text, past which they are not listed: that takes as long as the text itself."""
_CACHE: Final = Cache()


@frozen
class _Job:
    """A text that is well-formed as far as can be told without nft.

    Attributes:
        text: It.
        links: What stands in for the links it names, in order of the indices.
        defines: Variables and their values.
        program: nft's name or path.
        limit: Seconds.
        before: What is put there before nft starts: the messages of one transaction.
        listed: Whether to have nft list the rules as well.
    """

    text: str
    links: tuple[tuple[str, int], ...]
    defines: tuple[tuple[str, str], ...]
    program: str
    limit: float
    before: tuple[Change, ...] = ()
    listed: bool = False

    def run(self, abort: Abort | None = None) -> tuple[RawTable, ...]:
        """Compile it, or find it compiled. Blocks."""
        program = find(self.program, _CURE)
        key = (self.text, self.links, self.defines, program, self.before, self.listed)
        found = _CACHE.get(key)
        if found is not None:
            return found
        try:
            tables = self._compile(program, Patience.of(self.limit, abort))
        except TimeoutError:
            raise SourceError(
                f"{program.path} did not end within {self.limit:g} s, and was ended: it may hang on"
                " this text"
            ) from None
        except OpError as error:
            raise SourceError(f"nft text: in the scratch namespace: {error}") from error
        if not _INCLUDE.search(self.text):
            _CACHE.put(key, tables)
        return tables

    def _compile(self, program: Program, patience: Patience) -> tuple[RawTable, ...]:
        options = [word for name, value in self.defines for word in ("-D", f"{name}={value}")]
        argv = [program.path, *options, "-f", "-"]
        with scratch(argv, self.text.encode(), patience) as place:
            put_stand_ins(place.route, dict(self.links))
            if self.before:
                self._put(place)
            return self._outcome(program, place)

    def _put(self, place: Scratch) -> None:
        key = "what the text is to stand in"
        commit = place.netfilter.commit(self.before, key=key)
        for refusal in filter(None, commit.refusals):
            raise OpError(key, refusal.errno, refusal.message, offset=refusal.offset)

    def _outcome(self, program: Program, place: Scratch) -> tuple[RawTable, ...]:
        ended = place.run()
        complaints = complaints_of(ended.told)
        for said, cure in _OF_THE_PLACE.items():
            if any(said in each.words for each in complaints):
                told = ended.told.strip()
                raise SourceError(f"nft text: {program.path} could not work: {told}{cure}")
        if ended.status or complaints:
            raise TextError(complaints or [_without_words(ended)], version(program))
        tables = dumped(place.netfilter)
        if self.listed and 0 < sum(len(table.rules) for table in tables) <= _MOST_LISTED:
            texts = listed_rules(_listing(program, place))
            return tuple(
                evolve(table, texts=texts.get((table.family, table.name), {})) for table in tables
            )
        return tables


def _listing(program: Program, place: Scratch) -> str:
    """The rules as nft lists them; nothing where it does not: they are for people alone."""
    try:
        return place.output_of([program.path, *OPTIONS]) or ""
    except (SourceError, TimeoutError):
        return ""


def _without_words(ended: Ended) -> Complaint:
    told = ended.told.strip()
    if ended.signal is None:
        return Complaint(told or f"exit code {ended.status}, without a word")
    return Complaint(
        f"nft was ended by {ended.signal}{f': {told}' if told else ''}: it does so on some texts"
        " that it should refuse; only that process died. Write it in another way, or with the"
        " builders"
    )


async def compiled(
    text: str,
    *,
    links: Mapping[str, int] | None = None,
    defines: Mapping[str, str] | None = None,
    program: str = "nft",
    limit: float = TIME_LIMIT,
    before: Sequence[Change] = (),
    listed: bool = False,
) -> tuple[RawTable, ...]:
    """What a text makes of an empty namespace, as the kernel dumps it.

    The text is what `nft -f` takes (nft(8)): tables, and commands, of which counts what is there
    after them. It is compiled by that program, in a process of its own, in a network namespace
    that nobody else sees; an ordinary user gets a user namespace as well, and needs no privileges.
    Nothing of the calling process's namespace is read or changed.

    - `include` reads files, as this user: relative names from the directory this process is in,
      then from nft's own (/etc). A text with an include is compiled anew each time.
    - There is no network: host names are looked up in /etc/hosts, those that need DNS are errors.
      Names of services, users, groups and so on come from the files below /etc.
    - A table that nft owns (`flags owner`) ends with it, and so is not there afterwards.

    It is kept, and given again at once, for as long as text, links, defines and nft are the same.
    May be cancelled: nft is ended then, and is gone when this returns.

    Args:
        text: In nft's syntax.
        links: The indices of the links where the table is to be, by name. `iif`, `oif` and the
            devices of chains and flowtables have the kernel look a link up when they are made:
            links that are words of the text are made there, under these indices.
        defines: Variables, as if the text had `define NAME = VALUE` before.
        program: nft, by name or path. By name it is looked for on PATH, and in the directories of
            administrators' programs.
        limit: Seconds that it may take.
        before: What is there before nft starts: the messages of one transaction. With any, all
            links are made.
        listed: Whether nft is to list the rules as well, for people, unless there are very many.

    Raises:
        TextError: nft does not take it, or is ended by it. It says where, in nft's own words.
        DesiredStateError: A text that cannot be encoded or has a NUL inside, wrong links or
            defines.
        SourceError: There is no nft, or no namespace to be had, or it takes too long; the message
            says what to do.
    """
    there, variables = dict(links or {}), dict(defines or {})
    return await run_abortable(
        lambda abort: _job(text, there, variables, program, limit, before, listed).run(abort)
    )


def compile_now(
    text: str,
    *,
    links: Mapping[str, int] | None = None,
    defines: Mapping[str, str] | None = None,
    program: str = "nft",
    limit: float = TIME_LIMIT,
    before: Sequence[Change] = (),
    listed: bool = False,
) -> tuple[RawTable, ...]:
    """`compiled`, for where there is no event loop, as at import time.

    Blocks for as long as nft takes, some 20 ms for a small table: call it in a thread where there
    is an event loop.
    """
    return _job(text, links or {}, defines or {}, program, limit, before, listed).run()


def _job(
    text: str,
    links: Mapping[str, int],
    defines: Mapping[str, str],
    program: str,
    limit: float,
    before: Sequence[Change] = (),
    listed: bool = False,
) -> _Job:
    _check_text(text)
    variables = _checked_defines(defines)
    searched = "\n".join([text, *(value for _, value in variables)])
    if not limit > 0:
        raise wrong("limit", f"expected seconds above 0, got {limit!r}")
    used = _used(_checked_links(links), searched, everything=bool(before))
    return _Job(text, used, variables, program, limit, tuple(before), listed)


def _check_text(text: str) -> None:
    if not isinstance(text, str):
        raise wrong("nft text", f"expected text, got {text!r}")
    try:
        text.encode()
        at, what = text.find("\0"), "a NUL"
    except UnicodeEncodeError as error:
        at, what = error.start, f"{text[error.start]!r}, which cannot be encoded"
    if at >= 0:
        line = text.count("\n", 0, at) + 1
        column = at - text.rfind("\n", 0, at)
        raise wrong("nft text", f"line {line}, column {column}: {what}")


def _checked_links(links: Mapping[str, int]) -> dict[str, int]:
    return {
        check_interface(name, "links"): between(index, f"links: {name}", 1, _LARGEST_INDEX)
        for name, index in links.items()
    }


def _checked_defines(defines: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    for name, value in defines.items():
        if not isinstance(name, str) or not _VARIABLE.fullmatch(name):
            raise wrong("defines", f"expected the name of a variable, got {name!r}")
        if not isinstance(value, str) or re.search(r"[\0\n;]", value):
            raise wrong(f"defines: {name}", f"expected text in one statement, got {value!r}")
        _check_text(value)
    return tuple(sorted(defines.items()))


def _used(links: Mapping[str, int], text: str, *, everything: bool) -> tuple[tuple[str, int], ...]:
    """The links that are words of the text; all, where more than the text may name them."""
    everything = everything or _INCLUDE.search(text) is not None
    words = set(_WORD.findall(text)) if links else set()
    found: dict[int, str] = {}
    for name, index in links.items():
        # A name with other characters in it is no single word there.
        there = name in words if _WORD.fullmatch(name) else name in text
        if not (there or everything):
            continue
        if index in found:
            raise wrong("links", f"{found[index]} and {name} have the same index, {index}")
        found[index] = name
    return tuple(sorted((name, index) for index, name in found.items()))
