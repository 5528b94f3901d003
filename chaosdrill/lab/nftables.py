"""nftables sets over netlink, on pyroute2's message classes; pyroute2's own ``sets()`` and ``set_elems()`` fail.

pyroute2 is pinned. Every call is a separate transaction, on the network namespace of the calling thread.
"""

import socket
from collections.abc import Sequence
from functools import partial
from typing import Any

from pyroute2.netlink.nfnetlink.nftsocket import (
    DATA_TYPE_IPADDR,
    NFT_MSG_DELSET,
    NFT_MSG_DELSETELEM,
    NFT_MSG_GETSETELEM,
    NFT_MSG_NEWSET,
    NFT_MSG_NEWSETELEM,
    nft_set_elem_list_msg,
    nft_set_msg,
)
from pyroute2.nftables.main import NFTables

_SETS = {"add": NFT_MSG_NEWSET, "del": NFT_MSG_DELSET}
_ELEMENTS = {"add": NFT_MSG_NEWSETELEM, "del": NFT_MSG_DELSETELEM}


class Nft(NFTables):
    """A netlink socket for IPv4 rules and for sets of addresses that expire."""

    def __init__(self) -> None:
        super().__init__(nfgen_family=socket.AF_INET)

    def add_set(self, table: str, name: str) -> None:
        """Create an empty set of IPv4 addresses with timeouts."""
        attributes = {"table": table, "name": name, "key_type": DATA_TYPE_IPADDR, "key_len": 4, "id": 1}
        # `_command` would treat a plain "flags" as netlink's own; the prefix NFTA_ makes it the set's
        self._command(nft_set_msg, _SETS, "add", {**attributes, "NFTA_SET_FLAGS": {"NFT_SET_TIMEOUT"}})

    def delete_set(self, table: str, name: str) -> None:
        """Remove a set that no rule refers to any more."""
        self._command(nft_set_msg, _SETS, "del", {"table": table, "name": name})

    def set_names(self, table: str) -> list[str]:
        """Return the names of the table's sets."""
        return [one.get_attr("NFTA_SET_NAME") for one in self.get_sets() if one.get_attr("NFTA_SET_TABLE") == table]

    def add_addresses(self, table: str, name: str, addresses: Sequence[str], timeout_ms: int) -> None:
        """Add addresses to a set; the kernel removes them after ``timeout_ms``."""
        elements = [
            {
                "attrs": [
                    ("NFTA_SET_ELEM_KEY", {"attrs": [("NFTA_DATA_VALUE", socket.inet_aton(address))]}),
                    ("NFTA_SET_ELEM_TIMEOUT", timeout_ms),
                ]
            }
            for address in addresses
        ]
        self._command(nft_set_elem_list_msg, _ELEMENTS, "add", {"table": table, "set": name, "elements": elements})

    def flush_set(self, table: str, name: str) -> None:
        """Remove every address from a set."""
        self._command(nft_set_elem_list_msg, _ELEMENTS, "del", {"table": table, "set": name})

    def addresses(self, table: str, name: str) -> list[str]:
        """Return the addresses in a set that have not expired."""
        found = []
        for part in self._run_with_cleanup(partial(self._dump_elements, table, name)):
            for element in part.get_attr("NFTA_SET_ELEM_LIST_ELEMENTS") or []:
                found.append(socket.inet_ntoa(element.get_attr("NFTA_SET_ELEM_KEY").get_attr("NFTA_DATA_VALUE")))
        return found

    async def _dump_elements(self, table: str, name: str) -> list[Any]:
        message = nft_set_elem_list_msg()
        message["attrs"] = [("NFTA_SET_ELEM_LIST_TABLE", table), ("NFTA_SET_ELEM_LIST_SET", name)]
        return [part async for part in await self.asyncore.request_get(message, NFT_MSG_GETSETELEM)]
