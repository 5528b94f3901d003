"""Faults between a caller and the endpoint: ``PUT /chaosdrill/faults``, ``chaosdrill lab break``.

A fault affects calls of one service, in one region or all, of one operation or all: a number of calls, or all until it
is removed. Calls of the lab's own parts (state machines, application) are not affected unless ``everyone`` is set,
because a fault simulates a problem of the client, not of the system.
"""

import itertools
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from chaosdrill.lab.aws.calls import LoggedRequest
from chaosdrill.lab.aws.errors import access_denied

# the effect of each kind, for `chaosdrill lab break aws --help`
KINDS = {
    "throttling": "the service's own throttling error",
    "server-error": "HTTP 500",
    "expired": "the credentials have expired",
    "denied": "the caller lacks the permission",
    "timeout": "accepted, with no response until --seconds have passed; then the connection closes",
    "reset": "the connection is reset (RST), nothing was done",
    "lost-answer": "the request is carried out, then the connection is reset: the caller cannot know",
    "slow": "answered --seconds late",
    "ignored": "acknowledged, but not carried out (DynamoDB only)",
}
LONGEST_S = 3600.0

# signing names of services, by botocore's name where the two differ
SIGNED_AS = {"stepfunctions": "states", "elbv2": "elasticloadbalancing", "cloudwatch": "monitoring"}

_THROTTLED = {
    "dynamodb": ("400 Bad Request", "ProvisionedThroughputExceededException"),
    "ec2": ("503 Service Unavailable", "RequestLimitExceeded"),
    "lambda": ("429 Too Many Requests", "TooManyRequestsException"),
    **dict.fromkeys(
        ("elasticloadbalancing", "iam", "monitoring", "rds", "route53", "sts"), ("400 Bad Request", "Throttling")
    ),
    **dict.fromkeys(
        ("fis", "route53-recovery-cluster", "route53-recovery-control-config"),
        ("429 Too Many Requests", "ThrottlingException"),
    ),
}
_EXPIRED = {
    "ec2": "RequestExpired",
    **dict.fromkeys(("elasticloadbalancing", "iam", "monitoring", "rds", "route53", "sts"), "ExpiredToken"),
}
_FAILED = {"ec2": "InternalError", "dynamodb": "InternalServerError", "ssm": "InternalServerError"}


@dataclass(frozen=True)
class AwsFault:
    """A fault in AWS calls.

    :param region: empty: every region; likewise ``operation``.
    :param calls: number of further calls that it affects, 0 when it is used up; None: until it is removed.
    :param seconds: for ``timeout`` and ``slow``.
    :param everyone: whether calls of the lab's own parts are affected, too.
    :param hits: number of calls that it has affected.
    """

    service: str
    kind: str
    region: str = ""
    operation: str = ""
    calls: int | None = None
    seconds: float = 30.0
    everyone: bool = False
    number: int = 0
    hits: int = 0
    removed: threading.Event = field(default_factory=threading.Event, repr=False, compare=False)

    def meets(self, call: LoggedRequest) -> bool:
        """Return whether it affects the call."""
        return (
            self.calls != 0
            and self.service == call.service
            and self.region in ("", call.region)
            and self.operation in ("", call.operation)
            and (self.everyone or call.by != "lab")
        )

    def described(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {name: value for name, value in vars(self).items() if name != "removed"}

    def error(self) -> tuple[str, str, str]:
        """Return HTTP status line, code and message of its error response."""
        if self.kind == "throttling":
            status, code = _THROTTLED.get(self.service, ("400 Bad Request", "ThrottlingException"))
            return status, code, "Rate exceeded"
        if self.kind == "expired":
            code = _EXPIRED.get(self.service, "ExpiredTokenException")
            status = "400 Bad Request" if code == "ExpiredTokenException" else "403 Forbidden"
            return status, code, "The security token included in the request is expired"
        if self.kind == "denied":
            status, code = access_denied(self.service)
            return status, code, f"User is not authorized to perform: {self.service}:{self.operation or '*'}"
        code = _FAILED.get(self.service, "InternalFailure")
        return "500 Internal Server Error", code, "We encountered an internal error. Please try again."


class Faults:
    """The faults in force, and those that are used up until they are removed; thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._faults: dict[int, AwsFault] = {}

    def add(self, fault: AwsFault) -> AwsFault:
        """Put a fault in force.

        :returns: the fault with its number.
        """
        with self._lock:
            added = replace(fault, number=next(self._numbers))
            self._faults[added.number] = added
            return added

    def clear(self) -> int:
        """Remove all faults; calls that wait for a ``timeout`` or ``slow`` continue at once.

        :returns: how many there were.
        """
        with self._lock:
            gone = list(self._faults.values())
            self._faults.clear()
        for fault in gone:
            fault.removed.set()
        return len(gone)

    def take(self, call: LoggedRequest) -> AwsFault | None:
        """Return the oldest fault that affects the call, and count the call; None when there is none."""
        with self._lock:
            fault = next((one for one in self._faults.values() if one.meets(call)), None)
            if fault is None:
                return None
            left = None if fault.calls is None else fault.calls - 1
            self._faults[fault.number] = replace(fault, calls=left, hits=fault.hits + 1)
            return fault

    def described(self) -> list[dict[str, Any]]:
        """Return all faults, oldest first, as JSON values."""
        with self._lock:
            return [fault.described() for fault in self._faults.values()]


FAULTS = Faults()


def fault_of(given: Any, services: frozenset[str]) -> tuple[AwsFault | None, list[str]]:
    """Parse a requested fault.

    :param services: signing names that the endpoint knows.
    :returns: the fault, or None and its problems.
    """
    if not isinstance(given, Mapping):
        return None, ["the body must be a JSON object"]
    known = {"service", "kind", "region", "operation", "calls", "seconds", "everyone"}
    problems = [f"{name}: unknown; known are {', '.join(sorted(known))}" for name in given if name not in known]
    service = str(given.get("service") or "").lower()
    service = SIGNED_AS.get(service, service)
    if service not in services:
        problems.append(f"service {service!r}: write one of {', '.join(sorted(services))}")
    kind = given.get("kind")
    if kind not in KINDS:
        problems.append(f"kind {kind!r}: write one of {', '.join(KINDS)}")
    if kind == "ignored" and service != "dynamodb":
        problems.append(
            f"kind 'ignored': only DynamoDB's response to a write is empty, not that of {service or 'none'}"
        )
    calls, seconds = given.get("calls"), given.get("seconds", 30.0)
    if calls is not None and not (isinstance(calls, int) and not isinstance(calls, bool) and calls > 0):
        problems.append(
            f"calls {calls!r}: write a whole number from 1, or leave it out: then the fault lasts until it is removed"
        )
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not 0 <= seconds <= LONGEST_S:
        problems.append(f"seconds {seconds!r}: write a number from 0 to {LONGEST_S:g}")
    if problems:
        return None, problems
    fault = AwsFault(
        service,
        str(kind),
        region=str(given.get("region") or ""),
        operation=str(given.get("operation") or ""),
        calls=calls,
        seconds=float(seconds),
        everyone=given.get("everyone") is True,
    )
    return fault, []
