"""The built-in conditions that stop a drill (``stop_when``): the resource of each, and how often it is read.

They are checked from the setup to the rollbacks, also while a step waits and while the steady state is checked. A
condition that cannot be read for some seconds counts as met.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from functools import partial
from itertools import chain
from pathlib import Path

from chaosdrill.aws import System, cloudwatch, deadlines
from chaosdrill.client.heartbeat_process import SOURCE, HeartbeatProcess
from chaosdrill.client.heartbeat_records import BEATS, RECORDS
from chaosdrill.controls.check_context import check_context
from chaosdrill.controls.context import DrillContext
from chaosdrill.controls.safeguards import Guard, GuardThreads, Miss, Patience, Tripped
from chaosdrill.errors import CannotSee
from chaosdrill.history import Event
from chaosdrill.messages import Name, as_it_is, sentence
from chaosdrill.parts.interface import StopCondition
from chaosdrill.parts.registry import parts_of
from chaosdrill.stop_when import Alarm
from chaosdrill.watch.beats import LiveBeats
from chaosdrill.watch.tail import Tail

EVERY_S = 2.0
READ_WITHIN_S = 8.0  # for all requests of one read
UNREADABLE_IN_A_ROW = 4  # 8 s if a request is refused at once, 30 s without any response, as for a safeguard
STALE_S = 20.0  # added to a beat's own time: collecting over SSM takes seconds
COLLECT_EVERY_S = 2.0  # while the time without service is limited
PATIENCE = Patience(every_s=EVERY_S, misses=1, unreadable=UNREADABLE_IN_A_ROW)
Events = Callable[[], Sequence[Event]]
FindHeartbeat = Callable[[], HeartbeatProcess | None]


def watch_stop_conditions(drill: DrillContext, system: System, name: str, tripped: Tripped) -> GuardThreads:
    """Start checking every condition that stops the drill, and record them.

    :param name: the experiment's.
    :returns: the guards; they are stopped before the rollbacks.
    """
    conditions = list(_conditions(drill, system, name))
    if conditions:
        drill.record.note("stop-conditions-watched", conditions=[one.what for one in conditions])
    guards = GuardThreads(guard_of(one, tripped) for one in conditions)
    guards.start()
    return guards


def guard_of(condition: StopCondition, tripped: Tripped, patience: Patience = PATIENCE) -> Guard:
    """Create the guard of a condition: it trips at once when the condition is met, and after repeated unreadable
    results.
    """

    def read() -> Miss | None:
        with deadlines.ending(READ_WITHIN_S):
            why = condition.read()
        return Miss(why) if why else None

    return Guard(condition.name, read, tripped, patience)


def _conditions(drill: DrillContext, system: System, name: str) -> Iterator[StopCondition]:
    context = check_context(drill.experiment, drill.arguments, drill.configuration, drill.secrets, system, name)
    wanted = context.stop_when
    yield from chain.from_iterable(part.stop_conditions(context) for part in parts_of(system.topology))
    yield from of_alarms(system, wanted.alarms)
    if drill.directory is not None and drill.heartbeat is not None and wanted.unavailable_s is not None:
        records, find = drill.directory / RECORDS, drill.heartbeat.find
        yield of_unavailability(wanted.unavailable_s, records, find, lambda: drill.record.events)
    if wanted.lost_writes is not None:
        yield of_lost_writes(wanted.lost_writes, lambda: drill.record.events)


# CloudWatch ---------------------------------------------------------------------------------------------------------


def of_alarms(system: System, alarms: Sequence[Alarm]) -> Iterator[StopCondition]:
    """Yield a condition for each region with alarms that stop the drill."""
    home = system.topology.regions.home
    for region in dict.fromkeys(alarm.region or home for alarm in alarms):
        names = tuple(dict.fromkeys(one.name for one in alarms if (one.region or home) == region))
        what = f"alarms of {region}: {', '.join(names)}"
        yield StopCondition("alarms", what, partial(_in_alarm, system, region, names))


def _in_alarm(system: System, region: str, names: Sequence[str]) -> str:
    """Read whether an alarm is in ALARM. INSUFFICIENT_DATA does not stop the drill, as with FIS's stop conditions."""
    found = cloudwatch.alarms(system, region, names)
    for name, alarm in found.items():
        if alarm["StateValue"] == "ALARM":
            values = {"alarm": name, "region": region, "reason": as_it_is(alarm.get("StateReason") or "-")}
            return sentence("the alarm {alarm} of {region} is in ALARM ({reason})", **values)
    if missing := [name for name in names if name not in found]:
        raise CannotSee(f"there is no alarm {', '.join(missing)} in {region}", code="alarm-missing")
    return ""


