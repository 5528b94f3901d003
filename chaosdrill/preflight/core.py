"""The checks that belong to no part: account, permissions, region state, credentials, clock, disk, earlier drills."""

import json
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Any

from botocore.credentials import RefreshableCredentials

from chaosdrill.aws import System, cloudwatch, permission_simulation
from chaosdrill.aws.sessions import signing_keys
from chaosdrill.errors import BadInput, CannotSee
from chaosdrill.parts.check_readings import FAILURES, code_of, read_text
from chaosdrill.parts.interface import Check, CheckContext, Reading
from chaosdrill.paths import runs_directory
from chaosdrill.policies import filled, policy_of
from chaosdrill.preflight.coordination_checks import coordination_checks
from chaosdrill.region.facts import read_region_of
from chaosdrill.region.state import verdict

MOST_CLOCK_OFFSET_S = 60.0  # AWS refuses a signature that is 5 minutes off
GOOD_CLOCK_OFFSET_S = 2.0
LEAST_DISK, GOOD_DISK = 100 << 20, 1 << 30  # bytes; a drill leaves some MB, and its journal must not be cut off
READABLE_WITHIN_S = 5.0
REGION_STATE = "core.region-state"
MOST_SHOWN = 4


def core_checks(context: CheckContext) -> Iterator[Check]:
    """List the checks that belong to no part."""
    system = context.system
    fix = "use the right profile, or add it under `accounts:`"
    account = read_text(partial(_account, system))
    yield Check("accounts", "core.account", "account of the credentials", fix, account, quick=True)
    if not (context.steps or context.experiment):
        return
    yield from _permissions(context)
    fix = "correct `stop_when: alarms`, or wait until it is OK"
    for alarm in context.stop_when.alarms:
        reading = partial(_stop_alarm, system, alarm.region or system.topology.regions.home, alarm.name)
        yield Check("stop_when", "core.stop-alarm", f"alarm {alarm.name}", fix, reading, quick=True)
    fix = "renew the credentials before the drill"
    yield Check("aws", "core.credentials-lifetime", "credentials", fix, partial(_lifetime, context))
    fix = "set the clock of this machine (NTP)"
    yield Check("machine", "core.clock", "clock of this machine", fix, partial(_clock, system))
    fix = "make room, or name another place with CHAOSDRILL_RUNS"
    yield Check("machine", "core.disk", "room for the run", fix, _disk)
    yield from coordination_checks(context)
    if context.expect:
        fix = "bring the application there first, such as with `chaos run experiments/failback.yaml`"
        yield Check("region", REGION_STATE, "region state", fix, partial(_region_state, context), quick=True)


def _account(system: System) -> str:
    account = system.account()
    if account not in system.topology.accounts:
        allowed = ", ".join(system.topology.accounts)
        raise CannotSee(
            f"the credentials belong to account {account}, and the topology allows only {allowed}",
            code="account-not-allowed",
        )
    return f"{account}, allowed"


def _permissions(context: CheckContext) -> Iterator[Check]:
    """List a check for each statement of the experiment's policy, by its Sid."""
    fix = "attach the policy that `chaosdrill iam` prints"
    functions = {step.function.rpartition(".")[2] for step in context.steps}
    try:
        printed = policy_of(context.experiment)
    except BadInput:
        reading = Reading(f"not simulated: there is no policy of the name {context.experiment!r}")
        yield Check("permissions", "core.permissions", "policy of the experiment", fix, lambda: reading)
        return
    try:
        topology, configuration = context.system.topology, context.configuration
        policy = json.loads(filled(printed, topology, configuration, functions, context.stop_when))
    except BadInput as error:
        unfilled = Reading("not simulated", "warning", str(error), error.codes[0])
        yield Check("permissions", "core.permissions", "policy of the experiment", fix, lambda: unfilled)
        return
    principal = _Once(partial(permission_simulation.principal, context.system))
    for statement in policy["Statement"]:
        sid = str(statement["Sid"])
        allowed = partial(_allowed, context.system, principal, statement)
        yield Check("permissions", f"core.permissions.{sid}", sid, fix, allowed)


class _Once:
    """A value that several checks share and one of them reads."""

    def __init__(self, read: Callable[[], str]) -> None:
        self._read, self._lock, self._value = read, Lock(), ""

    def __call__(self) -> str:
        with self._lock:
            self._value = self._value or self._read()
            return self._value


def _allowed(system: System, principal: Callable[[], str], statement: Mapping[str, Any]) -> Reading:
    """Simulate a statement of the policy."""
    try:
        count, denied = permission_simulation.simulated(system, principal(), statement)
    except FAILURES as error:
        return _not_simulated(statement, error)
    if not denied:
        return Reading(f"{count} allowed")
    more = f" and {len(denied) - MOST_SHOWN} more" if len(denied) > MOST_SHOWN else ""
    return Reading("", "refuse", f"denied: {', '.join(denied[:MOST_SHOWN])}{more}", code="permission-missing")


