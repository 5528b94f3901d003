"""Packet loss in the bastion by the kernel: nftables rules with ``numgen``, configured over netlink.

The addresses are in nftables sets whose elements expire, so the fault ends on time even when every process of the lab
is dead or stopped. netem would be the usual tool, but some kernels are built without it.

:source: nft(8), "SETS" (timeout), "NUMGEN EXPRESSION"; linux/netfilter/nf_tables.h

Every function works on the network namespace of the calling thread.
"""

import ipaddress
import re
import sys
import time
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from pyroute2.netlink.exceptions import NetlinkError
from pyroute2.nftables.expressions import genex

from chaosdrill.errors import LabError
from chaosdrill.lab.nftables import Nft

_TABLE = "chaosdrill"
_DROPPED = "dropped"
# chain's hook, and offset of the address in the IPv4 header: 12 is the source, 16 the destination
_HOOKS = {"ingress": ("input", 12), "egress": ("output", 16), "arriving": ("input", 16), "leaving": ("output", 12)}
_NFT_JUMP, _NF_DROP, _NF_ACCEPT = -3, 0, 1
_LESS_THAN, _HOST_TO_NETWORK, _RANDOM = 2, 1, 1


@dataclass(frozen=True)
class LossRule:
    """A packet loss: which packets are lost, how many of them, and for how long.

    :param name: letters and digits, at most 16; a fault of the same name is replaced.
    :param percent: share of the packets, more than 0 and at most 100.
    :param sources: IPv4 addresses or networks of the other side.
    :param traffic_type: ``ingress`` (from the sources) or ``egress`` (to them); where the sources are addresses of this
        network namespace, ``arriving`` (to them) or ``leaving`` (from them).
    :param duration_s: after how many seconds the kernel ends it.
    """

    name: str
    percent: float
    sources: tuple[str, ...]
    traffic_type: str
    duration_s: float

    def __post_init__(self) -> None:
        problems = []
        if not re.fullmatch(r"[A-Za-z0-9]{1,16}", self.name):
            problems.append(f"name {self.name!r}: 1 to 16 letters and digits")
        if not 0 < self.percent <= 100:
            problems.append(f"percent {self.percent}: more than 0 and at most 100")
        if self.traffic_type not in _HOOKS:
            problems.append(f"traffic type {self.traffic_type!r}: {', '.join(_HOOKS)}")
        if self.duration_s <= 0:
            problems.append(f"duration {self.duration_s} s: more than 0")
        if not self.sources:
            problems.append("no sources: at least one address")
        if problems:
            raise LabError("packet loss refused: " + "; ".join(problems))


def prepare() -> None:
    """Create the empty table and its chains, which also tests whether this kernel supports packet loss.

    :raises LabError: when it does not.
    """
    try:
        with Nft() as nft:
            nft.table("add", name=_TABLE)
            nft.chain("add", table=_TABLE, name=_DROPPED)
            nft.rule("add", table=_TABLE, chain=_DROPPED, expressions=([_counter()], [_verdict(_NF_DROP)]))
            for chain, (hook, _) in _HOOKS.items():
                nft.chain("add", table=_TABLE, name=chain, hook=hook, type="filter", policy=_NF_ACCEPT)
        inject(LossRule("check", 50, ("192.0.2.1",), "ingress", 0.001))
        heal("check")
    except NetlinkError as error:
        raise LabError(
            f"this kernel refuses the nftables rules for packet loss ({error}): "
            "load the modules nf_tables and nft_numgen (`modprobe nft_numgen`), or use a kernel that has them"
        ) from error


def inject(loss: LossRule) -> tuple[int, int]:
    """Start a packet loss.

    :returns: two times between which it began, in nanoseconds since the epoch.
    :undo: :func:`heal`; the kernel does it by itself after ``loss.duration_s``.
    """
    _clear_when_idle()
    heal(loss.name)
    _, offset = _HOOKS[loss.traffic_type]
    by_set = {
        (f"{loss.name}-{loss.traffic_type[0]}{prefix}", prefix): networks for prefix, networks in _by_prefix(loss)
    }
    for elements, prefix in by_set:
        match = [*_address(offset, prefix), genex("lookup", {"set": elements, "sreg": 1})]
        with Nft() as nft:
            nft.add_set(_TABLE, elements)
            nft.rule(
                "add",
                table=_TABLE,
                chain=loss.traffic_type,
                expressions=(match, _chance(loss.percent), [_verdict(_NFT_JUMP, _DROPPED)]),
            )
    timeout_ms = max(1, round(loss.duration_s * 1000))
    with Nft() as nft:  # last, so that the loss begins together with its timeout
        after_ns = time.time_ns()
        for (elements, _), networks in by_set.items():
            nft.add_addresses(_TABLE, elements, networks, timeout_ms)
        return after_ns, time.time_ns()


def heal(name: str) -> None:
    """End the packet loss of that name; has no effect when it has ended."""
    with Nft() as nft:
        for elements in _sets_of(nft, name):
            nft.flush_set(_TABLE, elements)


def spare_all() -> None:
    """Let all packets of current and future faults pass. The faults stay listed, and no packet is counted.

    :undo: :func:`spare_none`
    """
    with Nft() as nft:
        nft.rule("insert", table=_TABLE, chain=_DROPPED, expressions=([_verdict(_NF_ACCEPT)],))


