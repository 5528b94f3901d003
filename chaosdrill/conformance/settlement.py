"""The settlement load: whether the application settles writes as fast as a drill sends them around a transition.

This is the only part of the conformance check that writes: the heartbeat itself writes to the synthetic accounts of the
topology's ``heartbeat:``, from the host where it runs in a drill. The check holds the system's lease meanwhile, as a
drill does. :func:`measure` sends and measures, :func:`judged` judges.
"""

import json
import shutil
import tempfile
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from chaosdrill import history
from chaosdrill.aws import System, lease_guard
from chaosdrill.aws.polling import end_step_when, pause, poll_times
from chaosdrill.client.heartbeat import WRITES_PER_S, open_heartbeat, settings_of, why_no_writes
from chaosdrill.client.heartbeat_process import HeartbeatProcess
from chaosdrill.client.heartbeat_records import LEDGER
from chaosdrill.client.settlement import settlement_checked
from chaosdrill.conformance.assumptions import Assumption, CheckedAssumption, Observed
from chaosdrill.coordination import coordination_of, hold_lease, lease_request
from chaosdrill.errors import CannotSee, DrillError
from chaosdrill.history.run_directory import HISTORY
from chaosdrill.parts.registry import lease_keys

NS = 1_000_000_000
BEATS_WITHIN_S, SETTLES_WITHIN_S = 60.0, 20.0
FLAT_S_PER_MINUTE = 6.0  # the rate exceeds the settlement by a tenth: 3 s more lag after the 30 s of a transition
RESOLUTION_S = 1.0  # resolution of the time of a settlement
LEAST_ACCEPTED = 0.95
REST_S = 1 / WRITES_PER_S  # interval at rest: the first write of the load is at most this late


@dataclass(frozen=True)
class SettlementLoad:
    """The writes that were sent, and how fast they were settled.

    :param seconds: how long writes were sent.
    :param rate_per_s: writes per second.
    :param keeps_up: whether the heartbeat's settlement check allowed the load. If not, these are the values of the
        check.
    :param capacity_per_s: how many writes per second were settled during the check; None: not measured.
    :param settled_per_s: how many writes per second were settled while they were sent.
    :param lags: for each accepted write, when it was accepted (seconds from the beginning) and accept→settled in
        seconds; for a write that was not settled, how long the check waited for it.
    """

    seconds: float
    rate_per_s: float
    keeps_up: bool
    capacity_per_s: float | None
    settled_per_s: float
    lags: Sequence[tuple[float, float]]


def measure(
    system: System, configuration: Mapping[str, Any], seconds: float, host: str | None = None
) -> SettlementLoad:
    """Write to the synthetic accounts, at the rate that a drill uses around a transition, and measure accept→settled.

    The heartbeat's settlement check comes first, as in a drill. If writes are not settled as fast as it sends them,
    nothing more is sent. No drill, rescue or sweep can take the system's lease meanwhile.

    :param seconds: how long to write.
    :param host: base address to write to; default: ``http://`` and the topology's domain.
    :raises Refused: when a run holds the system (``lease-held``), or owes an undo (``undo-owed``); nothing was written.
    :raises CannotSee: when the load ended early, by a stop request or because the lease was lost
        (``settlement-stopped``).
    :raises DrillError: when the heartbeat cannot run, does not write, or does not report the states of its writes.
    """
    if why := why_no_writes(system.topology):
        raise CannotSee(why, code="heartbeat-only-reads")
    if settings_of(system.topology)["settled"] is None:
        why = "the topology's `heartbeat:` does not say how a write is read back: add `settled:`"
        raise CannotSee(why, code="read-back-not-described")
    system.refuse_other_accounts("the settlement load")
    run = f"conformance-{uuid.uuid4().hex[:12]}"
    with _lease(system, run) as reasons, _records_removed(run):
        heartbeat, _ = open_heartbeat(configuration, None, host=host)
        try:
            with _ended_early(reasons):
                heartbeat.wait_until_it_beats(BEATS_WITHIN_S)
                load = _measured(heartbeat, seconds)
            heartbeat.stop()
        finally:
            with lease_guard.undoing():
                heartbeat.end()
    return load


@contextmanager
def _lease(system: System, run: str) -> Iterator[Sequence[str]]:
    """Hold the system's lease for the length of the block.

    :returns: why the load must end early: a stop request, or a lease that is in doubt. Empty otherwise.
    """
    coordination, reasons = coordination_of(system), list[str]()
    request = lease_request(system, run, "settlement", lease_keys(system.topology))
    with hold_lease(
        coordination,
        lambda: coordination.acquire(request),
        on_stop=lambda stop: reasons.append(f"{stop.by} stopped it: {stop.why}"),
        on_lost=reasons.append,
    ):
        yield reasons


@contextmanager
def _ended_early(reasons: Sequence[str]) -> Iterator[None]:
    """End the block at its next pause, or before its next change, once there is a reason.

    :raises CannotSee: ``settlement-stopped``, with the reason.
    """
    end_step_when(lambda: bool(reasons))
    try:
        yield
    except SystemExit as ended:
        if not reasons:
            raise
        raise CannotSee(f"the settlement load ended early: {reasons[0]}", code="settlement-stopped") from ended
    finally:
        end_step_when(None)


@contextmanager
def _records_removed(run: str) -> Iterator[None]:
    """Open a drill for the heartbeat's records, and remove its directory at the end.

    :param run: a unique name.
    """
    directory = Path(tempfile.mkdtemp(prefix="chaosdrill-conformance-"))
    events = history.History(directory / HISTORY)
    try:
        with history.opened(history.OpenDrill(run, directory, events)):
            yield
    finally:
        events.close()
        shutil.rmtree(directory, ignore_errors=True)


