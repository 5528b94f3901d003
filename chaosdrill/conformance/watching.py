"""Assumptions that only a change can confirm: the states of a switchover, and the delay of Step Functions' API."""

import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial

from botocore.exceptions import BotoCoreError, ClientError

from chaosdrill.aws import System, aurora, stepfunctions
from chaosdrill.aws.polling import pause
from chaosdrill.conformance.assumptions import Assumption, Observed
from chaosdrill.conformance.global_database import described
from chaosdrill.errors import CannotSee, DrillError

EVERY_S = 1.0
LISTS_EVERY = 3  # samples: ListExecutions refills at 2 calls/s for the account, and there are two machines
LATE_S = 10.0  # the delay that chaosdrill allows Step Functions for showing a change
CHANGING = frozenset({"switching-over", "failing-over", "modifying"})
KNOWN_SYNCHRONIZATION = frozenset({aurora.CONNECTED, "pending-resync"})


@dataclass
class _Seen:
    """The samples.

    :param statuses: the statuses of the global cluster, without repetitions, in order.
    :param synchronization: all synchronization statuses of its members.
    :param writers: the writers, without repetitions, in order.
    :param listed_late_s: the delay until each new execution was listed, by this machine's clock.
    :param ended_late_s: the delay until DescribeExecution showed the end of each new execution that ended.
    """

    statuses: list[str] = field(default_factory=list)
    synchronization: set[str] = field(default_factory=set)
    writers: list[str] = field(default_factory=list)
    listed_late_s: dict[str, float] = field(default_factory=dict)
    ended_late_s: dict[str, float] = field(default_factory=dict)

    @property
    def whole(self) -> bool:
        """Whether the writer changed, and every new execution has ended."""
        changed = len(self.writers) > 1 and self.statuses[-1:] == [aurora.AVAILABLE]
        return changed and bool(self.ended_late_s) and self.ended_late_s.keys() == self.listed_late_s.keys()


def watched(system: System, seconds: float) -> list[Assumption]:
    """Sample the global cluster every second and the executions every three, until a change of writer has ended.

    :param seconds: the longest time to sample.
    :returns: the assumptions on changes, with the samples; a sample without a response from AWS is left out.
    :raises CannotSee: when the state machines cannot be found.
    """
    seen, machines = _Seen(), stepfunctions.pair(system)
    known = {arn for arn, _ in _executions(system, machines)}
    until_s, number = time.monotonic() + seconds, 0
    while True:
        with suppress(DrillError, ClientError, BotoCoreError):
            _sample(system, seen)
            _describe(system, seen)
            if number % LISTS_EVERY == 0:
                _list(system, machines, known, seen)
        if seen.whole or time.monotonic() >= until_s:
            return list(_assumptions(seen, seconds))
        pause(EVERY_S)
        number += 1


def _list(system: System, machines: tuple[str, str], known: set[str], seen: _Seen) -> None:
    for arn, began in _executions(system, machines):
        if arn not in known:
            known.add(arn)
            seen.listed_late_s[arn] = _since(began)


def _sample(system: System, seen: _Seen) -> None:
    found = described(system)
    members = found.get("GlobalClusterMembers") or ()
    seen.synchronization |= {str(one["SynchronizationStatus"]) for one in members if one.get("SynchronizationStatus")}
    writers = ",".join(str(one["DBClusterArn"]).split(":")[3] for one in members if one.get("IsWriter"))
    for value, values in ((str(found["Status"]), seen.statuses), (writers, seen.writers)):
        if not values or values[-1] != value:
            values.append(value)


def _describe(system: System, seen: _Seen) -> None:
    client = system.client("stepfunctions", system.topology.failover.region)
    for arn in seen.listed_late_s.keys() - seen.ended_late_s.keys():
        found = client.describe_execution(executionArn=arn)
        if found["status"] != stepfunctions.RUNNING:
            seen.ended_late_s[arn] = _since(found["stopDate"])


def _since(moment: datetime) -> float:
    return max(0.0, (datetime.now(UTC) - moment).total_seconds())


def _executions(system: System, machines: tuple[str, str]) -> Iterator[tuple[str, datetime]]:
    client = system.client("stepfunctions", system.topology.failover.region)
    for machine in machines:
        for one in client.list_executions(stateMachineArn=machine, maxResults=10)["executions"]:
            yield str(one["executionArn"]), one["startDate"]


def _assumptions(seen: _Seen, seconds: float) -> Iterator[Assumption]:
    yield Assumption(
        "states of the global cluster during a change of writer",
        f"available, {' or '.join(sorted(CHANGING))}, available; members connected or pending-resync",
        partial(_of_switchover, seen, seconds),
        "start --watch SECONDS before a drill; if it differs, send the file of --export to chaosdrill's maintainers",
    )
    yield Assumption(
        "how late ListExecutions shows a new execution",
        f"at most {LATE_S:g} s",
        partial(_of_executions, seen.listed_late_s, "began", seconds),
        "start --watch SECONDS before a drill; if it differs, send the file of --export to chaosdrill's maintainers",
    )
    yield Assumption(
        "how late DescribeExecution shows the end of an execution",
        f"at most {LATE_S:g} s",
        partial(_of_executions, seen.ended_late_s, "ended", seconds),
        "let --watch SECONDS last until the failover has ended; if it differs, send the file of --export to "
        "chaosdrill's maintainers",
    )


def _of_switchover(seen: _Seen, seconds: float) -> Observed:
    if len(seen.statuses) <= 1 and len(seen.writers) <= 1:
        raise CannotSee(f"the writer did not change within {seconds:g} s", code="watch-empty")
    changes = f"{' → '.join(seen.statuses)}; writer {' → '.join(seen.writers)}"
    text = f"{changes}; members {', '.join(sorted(seen.synchronization))}"
    known = set(seen.statuses) <= {aurora.AVAILABLE, *CHANGING} and seen.synchronization <= KNOWN_SYNCHRONIZATION
    return Observed(text, known)


def _of_executions(late_s: Mapping[str, float], what: str, seconds: float) -> Observed:
    if not late_s:
        raise CannotSee(f"no execution {what} within {seconds:g} s", code="watch-empty")
    most_s = max(late_s.values())
    return Observed(f"{len(late_s)} {what}, shown at most {most_s:.1f} s later", most_s <= LATE_S)