def spare_none() -> None:
    """Undo :func:`spare_all`."""
    with Nft() as nft:
        for rule in _rules_of_dropped(nft):
            if not any(one.get_attr("NFTA_EXPR_NAME") == "counter" for one in rule.get_attr("NFTA_RULE_EXPRESSIONS")):
                nft.rule("del", table=_TABLE, chain=_DROPPED, handle=rule.get_attr("NFTA_RULE_HANDLE"))


def active() -> dict[str, list[str]]:
    """Return the networks that are losing packets, by the name of their set; empty when there are none."""
    with Nft() as nft:
        found = {name: nft.addresses(_TABLE, name) for name in nft.set_names(_TABLE)}
    return {name: addresses for name, addresses in found.items() if addresses}


def dropped_packets() -> int:
    """Return how many packets this namespace has dropped so far, for all faults together; it never decreases."""
    with Nft() as nft:
        for rule in _rules_of_dropped(nft):
            for expression in rule.get_attr("NFTA_RULE_EXPRESSIONS"):
                if expression.get_attr("NFTA_EXPR_NAME") == "counter":
                    return int(expression.get_attr("NFTA_EXPR_DATA").get_attr("NFTA_COUNTER_PACKETS"))
    raise LabError("no packet-loss counter in this network namespace: run this on the lab's client host")


def _rules_of_dropped(nft: Nft) -> list[Any]:
    here = (_TABLE, _DROPPED)
    return [
        one for one in nft.get_rules() if (one.get_attr("NFTA_RULE_TABLE"), one.get_attr("NFTA_RULE_CHAIN")) == here
    ]


def _by_prefix(loss: LossRule) -> Iterable[tuple[int, list[str]]]:
    networks: dict[int, list[str]] = defaultdict(list)
    for source in loss.sources:
        network = ipaddress.IPv4Network(source, strict=False)
        networks[network.prefixlen].append(str(network.network_address))
    return networks.items()


def _clear_when_idle() -> None:
    """Remove the rules and sets of faults that have ended, so that they do not accumulate."""
    with Nft() as nft:
        names = nft.set_names(_TABLE)
        if any(nft.addresses(_TABLE, name) for name in names):
            return
        for chain in _HOOKS:
            nft.rule("del", table=_TABLE, chain=chain)
        for name in names:
            nft.delete_set(_TABLE, name)


def _sets_of(nft: Nft, fault: str) -> list[str]:
    return [name for name in nft.set_names(_TABLE) if re.fullmatch(rf"{re.escape(fault)}-[ieal]\d+", name)]


def _address(offset: int, prefix: int) -> list[Any]:
    """Return the expressions that load the packet's address, masked to its network, into register 1."""
    load = genex("payload", {"dreg": 1, "base": 1, "offset": offset, "len": 4})
    if prefix == 32:
        return [load]
    mask = ipaddress.IPv4Network((0, prefix)).netmask.packed
    cut = genex("bitwise", {"sreg": 1, "dreg": 1, "len": 4, "mask": _data(mask), "xor": _data(bytes(4))})
    return [load, cut]


def _chance(percent: float) -> list[Any]:
    """Return the expressions that match that share of the packets; none at 100 %."""
    if percent >= 100:
        return []
    # spelled out, because pyroute2 names these attributes NFTA_NUMGEN_*, which the kernel does not know
    draw = [("NFTA_NG_DREG", 1), ("NFTA_NG_MODULUS", 10000), ("NFTA_NG_TYPE", _RANDOM), ("NFTA_NG_OFFSET", 0)]
    return [
        {"attrs": [("NFTA_EXPR_NAME", "numgen"), ("NFTA_EXPR_DATA", {"attrs": draw})]},
        genex("byteorder", {"sreg": 1, "dreg": 1, "op": _HOST_TO_NETWORK, "len": 4, "size": 4}),
        genex("cmp", {"sreg": 1, "op": _LESS_THAN, "data": _data(round(percent * 100).to_bytes(4, "big"))}),
    ]


def _counter() -> Any:
    return genex("counter", {"bytes": 0, "packets": 0})


def _verdict(code: int, chain: str | None = None) -> Any:
    verdict: list[tuple[str, Any]] = [("NFTA_VERDICT_CODE", code)]
    if chain is not None:
        verdict.append(("NFTA_VERDICT_CHAIN", chain))
    return genex("immediate", {"dreg": 0, "data": {"attrs": [("NFTA_DATA_VERDICT", {"attrs": verdict})]}})


def _data(value: bytes) -> dict[str, Any]:
    return {"attrs": [("NFTA_DATA_VALUE", value)]}


def queueing_disciplines() -> list[str]:
    """Return one line per active fault, in the form in which ``tc qdisc show`` prints the fault's netem on AWS."""
    return [f"qdisc netem {number:x}: dev ifb0 root limit 1000 loss" for number, _ in enumerate(active(), start=1)]


USAGE = "usage: python -m chaosdrill.lab.packet_loss dropped|qdisc   (how many packets were lost; the faults in force)"

if __name__ == "__main__":
    if sys.argv[1:] == ["dropped"]:
        sys.stdout.write(f"{dropped_packets()}\n")
    elif sys.argv[1:] == ["qdisc"]:
        sys.stdout.writelines(f"{line}\n" for line in queueing_disciplines())
    else:
        sys.exit(USAGE)
