"""Checks for contradictions in a topology; each check reads only well-formed parts."""

import difflib
import ipaddress
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from chaosdrill.topology.loopback import is_loopback
from chaosdrill.topology.yaml_positions import Place

_BY_REGION: tuple[Place, ...] = (
    ("load_balancers",),
    ("stop_flag", "tables"),
    ("routing", "controls"),
    ("database", "clusters"),
)
_MACHINE = re.compile(r"arn:[a-z-]+:states:[a-z0-9-]+:[0-9]{12}:stateMachine:[\w.+=@!()-]{1,80}")
# an alias, or a version number: https://docs.aws.amazon.com/step-functions/latest/dg/concepts-cd-aliasing-versioning.html
_QUALIFIED = re.compile(rf"(?P<machine>{_MACHINE.pattern}):[A-Za-z0-9_.-]{{1,80}}")
_WORD = re.compile(r"\{([^{}]*)\}")
_WORDS = {
    "read": ("account",),
    "write": ("account", "quantity"),
    "settled": ("account", "id"),
    "balance": ("account",),
}
_ACCOUNTS = "`accounts: {prefix: ..., count: ...}`"
_ID = "[A-Za-z0-9]+"
_RESOURCES = {
    "load_balancers": ("loadbalancer/app/NAME/ID", re.compile(r"loadbalancer(/[A-Za-z0-9-]+)+")),
    "routing": (
        "controlpanel/ID/routingcontrol/ID",
        re.compile(rf"controlpanel/{_ID}/routingcontrol/{_ID}"),
    ),
    "database": ("cluster:NAME", re.compile(r"cluster:[A-Za-z0-9-]+")),
}
_SERVICES = {"load_balancers": "elasticloadbalancing", "routing": "route53-recovery-control", "database": "rds"}


@dataclass(frozen=True)
class TopologyProblem:
    """A problem to correct: its place, what is wrong, and the fix."""

    place: Place
    what: str
    fix: str

    @property
    def key(self) -> str:
        """The place as a dotted key, such as ``routing.cluster_endpoints[2].url``."""
        text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in self.place)
        return text.lstrip(".") or "(the whole file)"


@dataclass(frozen=True)
class Arn:
    """An ARN in the topology; ``region`` is the key of its value."""

    place: Place
    region: str
    text: str

    def part(self, number: int) -> str:
        """Return a part between colons: 2 is the service, 3 the region."""
        return self.text.split(":")[number]


def problems_of(value: Any, wrong: Sequence[Place]) -> list[TopologyProblem]:
    """Return the contradictions in a document.

    :param value: the document.
    :param wrong: the places whose form is wrong; no check reads them.
    """
    found: list[TopologyProblem] = []
    for needs, check in _CHECKS:
        if not any(_touches(place, need) for place in wrong for need in needs):
            found += check(value)
    return found


def suggestion(key: str, known: list[str], otherwise: str = "remove it; ") -> str:
    """Return the known key that an unknown key may stand for.

    :param otherwise: what to do where none is near, before the known keys; empty for what stands in no file.
    """
    near = difflib.get_close_matches(key, known, n=1)
    return f"did you mean `{near[0]}`?" if near else f"{otherwise}known here: {', '.join(known)}"


def _touches(wrong: Place, need: str) -> bool:
    return not wrong or wrong[0] == need


def _same_regions(value: dict[str, Any]) -> Iterator[TopologyProblem]:
    regions = value["regions"]
    if regions["home"] == regions["standby"]:
        yield TopologyProblem(("regions", "standby"), f"is {regions['home']!r} like home", "name another region")


def _keyed_by_region(place: Place) -> Callable[[dict[str, Any]], Iterator[TopologyProblem]]:
    def check(value: dict[str, Any]) -> Iterator[TopologyProblem]:
        regions = set(value["regions"].values())
        given = set(_at(value, place))
        if len(regions) == 1:
            return
        for region in sorted(given - regions):
            known = sorted(regions - given) or sorted(regions)
            what = "is not one of the regions home and standby"
            yield TopologyProblem((*place, region), what, suggestion(region, known))
        for region in sorted(regions - given):
            yield TopologyProblem((*place, region), "missing", f"add an entry for {region}")

    return check


