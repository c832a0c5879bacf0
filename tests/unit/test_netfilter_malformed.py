"""What no kernel says of a table is an error of the dump, whatever it is."""

from __future__ import annotations

import pytest

from linx_async._kernel.netlink import NetlinkDecodeError, pack_attribute
from linx_async.netfilter.codec import elements
from linx_async.netfilter.codec.set_abi import ElementListAttribute


@pytest.mark.parametrize("length", [65_524, 65_536, 2**32 - 1])
def test_elements_of_keys_that_fit_no_message_are_malformed(length: int) -> None:
    payload = pack_attribute(ElementListAttribute.ELEMENTS, bytes(8))
    with pytest.raises(NetlinkDecodeError, match=f"keys of {length} bytes"):
        elements.decode([payload], length)