def _not_simulated(statement: Mapping[str, Any], error: Exception) -> Reading:
    """Return the reading of a statement that could not be simulated.

    Without the permission to simulate, the printed policy is not attached as a whole: the statement that contains it
    refuses. Where another policy denies it, such as the organization's, no statement could change that, and the drill
    itself shows missing permissions: that is a warning, as for every other statement.

    See: https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html
    """
    if permission_simulation.ALLOWED_BY in statement["Action"] and permission_simulation.is_statement_missing(error):
        return Reading("", "refuse", str(error), code="permission-missing")
    return Reading("not simulated", "warning", str(error), code_of(error))


def _lifetime(context: CheckContext) -> Reading:
    """Compare the lifetime of the credentials with the longest duration of the rollbacks."""
    held = signing_keys(context.system.reach).held
    needed_s = sum(_seconds(step.arguments.get("timeout_s")) for step in context.steps if step.stage == "rollbacks")
    if held is None:
        return Reading("none")
    if isinstance(held, RefreshableCredentials):
        held.get_frozen_credentials()
        left_s = (held._expiry_time - datetime.now(UTC)).total_seconds()
        value = f"for {left_s / 60:.0f} min, renewed by themselves"
        if left_s >= needed_s:
            return Reading(value)
        why = f"the rollbacks may take {needed_s / 60:.0f} min: the credentials must be renewed meanwhile"
        return Reading(value, "warning", why, code="credentials-expire")
    if held.token:
        why = f"temporary keys that do not say when they end; the rollbacks may take {needed_s / 60:.0f} min"
        return Reading("unknown", "warning", why, code="credentials-expire")
    return Reading("do not expire")


def _seconds(value: Any) -> float:
    try:
        return float(value or 0)
    except (TypeError, ValueError):
        return 0.0


def _clock(system: System) -> Reading:
    """Compare this machine's clock with the Date header of a response of STS, which has whole seconds."""
    before_s = time.time()
    answer = system.client("sts", system.topology.client.region).get_caller_identity()
    now_s = (before_s + time.time()) / 2
    date = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date")
    if not date:
        return Reading("unknown", "warning", "the response has no date")
    offset_s = now_s - parsedate_to_datetime(date).timestamp() - 0.5
    value = f"{offset_s:+.1f} s from AWS's"
    if abs(offset_s) > MOST_CLOCK_OFFSET_S:
        return Reading(value, "refuse", f"the clock differs from AWS's by {offset_s:+.1f} s", code="clock-offset")
    if abs(offset_s) > GOOD_CLOCK_OFFSET_S:
        why = f"the clock differs from AWS's by {offset_s:+.1f} s: times of both are compared in the report"
        return Reading(value, "warning", why, code="clock-offset")
    return Reading(value)


def _disk() -> Reading:
    place = runs_directory()
    free = shutil.disk_usage(_existing(place)).free
    value = f"{free / (1 << 20):.0f} MiB free in {place}"
    if free < LEAST_DISK:
        return Reading(value, "refuse", f"{place} has only {free / (1 << 20):.0f} MiB free", code="disk-space-low")
    if free < GOOD_DISK:
        return Reading(value, "warning", f"{place} has less than 1 GiB free", code="disk-space-low")
    return Reading(value)


def _existing(place: Path) -> Path:
    return next((one for one in (place, *place.parents) if os.path.isdir(one)), Path("/"))


def _stop_alarm(system: System, region: str, name: str) -> Reading:
    """Read an alarm that would stop the drill. An alarm without data does not stop it, and is a warning."""
    found = cloudwatch.alarms(system, region, [name])
    if name not in found:
        return Reading("", "refuse", f"there is no alarm {name} in {region}", code="alarm-missing")
    state = str(found[name]["StateValue"])
    if state == "ALARM":
        return Reading(state, "refuse", f"it is in ALARM in {region}, and would stop the drill", code="alarm-in-alarm")
    if state != "OK":
        return Reading(state, "warning", f"it has no data in {region}: it stops the drill only once it is in ALARM")
    return Reading(f"{state} in {region}")


def _region_state(context: CheckContext) -> Reading:
    give_up_s = time.monotonic() + READABLE_WITHIN_S
    while (state := verdict(read_region_of(context.system).value)) == "unknown" and time.monotonic() < give_up_s:
        time.sleep(0.2)
    if state != context.expect:
        why = f"the region state is {state}, expected {context.expect}"
        return Reading(state, "refuse", why, code="region-state-unexpected")
    return Reading(state)