def _arns_fit(place: Place) -> Callable[[dict[str, Any]], Iterator[TopologyProblem]]:
    def check(value: dict[str, Any]) -> Iterator[TopologyProblem]:
        service = _SERVICES[str(place[0])]
        form, resource = _RESOURCES[str(place[0])]
        seen: dict[str, Arn] = {}
        for arn in _arns(value, place):
            if arn.part(2) != service:
                yield TopologyProblem(
                    arn.place, f"is an ARN of {arn.part(2)}", f"write one of {service} (arn:aws:{service}:...)"
                )
            elif arn.part(3) not in ("", arn.region):
                yield TopologyProblem(arn.place, f"is an ARN of {arn.part(3)}", f"write the one of {arn.region}")
            elif not resource.fullmatch(arn.text.split(":", 5)[5]):
                yield TopologyProblem(
                    arn.place, f"is {arn.text!r}", f"write the ARN of one resource, which ends in {form}"
                )
            elif arn.text in seen:
                there = seen[arn.text].region
                yield TopologyProblem(arn.place, f"is the same as that of {there}", f"write the one of {arn.region}")
            seen.setdefault(arn.text, arn)

    return check


def _ranges_apart(value: dict[str, Any]) -> Iterator[TopologyProblem]:
    given = [(region, one["cidr"]) for region, one in value["load_balancers"].items() if "cidr" in one]
    for number, (region, cidr) in enumerate(given):
        for other, before in given[:number]:
            if ipaddress.IPv4Network(cidr).overlaps(ipaddress.IPv4Network(before)):
                what = f"is {cidr!r}, which overlaps with {before} of {other}: an address would be of both regions"
                yield TopologyProblem(
                    ("load_balancers", region, "cidr"), what, "leave cidr out of both and give their arn"
                )


def _endpoints_differ(value: dict[str, Any]) -> Iterator[TopologyProblem]:
    endpoints = value["routing"]["cluster_endpoints"]
    for name in ("region", "url"):
        given = [one[name] for one in endpoints]
        for number, text in enumerate(given):
            if text in given[:number]:
                place = ("routing", "cluster_endpoints", number, name)
                yield TopologyProblem(place, f"is {text!r} as before", "name each of the cluster's endpoints once")


def _machines_differ(value: dict[str, Any]) -> Iterator[TopologyProblem]:
    failover, failback = (str(value["failover"][name]) for name in ("failover_prefix", "failback_prefix"))
    if failover.startswith(failback) or failback.startswith(failover):
        what = f"is {failback!r}, and failover_prefix is {failover!r}: no name distinguishes them"
        yield TopologyProblem(("failover", "failback_prefix"), what, "write more of one, or its ARN")


def _machines_are_machines(value: dict[str, Any]) -> Iterator[TopologyProblem]:
    for name in ("failover_prefix", "failback_prefix"):
        if problem := problem_of_machine(str(value["failover"][name])):
            yield TopologyProblem(("failover", name), *problem)


def problem_of_machine(named: str) -> tuple[str, str] | None:
    """Return the problem of a state machine's ARN, and the fix; None when it is a valid ARN, or a name."""
    if not named.startswith("arn:") or _MACHINE.fullmatch(named):
        return None
    what = f"is {named!r}"
    if unqualified := _QUALIFIED.fullmatch(named):
        fix = "executions are found and followed by the state machine itself, which runs its newest revision"
        return f"{what}, an alias or a version", f"write {unqualified['machine']} if that is what you mean: {fix}"
    return f"{what}, no ARN of a state machine", "write arn:aws:states:REGION:ACCOUNT:stateMachine:NAME"


def _coordination_is_elsewhere(value: dict[str, Any]) -> Iterator[TopologyProblem]:
    region = value.get("coordination", {}).get("region")
    if region in value["regions"].values():
        fix = "name a third region, such as us-west-2: the drilled regions must not take the leases down with them"
        yield TopologyProblem(("coordination", "region"), f"{region} is a region of the system", fix)


def _waits_of_aws(value: dict[str, Any]) -> Iterator[TopologyProblem]:
    if value["target"] == "aws" and value.get("time_scale", 1) != 1:
        yield TopologyProblem(
            ("time_scale",), f"is {value['time_scale']!r} on aws", "remove it: waits on aws cannot be scaled"
        )


def _lab_is_reached(value: dict[str, Any]) -> Iterator[TopologyProblem]:
    aws = value.get("aws", {})
    if value["target"] == "lab" and not (aws.get("endpoint_url") or (aws.get("config_file") and aws.get("profile"))):
        yield TopologyProblem(
            ("aws",),
            "has no address of the lab",
            "add `endpoint_url:`, or `config_file:` and `profile:`, so that no real account can be reached",
        )


