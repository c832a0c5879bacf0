"""What holds for every record, whatever is claimed in it."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from linx_async import Claim, Ownership

# Any text: a cgroup's name need not be UTF-8, so lone surrogates are among it.
texts = st.text(st.characters(), max_size=8)
maybe_texts = st.none() | texts
claims = st.builds(Claim, texts, maybe_texts, maybe_texts, maybe_texts, maybe_texts)
ownerships = st.lists(claims, max_size=6).map(lambda claims: Ownership().with_claims(claims))
jsons: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
almost = st.dictionaries(
    texts,
    st.dictionaries(
        st.sampled_from(["key", "value", "original", "settled", "incarnation", "other"]),
        maybe_texts | st.integers(),
        max_size=5,
    ),
    max_size=3,
)


@given(ownerships)
def test_it_survives_a_trip_through_json(ownership: Ownership) -> None:
    assert Ownership.from_json(json.loads(json.dumps(ownership.to_json()))) == ownership


@given(jsons | almost)
def test_any_json_is_either_a_record_or_refused(data: Any) -> None:
    try:
        ownership = Ownership.from_json(data)
    except ValueError:
        return
    assert Ownership.from_json(ownership.to_json()) == ownership


@given(ownerships, st.lists(claims, max_size=4))
def test_with_claims_the_newest_claim_on_a_key_counts_and_no_other_key_is_touched(
    before: Ownership, added: list[Claim]
) -> None:
    after = before.with_claims(added)
    newest = {claim.key: claim for claim in added}
    assert dict(after) == {**before, **newest}


@given(ownerships, st.sets(texts, max_size=4))
def test_without_drops_those_keys_and_no_others(before: Ownership, keys: set[str]) -> None:
    after = before.without(keys | set(list(before)[:2]))
    assert dict(after) == {
        key: claim for key, claim in before.items() if key not in keys | set(list(before)[:2])
    }


@given(ownerships, st.lists(claims, max_size=4))
def test_what_was_claimed_and_dropped_again_leaves_the_record_as_it_was(
    before: Ownership, added: list[Claim]
) -> None:
    new = [claim for claim in added if claim.key not in before]
    assert before.with_claims(new).without(claim.key for claim in new) == before
