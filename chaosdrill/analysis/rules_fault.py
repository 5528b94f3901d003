"""Rules on whether the fault landed and whether it is gone.

They use what clients and the kernel recorded, not what FIS reports.
"""

from collections.abc import Iterator
from math import sqrt
from typing import TYPE_CHECKING

from chaosdrill.analysis.findings import Finding, finding
from chaosdrill.analysis.records import is_served
from chaosdrill.analysis.run import Event, Run, at_ns
from chaosdrill.analysis.untrusted_json import mapping, number, text
from chaosdrill.messages import Sentence, as_it_is, sentence

if TYPE_CHECKING:
    from chaosdrill.analysis.effect import FaultEffect
    from chaosdrill.analysis.records import Array

HEALERS = ("heal_packet_loss",)
KERNEL = sentence("kernel")
SURE_Z = 3.3  # one in a thousand
ENOUGH_BEATS = 40
SETTLING_S = 15.0  # after the healing or the failback: hanging connections, cached DNS responses


def without_effect(run: Run, effect: "FaultEffect | None") -> Iterator[Finding]:
    """Find a fault that dropped no packets, or had no effect on clients.

    :param effect: the effect by the records; None when there are none, or no packet loss was intended.
    """
    if effect is not None and effect.verdict == "no effect":
        text = sentence("clients felt nothing of the fault")
        yield finding("fault-without-effect", text, effect.in_words(), sentence("records"))
    for event in list(run.named("fault-effect"))[-1:]:
        dropped = event.get("dropped")
        now = dropped.get("value") if isinstance(dropped, dict) else None
        before = event.get("dropped_before")
        if event.get("landed") is False:
            text = sentence("the fault was injected, and nothing was felt of it")
            yield finding("fault-without-effect", text, as_it_is("fault-effect"))
        elif isinstance(now, int) and isinstance(before, int) and now <= before:
            text = sentence("the fault dropped no packet ({before} before, {now} then)", before=before, now=now)
            yield finding("fault-without-effect", text, KERNEL)


def replication_was_paused(run: Run) -> bool:
    """Return whether the drill paused the replication of the main table."""
    ended = run.named("activity-ended")
    return any(event.get("func") == "pause_replication" and event.get("status") == "succeeded" for event in ended)


def replication_continued(run: Run) -> Iterator[Finding]:
    """Report what a region's isolation by its subnets puts at risk: replication does not use them, unless it is paused.

    :source: https://docs.aws.amazon.com/fis/latest/userguide/fis-actions-reference.html#network-actions-reference
    """
    lag_s: float | None = None
    table_lag: Event | None = None
    paused: Event | None = None
    for event in run.named("activity-ended", "main-table-lag"):
        if event.get("event") == "main-table-lag":
            table_lag = event if table_lag is None or event.get("lag_s") is not None else table_lag
        elif event.get("status") != "succeeded":
            continue
        elif event.get("func") == "replica_lag_s":
            lag_s = number(event.get("output"))
        elif event.get("func") in HEALERS:
            paused = None
        elif event.get("func") == "pause_replication":
            paused = event
        elif event.get("func") == "isolate_region":
            source = as_it_is(text(event.get("activity")))
            region = text(mapping(event.get("output")).get("region"))
            table = text(mapping((paused or {}).get("output")).get("table"))
            name = "replication-paused" if paused else "replication-continued"
            yield finding(name, _at_stake(region, table, lag_s) if paused else _lost_nothing(region, lag_s), source)
            if table_lag is not None:
                yield finding(name, _main_table_lag(table_lag), source)
            return


def _main_table_lag(event: Event) -> Sentence:
    table, receiving = text(event.get("table")), text(event.get("receiving"))
    lag_s = number(event.get("lag_s"))
    if lag_s is None:
        return sentence(
            "the replication lag of the main table {table} to {region} before the isolation is unknown: {why}",
            table=table,
            region=receiving,
            why=text(event.get("why")),
        )
    return sentence(
        "the replication lag of the main table {table} to {region} was {lag_s:.3g} s before the isolation",
        table=table,
        region=receiving,
        lag_s=lag_s,
    )