def _measured(heartbeat: HeartbeatProcess, seconds: float) -> SettlementLoad:
    begin_ns = heartbeat.page.clock_ns()
    checked = settlement_checked(heartbeat)
    capacity_per_s = checked["capacity_per_s"]
    if checked["grows"]:
        until_ns, rate_per_s = heartbeat.page.clock_ns(), float(checked["burst_per_s"] or checked["rate_per_s"])
    else:
        begun = heartbeat.page.begin_load(seconds)
        until_ns, rate_per_s = int(begun["until_ns"]), float(begun["write_rate_per_s"])
        begin_ns = until_ns - round(seconds * NS)
        pause(seconds)  # read only at the end, so that a failed call in between loses nothing
    lags, settled = _lags(heartbeat, begin_ns, until_ns)
    took_s = (until_ns - begin_ns) / NS
    return SettlementLoad(took_s, rate_per_s, not checked["grows"], capacity_per_s, round(settled / took_s, 1), lags)


def _lags(heartbeat: HeartbeatProcess, begin_ns: int, until_ns: int) -> tuple[list[tuple[float, float]], int]:
    """Wait until the writes accepted in a span are settled, or for ``SETTLES_WITHIN_S``.

    :returns: the lags as in :class:`SettlementLoad`, and how many writes were settled within the span.
    """
    for _ in poll_times(SETTLES_WITHIN_S, heartbeat.poll_every_s):
        heartbeat.collect()
        accepted, settled = _ledger(heartbeat.kept.directory / LEDGER)
        wanted = {seq: at_ns for seq, at_ns in accepted.items() if begin_ns <= at_ns < until_ns}
        if wanted.keys() <= settled.keys():
            break
    now_ns = heartbeat.page.clock_ns()
    lags = [((at_ns - begin_ns) / NS, (settled.get(seq, now_ns) - at_ns) / NS) for seq, at_ns in wanted.items()]
    settled_then = sum(begin_ns <= seen_ns < until_ns for seen_ns in settled.values())
    return [(round(at_s, 3), round(lag_s, 3)) for at_s, lag_s in lags], settled_then


def _ledger(path: Path) -> tuple[dict[int, int], dict[int, int]]:
    """Return when each write of a ledger was accepted, and when it was read as settled: nanoseconds, by its seq."""
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    rows = [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]
    accepted = {row["seq"]: row["ended_ns"] for row in rows if row.get("outcome") == "accepted"}
    return accepted, {row["seq"]: row["seen_ns"] for row in rows if row.get("row") == "settled"}


def row_of(load: SettlementLoad | Exception) -> CheckedAssumption:
    """Return the row of the table for a measurement.

    :param load: the measurement, or the error that prevented it.
    """

    def read() -> Observed:
        if isinstance(load, Exception):
            raise load
        return judged(load)

    return Assumption(
        "settlement of writes at the rate of a transition",
        f"flat: accept→settled grows by at most {FLAT_S_PER_MINUTE:g} s a minute",
        read,
        "lower `heartbeat: {rate_per_s}`, or make the worker faster: a drill is refused; if it could not be read, "
        "correct `heartbeat:`",
    ).check()


def judged(load: SettlementLoad) -> Observed:
    """Judge a measurement. Pure.

    :raises CannotSee: when too few writes were settled to judge.
    """
    if not load.keeps_up and load.capacity_per_s:
        grows_s = 60 * (load.rate_per_s / load.capacity_per_s - 1)
        return Observed(
            f"a burst of {load.rate_per_s:g}/s is not settled within 10 s: {load.capacity_per_s:g}/s are settled, so "
            f"accept→settled grows by {grows_s:.0f} s a minute at that rate; nothing more was sent",
            False,
        )
    sent = f"{load.rate_per_s:g}/s for {load.seconds:.0f} s"
    lags = sorted(load.lags)
    expected = round(load.rate_per_s * (load.seconds - REST_S))
    if load.keeps_up and len(lags) < LEAST_ACCEPTED * expected:
        return Observed(f"{sent}: {len(lags)} of {expected} writes were accepted", False)
    if len(lags) < 2:
        raise CannotSee(f"{sent}: {len(lags)} writes were accepted", code="settlement-unknown")
    half = len(lags) // 2
    (first_at_s, first_s), (last_at_s, last_s) = _middle(lags[:half]), _middle(lags[half:])
    span_s = max(last_at_s - first_at_s, 1e-3)
    grows_s = last_s - first_s
    change = f"accept→settled {first_s:.1f} s in the first half, {last_s:.1f} s in the second"
    if load.keeps_up and grows_s <= max(RESOLUTION_S, FLAT_S_PER_MINUTE / 60 * span_s):
        capacity = "" if load.capacity_per_s is None else f"; a burst is settled at {load.capacity_per_s:g}/s"
        return Observed(f"{sent}: {change}{capacity}", True)
    per_minute_s = 60 * grows_s / span_s
    return Observed(
        f"{sent}: {change}: it grows by {per_minute_s:.0f} s a minute; {load.settled_per_s:g}/s are settled", False
    )


def _middle(lags: Sequence[tuple[float, float]]) -> tuple[float, float]:
    return median(at_s for at_s, _ in lags), median(lag_s for _, lag_s in lags)


def checked_settlement(
    system: System, configuration: Mapping[str, Any], seconds: float
) -> tuple[CheckedAssumption, SettlementLoad | None]:
    """Measure the settlement of writes under load.

    :returns: the row of the table, and the measurement; None without one.
    """
    try:
        load = measure(system, configuration, seconds)
    except (DrillError, ClientError, BotoCoreError) as error:
        return row_of(error), None
    return row_of(load), load
