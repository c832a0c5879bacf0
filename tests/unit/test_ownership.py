"""Claims, and the set of them."""

from __future__ import annotations

from typing import Any

import pytest

from linx_async import Claim, Ownership

FORWARD = Claim("net.ipv4.ip_forward", "1", original="0", settled="1")
LIMIT = Claim("memory.max", "1M", incarnation="42")


def owned(*claims: Claim) -> Ownership:
    return Ownership().with_claims(claims)


def test_it_is_a_mapping_from_key_to_claim() -> None:
    ownership = owned(FORWARD, LIMIT)
    assert ownership[LIMIT.key] is LIMIT
    assert set(ownership) == {FORWARD.key, LIMIT.key}
    assert len(ownership) == 2
    assert "vm.swappiness" not in ownership
    assert ownership.get("vm.swappiness") is None


def test_a_claim_takes_the_place_of_its_forerunner() -> None:
    newer = Claim(FORWARD.key, "0", original="0")
    assert owned(FORWARD).with_claims([newer])[FORWARD.key] is newer


def test_a_claim_can_be_dropped() -> None:
    assert owned(FORWARD, LIMIT).without({LIMIT.key}) == owned(FORWARD)


def test_dropping_what_is_not_there_gives_the_same_record() -> None:
    ownership = owned(FORWARD)
    assert ownership.without({"vm.swappiness"}) is ownership


def test_it_is_never_changed_in_place() -> None:
    ownership = owned(FORWARD)
    ownership.with_claims([LIMIT])
    ownership.without({FORWARD.key})
    assert ownership == owned(FORWARD)
    with pytest.raises(TypeError):
        ownership["vm.swappiness"] = LIMIT  # type: ignore[index]


def test_as_json_it_is_plain_and_without_what_is_none() -> None:
    assert owned(FORWARD, LIMIT).to_json() == {
        "net.ipv4.ip_forward": {"value": "1", "original": "0", "settled": "1"},
        "memory.max": {"value": "1M", "incarnation": "42"},
    }


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (None, "expected a table, got NoneType"),
        ([], "expected a table, got list"),
        ({"a": "1"}, "claim 'a': expected a table, got str"),
        ({5: {}}, "claim 5: expected a table"),
        ({"a": {"value": 1}}, "claim 'a'.*value"),
        ({"a": {"original": ["0"]}}, "claim 'a'.*original"),
        ({"a": {"colour": "red"}}, "claim 'a'.*colour"),
        ({"a": {"key": "b"}}, "claim 'a'.*key"),
    ],
)
def test_json_of_another_form_is_refused_and_the_place_named(data: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Ownership.from_json(data)


@pytest.mark.parametrize("field", ["value", "original", "settled", "incarnation"])
def test_a_claim_holds_text_alone(field: str) -> None:
    with pytest.raises(TypeError, match=field):
        Claim("key", **{field: 1})  # type: ignore[arg-type]


def test_a_claim_has_a_key() -> None:
    with pytest.raises(TypeError, match="key"):
        Claim(None)  # type: ignore[arg-type]