def _at_stake(region: str, table: str, lag_s: float | None) -> Sentence:
    if lag_s is None:
        return sentence(
            "the replication of the main table {table} was paused before {region} was cut off by its subnets, so the "
            "writes that it accepted after that were at stake; Aurora went on replicating outside of the subnets, and "
            "its replication lag was not measured",
            table=table,
            region=region,
        )
    return sentence(
        "the replication of the main table {table} was paused before {region} was cut off by its subnets, so the "
        "writes that it accepted after that were at stake; Aurora went on replicating outside of the subnets, and its "
        "replication lag was {lag_s:.3g} s before",
        table=table,
        region=region,
        lag_s=lag_s,
    )


def _lost_nothing(region: str, lag_s: float | None) -> Sentence:
    if lag_s is None:
        return sentence(
            "{region} was cut off by its subnets, and Aurora and DynamoDB went on replicating outside of them: 0 lost "
            "writes do not show what the loss of the region would cost, and the replication lag was not measured",
            region=region,
        )
    return sentence(
        "{region} was cut off by its subnets, and Aurora and DynamoDB went on replicating outside of them: 0 lost "
        "writes do not show what the loss of the region would cost; the database's replication lag was {lag_s:.3g} s "
        "before",
        region=region,
        lag_s=lag_s,
    )


def healed_ns(run: Run) -> int | None:
    """Return when a fault was last reported as healed; None when none was."""
    moments = [at_ns(event) for event in run.named("activity-ended") if _healed(event)]
    return max((moment for moment in moments if moment is not None), default=None)


def _healed(event: Event) -> bool:
    output = event.get("output")
    done = isinstance(output, dict) and output.get("done") is True
    return event.get("func") in HEALERS and event.get("status") == "succeeded" and done


def not_healed(run: Run, home_again_ns: int | None) -> Iterator[Finding]:
    """Find packets dropped after the healing; without a counter, beats that still fail as under the fault."""
    since_ns = healed_ns(run)
    if since_ns is None:
        return
    counts = _counts(run)
    if len(counts) < 2:
        yield from _by_beats(run, since_ns, max(since_ns, home_again_ns or since_ns))
    elif counts[-1] > counts[0]:
        text = sentence("after the fault was healed {n} more packets were dropped", n=counts[-1] - counts[0])
        yield finding("fault-not-healed", text, KERNEL)


def _counts(run: Run) -> list[int]:
    """Return the counter when the fault was healed, and when it was last read after that."""
    return [
        event["dropped"]["value"]
        for event in run.named("fault-healed", "fault-after")
        if isinstance(event.get("dropped"), dict) and isinstance(event["dropped"].get("value"), int)
    ]


def _by_beats(run: Run, healed: int, since_ns: int) -> Iterator[Finding]:
    """Find beats that fail more often after the healing than before the fault.

    The excess must be at least half of that under the fault: a smaller rise may be a busy system.
    """
    begun = [moment for event in run.named("fault-injecting", "fault-started") if (moment := at_ns(event)) is not None]
    beats = run.beats
    if beats is None or not begun or not len(beats.due_ns):
        return
    bad = ~is_served(beats)
    before = bad[beats.due_ns < min(begun)]
    during = bad[(beats.due_ns >= max(begun)) & (beats.due_ns < healed)]
    after = bad[beats.due_ns >= since_ns + round(SETTLING_S * 1e9)]
    if len(before) < ENOUGH_BEATS or len(after) < ENOUGH_BEATS:
        return
    was, now = float(before.mean()), float(after.mean())
    felt = float(during.mean()) - was if len(during) else 0.0
    if now < 1 and now - was > max(_margin(before, after), felt / 2):
        text = sentence(
            "{now:.1%} of the beats fail after the fault was healed, {was:.1%} did before it was injected",
            now=now,
            was=was,
        )
        yield finding("fault-not-healed", text, sentence("heartbeat"))


def _margin(before: "Array", after: "Array") -> float:
    """Return the difference of two shares that chance does not explain, at least 2 %."""
    share = (float(before.sum()) + float(after.sum()) + 1) / (len(before) + len(after) + 2)
    return max(0.02, SURE_Z * sqrt(share * (1 - share) * (1 / len(before) + 1 / len(after))))
