"""What the keys and the data of sets and maps are: their type's number and length."""

from __future__ import annotations

from typing import Final

from attrs import frozen

__all__ = ["VERDICT", "KeyType"]


@frozen
class KeyType:
    """What keys, or data, are.

    Attributes:
        number: nft's number of the datatype, of which the kernel knows nothing; of several that
            are concatenated 6 bits each, the last one lowest.
        length: Bytes; of several that are concatenated each is padded to 4.
        fields: Bytes of each of several that are concatenated, where elements may be ranges; empty
            otherwise, as the kernel is told them only then (NFTA_SET_DESC_CONCAT).
    """

    number: int
    length: int
    fields: tuple[int, ...] = ()


VERDICT: Final = KeyType(0xFFFFFF00, 16)
"""The data of verdict maps (NFT_DATA_VERDICT)."""
