"""Records around an injection, and measurements after it, for the judgement in ``effect``."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from chaosdrill import history
from chaosdrill.aws import System
from chaosdrill.aws.polling import poll_times
from chaosdrill.client.commands import run_on_client
from chaosdrill.client.load_generator import WATERMARK_LATE_S, LoadGenerator, load_generator
from chaosdrill.errors import CannotSee, DrillError
from chaosdrill.packet_loss.effect import ClientWindow, Drops, EffectJudgement, effect

HOST = ("instance_id", "region")
BEFORE, RUNNING, EFFECT = "fault-injecting", "fault-running", "fault-effect"
HEALED, AFTER = "fault-healed", "fault-after"  # when it was healed, and at the end of the drill


@dataclass(frozen=True)
class Injection:
    """The start of this run's fault on the load generator's clock (s since the epoch), the counter before, and the
    host (``instance_id`` and ``region``).
    """

    before_s: float
    running_s: float
    dropped_before: int | None
    host: Mapping[str, str]


def note(system: System, configuration: Mapping[str, Any] | None, event: str, **facts: Any) -> None:
    """Record the load generator's clock and the drop counter; one that cannot be read is recorded as an error."""
    if history.current() is not None:
        clock = _tried(lambda: load_generator(configuration).state().now_s)
        host = {name: getattr(system.topology.client, name) for name in HOST}
        history.record(event, load_clock=clock, dropped=_tried(lambda: dropped_packets(system)), host=host, **facts)


def _tried(read: Any) -> dict[str, Any]:
    try:
        return {"value": read()}
    except (DrillError, ClientError, BotoCoreError) as error:
        return {"error": str(error)}


def dropped_packets(system: System) -> int | None:
    """Return how many packets the fault has dropped on the client host, by the topology's command; None when the
    topology names no command.

    :raises CannotSee: when its output is no number.
    """
    command = system.topology.packet_loss.drop_counter_command
    if command is None:
        return None
    printed = run_on_client(system, command, reads="read-drop-counter").stdout.strip()
    if not printed.isdigit():
        raise CannotSee(
            f"the drop counter command {command!r} printed {printed[:200]!r}, not a whole number",
            code="drop-counter-unreadable",
        )
    return int(printed)


def injection(region: str | None = None) -> Injection | None:
    """Return the last fault of this run that FIS reported as running, None when there was none.

    :param region: of the host on which it began; None: any.
    :raises CannotSee: when the load generator's clock or the drop counter could not be read then, or no drill is open.
    """
    drill = history.current()
    if drill is None:
        raise CannotSee(
            "no drill is open, so nothing is known of the time before the fault: use the drill control",
            code="no-drill-open",
        )
    before, running = (
        [row for row in drill.history.events(event) if region in (None, row["host"]["region"])]
        for event in (BEFORE, RUNNING)
    )
    if not running:
        return None
    clocks = [row["load_clock"] for row in (before[-1], running[-1])]
    for clock in clocks:
        if "error" in clock:
            raise CannotSee(
                f"when the fault was injected the load generator could not be read: {clock['error']}",
                code="load-unreadable",
            )
    dropped_before = _seen_counter(before[-1]["dropped"], "before the fault")
    host = {name: running[-1]["host"][name] for name in HOST}
    return Injection(clocks[0]["value"], clocks[1]["value"], dropped_before, host)


def _seen_counter(counter: dict[str, Any], when: str) -> int | None:
    """Return the value of a counter; None if the topology names none.

    :raises CannotSee: when there is a counter, and it could not be read.
    """
    if "error" in counter:
        raise CannotSee(
            f"the counter of dropped packets could not be read {when}: {counter['error']}",
            code="drop-counter-unreadable",
        )
    value: int | None = counter["value"]
    return value


def landed_within(system: System, loads: LoadGenerator, injected: Injection, times_s: "Times") -> bool:
    """Judge one window after the other until one shows the fault, or the deadline passes.

    :returns: whether one showed it.
    :raises CannotSee: when the last window was unreadable or idle, or the baseline is.
    """
    began_s = loads.state().now_s
    baseline = _closed(loads, injected.before_s - times_s.baseline_window, injected.before_s)
    since_s = max(injected.running_s, began_s - times_s.window)
    blind: CannotSee | None = None
    while True:
        window = _closed(loads, since_s, since_s + times_s.window)
        counter = _tried(lambda: dropped_packets(system))
        try:
            after = _seen_counter(counter, "under the fault")
            found, blind = effect(baseline, window, Drops(injected.dropped_before, after)), None
        except CannotSee as error:
            found, blind = None, error
        _write_down(baseline, window, injected, counter, found, blind)
        if found is not None and found.landed:
            return True
        since_s += times_s.window / 2
        if since_s + times_s.window > began_s + times_s.within:
            break
    if blind is not None:
        raise blind
    return False


@dataclass(frozen=True)
class Times:
    """The durations of the search and of the windows, in seconds."""

    within: float
    window: float
    baseline_window: float


def _closed(loads: LoadGenerator, since_s: float, until_s: float) -> ClientWindow:
    """Wait until a window is complete, or so late that it never will be, and return it."""
    left_s = until_s - loads.state().now_s
    for _ in poll_times(max(0.0, left_s) + WATERMARK_LATE_S, every_s=0.5):
        seen = loads.window(since_s, until_s)
        if seen.complete:
            break
    complete = seen.complete and not seen.unrecorded
    return ClientWindow(seen.requests, seen.failures, seen.mean_ms, seen.p50_ms, seen.p90_ms, complete)


def _write_down(
    baseline: ClientWindow,
    window: ClientWindow,
    injected: Injection,
    counter: dict[str, Any],
    found: EffectJudgement | None,
    blind: CannotSee | None,
) -> None:
    history.record(
        EFFECT,
        landed=found.landed if found else None,
        judgement=asdict(found) if found else {"error": str(blind)},
        baseline=asdict(baseline),
        window=asdict(window),
        dropped_before=injected.dropped_before,
        dropped=counter,
    )