# Clients ------------------------------------------------------------------------------------------------------------


def of_unavailability(limit_s: float, records: Path, find: FindHeartbeat, events: Events) -> StopCondition:
    """Create the condition that clients were without service for too long in this drill.

    :param limit_s: in seconds, all outages together.
    :param records: the directory of the heartbeat's collected records.
    """
    outages = ClientOutages(records, find, events)

    def read() -> str:
        total_s = outages.total_s()
        if total_s < limit_s:
            return ""
        return sentence(
            "clients were without service for {seconds:.1f} s, the limit unavailable_s is {limit:g} s",
            seconds=total_s,
            limit=limit_s,
        )

    return StopCondition("unavailable", f"clients without service for {limit_s:g} s", read)


class ClientOutages:
    """The time for which clients were without service in this drill, by the heartbeat's records.

    A beat without a response is recorded when it is given up, an answered one at once. So a present outage lasts until
    the last moment for which the records of answered beats are complete.
    """

    def __init__(self, records: Path, find: FindHeartbeat, events: Events) -> None:
        self._rows, self._beats = Tail(records / BEATS, object), LiveBeats()
        self._find, self._events = find, events
        self._events_read = 0
        self._collected_s = 0.0  # since the epoch
        self._newest_s: float | None = None
        self._newer_at = time.monotonic()

    def total_s(self) -> float:
        """Read the new beats.

        :returns: seconds of all outages, the present one included.
        :raises CannotSee: when no beat was collected for a long time, although the heartbeat runs.
        """
        heartbeat = self._find()
        self._take_clocks()
        for row in self._rows.news():
            self._beats.take(row)
        ended_s = sum((one.until_s or one.since_s) - one.since_s for one in self._beats.outages)
        if heartbeat is None:
            self._newer_at = time.monotonic()
            return ended_s
        self._require_news(float(heartbeat.settings["timeout_s"]) + STALE_S)
        since_s = self._beats.out_since_s
        if since_s is None:
            return ended_s
        seen_s = time.time() if heartbeat.where == "local" else self._collected_s
        return ended_s + max(seen_s - float(heartbeat.settings["deadline_s"]), self._newest_s or since_s) - since_s

    def _take_clocks(self) -> None:
        news = self._events()[self._events_read :]
        self._events_read += len(news)
        for event in news:
            if event["event"] == "clock-measured" and event.get("source") == SOURCE:
                self._beats.take_clock(event)
                self._collected_s = datetime.fromisoformat(event["at"]).timestamp()

    def _require_news(self, within_s: float) -> None:
        if self._beats.newest_s != self._newest_s:
            self._newest_s, self._newer_at = self._beats.newest_s, time.monotonic()
        if time.monotonic() - self._newer_at > within_s:
            raise CannotSee(f"no beat was collected for {within_s:g} s", code="heartbeat-records-stale")


def of_lost_writes(limit: int, events: Events) -> StopCondition:
    """Create the condition that a read-back of this drill found so many writes lost, or could not determine it."""

    def read() -> str:
        for event in events():
            if event["event"] == "read-back" and (why := _lost(event, limit)):
                return why
        return ""

    return StopCondition("lost-writes", f"{limit} lost writes", read)


def _lost(event: Event, limit: int) -> str:
    read_back, lost = Name("read-back", str(event.get("label"))), event.get("lost")
    if lost is None:
        text = sentence(
            "the read-back {read_back} does not tell how many writes were lost: {why}",
            read_back=read_back,
            why=as_it_is(event.get("why") or "-"),
        )
        raise CannotSee(text, code="lost-writes-unknown")
    if lost < limit:
        return ""
    return sentence(
        "the read-back {read_back} found {lost} lost writes, the limit lost_writes is {limit}",
        read_back=read_back,
        lost=lost,
        limit=limit,
    )
