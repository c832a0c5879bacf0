"""Our record of what we put into the kernel: claims, and the set of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from attrs import evolve, field, frozen, validators

__all__ = ["Claim", "Ownership"]

_text = validators.instance_of(str)
_maybe_text = validators.optional(_text)


@frozen
class Claim:
    """One thing that is ours.

    Attributes:
        key: What it is: a name and canonical values, never a kernel index.
        value: What we wrote there, or were about to.
        original: The value from before we came, where one may have to be restored.
        settled: What the kernel showed after the write; None as long as we have not seen it.
        incarnation: Which of several objects of the same name it was (a cgroup's inode number);
            None where the kernel has no such thing.
    """

    key: str = field(validator=_text)
    value: str | None = field(default=None, validator=_maybe_text)
    original: str | None = field(default=None, validator=_maybe_text)
    settled: str | None = field(default=None, validator=_maybe_text)
    incarnation: str | None = field(default=None, validator=_maybe_text)


@frozen
class Ownership(Mapping[str, Claim]):
    """All our claims in one scope: an immutable mapping from key to claim.

    `report.last_applied` is one; give it to the next pass. It survives a trip through JSON
    (`to_json`, `from_json`).
    """

    claims: Mapping[str, Claim] = field(factory=dict)

    def __getitem__(self, key: str) -> Claim:
        return self.claims[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self.claims)

    def __len__(self) -> int:
        return len(self.claims)

    def with_claims(self, claims: Iterable[Claim]) -> Ownership:
        """This record with those claims added, or put in place of their forerunners."""
        return evolve(self, claims={**self.claims, **{claim.key: claim for claim in claims}})

    def without(self, keys: Iterable[str]) -> Ownership:
        """This record without those keys; itself when it has none of them."""
        gone = self.claims.keys() & set(keys)
        if not gone:
            return self
        return evolve(self, claims={k: c for k, c in self.claims.items() if k not in gone})

    def to_json(self) -> dict[str, dict[str, str]]:
        """Plain dicts and strings, without the fields that are None."""
        return {
            key: {
                name: text
                for name in ("value", "original", "settled", "incarnation")
                if (text := getattr(claim, name)) is not None
            }
            for key, claim in self.claims.items()
        }

    @classmethod
    def from_json(cls, data: Any) -> Ownership:
        """The inverse of `to_json`.

        Raises:
            ValueError: The data is not of that form; the message says where.
        """
        if not isinstance(data, dict):
            raise ValueError(f"claims: expected a table, got {type(data).__name__}")
        claims = {}
        for key, fields in data.items():
            if not isinstance(key, str) or not isinstance(fields, dict):
                raise ValueError(f"claim {key!r}: expected a table, got {type(fields).__name__}")
            try:
                claims[key] = Claim(key, **fields)
            except TypeError as error:
                raise ValueError(f"claim {key!r}: {error}") from None
        return cls(claims)