def _lab_is_here(value: dict[str, Any]) -> Iterator[TopologyProblem]:
    """Check that a lab is on this machine, so that a drill cannot change another system in place of the lab."""
    url = value.get("aws", {}).get("endpoint_url")
    if value["target"] == "lab" and url is not None and not is_loopback(url):
        fix = "write its address on 127.0.0.1, or `target: aws`"
        yield TopologyProblem(("aws", "endpoint_url"), f"is {url!r}, but a lab runs on this machine only", fix)


def _port_has_a_name_server(value: dict[str, Any]) -> Iterator[TopologyProblem]:
    dns = value.get("dns", {})
    if "port" in dns and "nameserver" not in dns:
        yield TopologyProblem(("dns", "port"), "stands without a name server", "add `nameserver:`, or remove it")


def _heartbeat_can_follow(value: dict[str, Any]) -> Iterator[TopologyProblem]:
    """Check that the heartbeat writes only to its own accounts, and can read its writes back."""
    heartbeat = value.get("heartbeat", {})
    write = heartbeat.get("write")
    if write is not None and "accounts" not in heartbeat:
        fix = f"add {_ACCOUNTS}, which must exist for drills only, or remove `write:`"
        yield TopologyProblem(("heartbeat", "accounts"), "missing: nothing says which accounts may be written to", fix)
    if write is not None and "id" not in write:
        fix = "add `id:` with the field of the response that identifies the write, such as transactionId"
        yield TopologyProblem(("heartbeat", "write", "id"), "missing: no write could be found again", fix)
    for name in ("settled", "balance"):
        if name in heartbeat and write is None:
            yield TopologyProblem(
                ("heartbeat", name), "has no effect without `write:`", f"add `write:`, or remove `{name}:`"
            )


def _heartbeat_words(value: dict[str, Any]) -> Iterator[TopologyProblem]:
    """Check that each ``{word}`` in an operation's texts is known for that operation and has a value."""
    heartbeat = value.get("heartbeat", {})
    for name, known in _WORDS.items():
        found = [] if name not in heartbeat else list(_words(("heartbeat", name), heartbeat[name]))
        for place, word in found:
            if word not in known:
                yield TopologyProblem(
                    place, f"names {{{word}}}", f"known here: {', '.join(f'{{{one}}}' for one in known)}"
                )
            elif name == "read" and "accounts" not in heartbeat:
                fix = f"write an account that exists instead, or add {_ACCOUNTS}"
                yield TopologyProblem(place, "names {account}, and there are no accounts", fix)
        if name == "settled" and name in heartbeat and "id" not in [word for _, word in found]:
            yield TopologyProblem(("heartbeat", name), "names {id} nowhere", "write {id} where the write's id belongs")


def _words(place: Place, value: Any) -> Iterator[tuple[Place, str]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _words((*place, key), inner)
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _words((*place, number), inner)
    elif isinstance(value, str):
        yield from ((place, word) for word in _WORD.findall(value))


def _at(value: Any, place: Place) -> Any:
    for part in place:
        value = value[part]
    return value


def _arns(value: dict[str, Any], place: Place) -> Iterator[Arn]:
    for region, given in _at(value, place).items():
        if isinstance(given, str):
            yield Arn((*place, region), region, given)
        elif "arn" in given:
            yield Arn((*place, region, "arn"), region, given["arn"])


_WITH_ARNS: tuple[Place, ...] = (("load_balancers",), ("routing", "controls"), ("database", "clusters"))
_CHECKS: tuple[tuple[tuple[str, ...], Callable[[dict[str, Any]], Iterator[TopologyProblem]]], ...] = (
    (("regions",), _same_regions),
    *((("regions", str(place[0])), _keyed_by_region(place)) for place in _BY_REGION),
    *(((str(place[0]),), _arns_fit(place)) for place in _WITH_ARNS),
    (("load_balancers",), _ranges_apart),
    (("routing",), _endpoints_differ),
    (("failover",), _machines_are_machines),
    (("failover",), _machines_differ),
    (("regions", "coordination"), _coordination_is_elsewhere),
    (("target", "time_scale"), _waits_of_aws),
    (("target", "aws"), _lab_is_reached),
    (("target", "aws"), _lab_is_here),
    (("dns",), _port_has_a_name_server),
    (("heartbeat",), _heartbeat_can_follow),
    (("heartbeat",), _heartbeat_words),
)
