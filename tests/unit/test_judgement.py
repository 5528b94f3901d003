"""Drills that lie, made up: each is judged from what it left behind, and its lie has a name."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from chaosdrill.analysis.findings import FINDINGS, TOLD
from chaosdrill.analysis.judgement import Judgement, judge
from chaosdrill.analysis.rules_records import silent_load
from chaosdrill.analysis.run import RecordSource, Run
from chaosdrill.runs import read_run
from tests.synthetic_run import (
    ADDRESSES,
    CLOSED_S,
    END_S,
    FAIL_BACK_S,
    FAIL_OVER_S,
    HOME,
    NS,
    OPENED_S,
    RATE,
    SERVED_S,
    STANDBY,
    make_run,
    ns,
)

Rows = list[Any]
Change = Callable[[Rows], Rows]


def judged(directory: Path, **changes: Any) -> Judgement:
    return judge(read_run(make_run(directory, **changes)))


def names(judgement: Judgement) -> set[str]:
    return {one.name for one in judgement.findings}


def test_a_clean_drill_passes_without_any_finding_and_is_measured(tmp_path: Path) -> None:
    judgement = judged(tmp_path)
    assert (judgement.verdict, judgement.findings) == ("passed", ())
    figures = judgement.figures
    assert figures["recovery_fail_over_s"].value == pytest.approx(SERVED_S - 0.1, abs=2 / RATE)
    assert figures["recovery_fail_back_s"].value == pytest.approx(SERVED_S - 0.1, abs=2 / RATE)
    assert figures["client_outage"].value == pytest.approx(SERVED_S - 0.1, abs=0.1)
    assert figures["lost_writes_after_failback"].value == 0
    assert figures["availability"].value == pytest.approx(1 - 2 * (SERVED_S - 0.1) / (END_S - 0.2), abs=0.01)


def test_the_phases_lie_between_their_evidence_and_make_the_whole(tmp_path: Path) -> None:
    over, back = judged(tmp_path).movements
    assert (over.leg.what, over.leg.source, over.leg.destination) == ("fail-over", HOME, STANDBY)
    assert (back.leg.what, back.leg.source, back.leg.destination) == ("fail-back", STANDBY, HOME)
    took = {phase.name: phase.seconds for phase in over.phases}
    assert took == pytest.approx(
        {
            "fault": None, "noticed": 5.11, "failover-started": 5.0, "flag-closed": 0.1, "routing-switched": 1.1,
            "database-switched": 0.7, "flag-opened": 0.3, "dns-changed": 1.8, "first-good-answer": 1.834,
            "sustained": 0.0,
        },
        abs=0.06,
    )  # fmt: skip
    main = [phase for phase in over.phases if phase.name not in ("fault", "noticed", "dns-changed")]
    assert sum(phase.seconds or 0 for phase in main) == pytest.approx(over.whole_s, abs=0.06)
    assert back.named("fault").evidence == ("not seen",)


def each(rows: Rows, event: str, change: Callable[[Any], Any]) -> Rows:
    """The history with some of its events changed; a change to None leaves one out."""
    changed = [change(row) if row.get("event") == event else row for row in rows]
    return [row for row in changed if row is not None]


def facts_from(at_s: float, until_s: float, **known: Any) -> Change:
    """Region facts between two moments as they would be, but for some."""

    def changed(row: Any) -> Any:
        if not at_s <= row["s"] < until_s:
            return row
        return row | {"facts": row["facts"] | known, "state": "split"}

    return lambda rows: each(rows, "region-facts", changed)


def flags(home: bool, standby: bool) -> dict[str, bool]:
    return {HOME: home, STANDBY: standby}


def without(event: str) -> Change:
    return lambda rows: each(rows, event, lambda row: None)


def with_rows(*more: Any) -> Change:
    return lambda rows: [*rows, *more]


def skipped(step: str) -> Change:
    """Its state is passed through in no time."""

    def changed(row: Any) -> Any:
        states = [s | {"exited": s["entered"], "seconds": 0.0} if s["name"] == step else s for s in row["states"]]
        return row | {"states": states}

    return lambda rows: each(rows, "execution-ended", changed)


OVER, BACK = (FAIL_OVER_S, FAIL_BACK_S), (FAIL_BACK_S, END_S)
FLIPPED = {
    "s": 18.0, "event": "region-facts", "state": "split", "began_ns": ns(18), "ended_ns": ns(18), "previous_ns": ns(17),
    "facts": {"flag": flags(True, False), "routing": {HOME: "Off", STANDBY: "On"}, "writer": HOME, "running": [],
              "dns": {"addresses": ADDRESSES[STANDBY], "regions": [STANDBY]}},
}  # fmt: skip

# what is changed, the verdict, every finding, and the phases of the failover and of the failback that were not seen
OF_EVENTS: list[tuple[str, Change, str, set[str], set[str], set[str]]] = [
    ("flag ignored", facts_from(*OVER, flag=flags(False, True)), "failed", {"flag-not-closed", "flag-not-opened"},
     {"flag-closed", "flag-opened"}, set()),
    ("still closed", facts_from(*OVER, flag=flags(True, True)), "failed", {"flag-not-opened"}, {"flag-opened"}, set()),
    ("failback leaves it closed", facts_from(*BACK, flag=flags(True, True)), "failed", {"flag-not-opened"}, set(),
     {"flag-opened"}),
    # the budget of the database is counted from the routing
    ("not routed", facts_from(*OVER, routing={HOME: "On", STANDBY: "Off"}), "failed",
     {"routing-not-switched", "objective-not-judged"}, {"routing-switched"}, set()),
    ("writer stays", facts_from(FAIL_OVER_S, END_S, writer=HOME), "failed",
     {"writer-not-moved", "objective-not-judged"},
     {"database-switched"}, set()),
    ("two writers", facts_from(*OVER, writer="several"), "failed",
     {"two-writers", "writer-not-moved", "objective-not-judged"}, {"database-switched"}, set()),
    ("writer flips back", with_rows(FLIPPED), "failed", {"writer-flipped"}, set(), set()),
    ("no wait", skipped("WaitForParameterPropagation"), "failed", {"wait-left-out"}, set(), set()),
    ("no effect", lambda rows: each(rows, "fault-effect", lambda row: row | {"landed": False}), "invalid",
     {"fault-without-effect"}, set(), set()),
    ("nothing dropped", lambda rows: each(rows, "fault-effect", lambda row: row | {"dropped": {"value": 0}}), "invalid",
     {"fault-without-effect"}, set(), set()),
    ("not healed", with_rows({"s": 21, "event": "fault-healed", "dropped": {"value": 9}},
                             {"s": 41, "event": "fault-after", "dropped": {"value": 12}}), "failed",
     {"fault-not-healed"}, set(), set()),
    ("a clock is off", lambda rows: each(rows, "clock-measured", lambda row: row | {"offset_ns": 2 * NS}), "passed",
     {"clock-off"}, {"sustained"}, set()),
    ("no end", without("drill-closed"), "invalid", {"history-broken"}, set(), set()),
    ("never collected", without("records-collected"), "invalid", {"records-missing", "records-foreign"}, set(), set()),
    ("stopped by hand", with_rows({"s": 30, "event": "interrupted", "signal": "SIGINT", "phase": "method"}),
     "interrupted", {"interrupted"}, set(), set()),
]  # fmt: skip


RESTORED_S = 25.0  # when the machine has ended, and before clients are served


def restored(flag: dict[str, bool], routing: dict[str, str]) -> Rows:
    """A rollback finds home out of service, records that, and restores service; the watch sees home serve then."""
    facts = {"flag": flag, "routing": routing, "writer": HOME}
    opening = {"s": RESTORED_S, "event": "opening-region", "region": HOME, "state": "split", "facts": facts}
    seen = {"flag": flags(False, True), "routing": {HOME: "On", STANDBY: "Off"}, "writer": HOME, "running": []}
    times = {"began_ns": ns(26), "ended_ns": ns(26), "previous_ns": ns(25.5)}
    dns = {"addresses": ADDRESSES[HOME], "regions": [HOME]}
    serving = {"s": 26.0, "event": "region-facts", "state": f"serving({HOME})", "facts": {**seen, "dns": dns}, **times}
    return [opening, serving]


@pytest.mark.parametrize(
    ("known", "name", "phase"),
    [
        ({"flag": flags(True, True)}, "flag-not-opened", "flag-opened"),
        ({"routing": {HOME: "Off", STANDBY: "On"}}, "routing-not-switched", "routing-switched"),
        ({"flag": flags(False, False)}, "flag-not-closed", "flag-closed"),
    ],
)
def test_service_that_a_rollback_restored_does_not_hide_what_the_movement_left_undone(
    tmp_path: Path, known: dict[str, Any], name: str, phase: str
) -> None:
    before = {"flag": flags(False, True), "routing": {HOME: "On", STANDBY: "Off"}, **known}

    def left_undone(rows: Rows) -> Rows:
        rows = facts_from(FAIL_BACK_S, RESTORED_S, **known)(rows)
        rows = [row for row in rows if row.get("event") != "region-facts" or row["s"] < RESTORED_S]
        return [*rows, *restored(before["flag"], before["routing"])]

    judgement = judged(tmp_path, events_of=left_undone)
    assert judgement.verdict == "failed"
    assert name in names(judgement)
    assert {phase, "first-good-answer", "sustained"} <= unseen(judgement)["fail-back"]
    assert judgement.figures["recovery_fail_back_s"].value is not None


def test_what_the_watch_had_not_read_yet_is_known_from_the_rollback_that_restored_service(tmp_path: Path) -> None:
    """The machine opened home just before, and left the routing as it was."""

    def left_undone(rows: Rows) -> Rows:
        rows = facts_from(FAIL_BACK_S, RESTORED_S, flag=flags(True, True), routing={HOME: "Off", STANDBY: "On"})(rows)
        rows = [row for row in rows if row.get("event") != "region-facts" or row["s"] < RESTORED_S]
        return [*rows, *restored(flags(False, True), {HOME: "Off", STANDBY: "On"})]

    found = names(judged(tmp_path, events_of=left_undone))
    assert ("routing-not-switched" in found, "flag-not-opened" in found) == (True, False)


def unseen(judgement: Judgement) -> dict[str, set[str]]:
    """The phases of each movement that were not seen."""
    return {one.leg.what: {phase.name for phase in one.phases if phase.at_ns is None} for one in judgement.movements}


@pytest.mark.parametrize(
    ("change", "verdict", "found", "over", "back"), [case[1:] for case in OF_EVENTS], ids=[c[0] for c in OF_EVENTS]
)
def test_a_lie_in_the_history_is_found_by_name_and_nothing_else_is(tmp_path, change, verdict, found, over, back):
    judgement = judged(tmp_path, events_of=change)
    assert (judgement.verdict, names(judgement)) == (verdict, found)
    assert unseen(judgement) == {"fail-over": over, "fail-back": {"fault"} | back}


def never_left_home(rows: Rows) -> Rows:
    """What clients see when routing is not switched: home's addresses, and refusals until it is open again."""
    there = FAIL_OVER_S + CLOSED_S, FAIL_BACK_S + OPENED_S

    def changed(row: Any) -> Any:
        if not isinstance(row, list) or row[0] not in "db":
            return row
        if row[0] == "d":
            return [*row[:2], ADDRESSES[HOME], *row[3:]]
        closed = there[0] <= (row[3] - ns(0)) / NS < there[1]
        return [*row[:5], *((9_000, 1, 503, "", "") if closed else (9_000, 0, 200, "", HOME)), ADDRESSES[HOME][0]]

    return [changed(row) for row in rows]


def test_a_movement_that_did_not_switch_routing_has_no_such_phase_and_no_other_lie_is_found(tmp_path: Path) -> None:
    """The state machine left its state by its name, and clients were led home all the time, before and after."""
    stays = facts_from(
        FAIL_OVER_S, END_S, routing={HOME: "On", STANDBY: "Off"}, dns={"addresses": ADDRESSES[HOME], "regions": [HOME]}
    )
    judgement = judged(tmp_path, events_of=stays, beats_of=never_left_home)
    assert judgement.verdict == "failed"
    assert names(judgement) == {"routing-not-switched", "objective-not-judged"}
    over = {"routing-switched", "dns-changed", "first-good-answer", "sustained"}
    assert unseen(judgement) == {"fail-over": over, "fail-back": {"fault", "dns-changed"}}
    (denied,) = judgement.movements[0].named("routing-switched").evidence
    assert str(denied.values["said"]).endswith("SwitchRoute53Arc")


def ended(at_s: float, func: str, output: Any) -> dict[str, Any]:
    activity = {"activity": func, "func": func, "phase": "method", "status": "succeeded", "output": output}
    return {"s": at_s, "event": "activity-ended", **activity}


@pytest.mark.parametrize("lag", [[], [ended(4, "replica_lag_s", 0.25)], [ended(9, "replica_lag_s", 0.25)]])
def test_after_an_isolation_lost_writes_are_put_into_perspective(tmp_path: Path, lag: Rows) -> None:
    cut_off = ended(6, "isolate_region", {"done": True, "region": HOME})
    judgement = judged(tmp_path, events_of=with_rows(cut_off, *lag))
    assert judgement.verdict == "passed"
    (found,) = [one for one in judgement.findings if one.name == "replication-continued"]
    measured_before = bool(lag) and lag[0]["s"] < cut_off["s"]
    assert ("0.25 s" in found.text) is measured_before


TABLE_LAG = {"s": 4, "event": "main-table-lag", "table": "Main", "region": HOME, "receiving": STANDBY}


@pytest.mark.parametrize(
    ("before", "name", "said"),
    [
        ([{**TABLE_LAG, "lag_s": 0.75}], "replication-continued", ["0.75 s"]),
        ([{**TABLE_LAG, "lag_s": None, "why": "no value"}], "replication-continued", ["no value"]),
        ([PAUSED := ended(4, "pause_replication", {"done": True, "table": "Main"})], "replication-paused", []),
        (
            [{**TABLE_LAG, "lag_s": 0.75}, PAUSED, {**TABLE_LAG, "s": 5, "lag_s": None, "why": "no value"}],
            "replication-paused",
            ["0.75 s"],
        ),
        ([PAUSED, ended(5, "heal_packet_loss", {"done": True})], "replication-continued", []),
    ],
)
def test_a_paused_main_table_and_its_lag_are_told(tmp_path: Path, before: Rows, name: str, said: list[str]) -> None:
    cut_off = ended(6, "isolate_region", {"done": True, "region": HOME})
    judgement = judged(tmp_path, events_of=with_rows(*before, cut_off))
    assert judgement.verdict == "passed"
    first, *further = [one for one in judgement.findings if one.name.startswith("replication-")]
    assert first.name == name
    assert [one.name for one in further] == [name] * len(said)
    assert [text for text, one in zip(said, further, strict=True) if text not in one.text] == []


def test_a_drill_that_never_started_is_held_against_no_objective() -> None:
    events = ({"event": "drill-opened", "objectives": {"rpo_writes": 0, "rto_s": 9}}, {"event": "refused", "why": "no"})
    assert "objective-not-judged" in names(judge(Run(events[:1])))
    refused = judge(Run(events))
    assert (refused.verdict, names(refused)) == ("refused", {"refused"})


def test_two_signals_of_one_kind_do_not_hide_what_was_not_undone() -> None:
    """The same finding twice was taken for a rule that failed, and what was left out was not named."""
    step = {"event": "activity-started", "phase": "method", "activity": "work"}
    events = [{"event": "drill-opened", "planned": {"rollbacks": ["unwork"]}, "undoes": {"unwork": "work"}}, step]
    events += [{"event": "interrupted", "signal": "SIGINT", "phase": "rollbacks"}] * 2
    found = [one.name for one in judge(Run(tuple(events))).findings]
    assert (found.count("interrupted"), found.count("rollback-not-run")) == (1, 1)


def test_how_long_another_system_is_meant_to_wait_is_not_known(tmp_path: Path) -> None:
    real = lambda rows: each(  # noqa: E731
        skipped("WaitForParameterPropagation")(rows), "target-opened", lambda row: row | {"target": "aws"}
    )
    assert "wait-left-out" not in names(judged(tmp_path, events_of=real))


def beats_changed(change: Callable[[Any, float], Any]) -> Change:
    """The beats and lookups, each given with its time in seconds; a change to None leaves one out."""

    def changed(rows: Rows) -> Rows:
        at = {"b": 3, "d": 1}
        kept = [rows[0]]
        for row in rows[1:]:
            kept.append(change(row, (row[at[row[0]]] - ns(0)) / NS) if row[0] in at else row)
        return [row for row in kept if row is not None]

    return changed


def refused(row: Any, *operations: int) -> Any:
    return [*row[:6], 1, 503, "", "", row[10]] if row[0] == "b" and row[2] in operations else row


def failing_sometimes(row: Any) -> Any:
    return [*row[:6], 2, 0, "timeout", "", row[10]] if row[0] == "b" and row[1] % 3 == 0 else row


OF_BEATS: list[tuple[str, Change, str, str]] = [
    ("nobody is served", beats_changed(lambda row, s: refused(row, 0, 1) if 14 <= s < 22 else row), "failed",
     "health-check-lied"),
    ("reads only", beats_changed(lambda row, s: refused(row, 1) if 14 <= s < 22 else row), "failed",
     "writes-not-recovered"),
    ("not served in the end", beats_changed(lambda row, s: refused(row, 0, 1) if s > 22 else row), "failed",
     "still-unavailable"),
    ("the old answer to the end", beats_changed(lambda row, s: ["d", row[1], ADDRESSES[HOME], 2, ""]
                                                if row[0] == "d" else row), "failed", "dns-ttl-ignored"),
    ("loss goes on", beats_changed(lambda row, s: failing_sometimes(row) if s > 26 else row), "failed",
     "fault-not-healed"),
    ("late", beats_changed(lambda row, s: [*row[:4], 400_000, *row[5:]] if row[0] == "b" else row), "invalid",
     "heartbeat-late"),
    ("silent", lambda rows: [row for row in rows if isinstance(row, dict) or row[0] != "w" or
                             not ns(12) < row[1] < ns(24)], "invalid", "heartbeat-silent"),
    ("another run's", lambda rows: [rows[0] | {"run": "other"}, *rows[1:]], "invalid", "records-foreign"),
    ("of the future", lambda rows: [rows[0] | {"version": 2}, *rows[1:]], "invalid", "records-foreign"),
    ("no end", lambda rows: rows[:-1], "invalid", "records-truncated"),
    ("beats missing", beats_changed(lambda row, s: None if 3 < s < 4 and row[0] == "b" else row), "invalid",
     "records-truncated"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "verdict", "name"), [case[1:] for case in OF_BEATS], ids=[c[0] for c in OF_BEATS])
def test_a_lie_in_what_clients_saw_is_found_by_name(tmp_path, change, verdict, name):
    judgement = judged(tmp_path, beats_of=change)
    assert name in names(judgement)
    assert judgement.verdict == verdict


def test_dns_that_never_moved_anywhere_is_another_finding_than_a_ttl_that_is_ignored(tmp_path: Path) -> None:
    stays = beats_changed(lambda row, s: ["d", row[1], ADDRESSES[HOME], 1, ""] if row[0] == "d" else row)
    old = facts_from(*OVER, dns={"addresses": ADDRESSES[HOME], "regions": [HOME]})
    quick = lambda rows: each(old(rows), "target-opened", lambda row: row | {"scale": 0.01})  # noqa: E731
    judgement = judged(tmp_path, beats_of=stays, events_of=quick)
    assert "dns-not-moved" in names(judgement)
    assert "dns-ttl-ignored" not in names(judgement)


def test_dns_does_not_follow_routing_that_was_switched_back(tmp_path: Path) -> None:
    """A rollback serves where the writer is, after a state machine that has routed to a region that cannot serve."""
    stays = beats_changed(lambda row, s: ["d", row[1], ADDRESSES[HOME], 1, ""] if row[0] == "d" else row)
    old = facts_from(*OVER, dns={"addresses": ADDRESSES[HOME], "regions": [HOME]})
    at_s = FAIL_OVER_S + 3
    back = {"s": at_s, "began_ns": ns(at_s), "ended_ns": ns(at_s), "previous_ns": ns(at_s - 0.5)}
    facts = FLIPPED["facts"] | {"routing": {HOME: "On", STANDBY: "Off"}, "dns": {"addresses": [], "regions": []}}

    def switched_back(rows: Rows) -> Rows:
        rows = each(old(rows), "target-opened", lambda row: row | {"scale": 0.01})
        before = [row for row in rows if row.get("event") != "region-facts" or not at_s <= row["s"] < FAIL_BACK_S]
        return [*before, FLIPPED | back | {"facts": facts}]

    assert "dns-not-moved" not in names(judged(tmp_path, beats_of=stays, events_of=switched_back))


def test_what_clients_are_answered_is_not_what_is_published(tmp_path: Path) -> None:
    stays = beats_changed(lambda row, s: ["d", row[1], ADDRESSES[HOME], 1, ""] if row[0] == "d" else row)

    def by_clients(row: Any) -> Any:
        facts = row.get("facts", {})
        return row | {"facts": facts | {"dns": facts["dns"] | {"seen_from": "client"}}} if "dns" in facts else row

    def quick(rows: Any) -> Any:
        rows = each(rows, "target-opened", lambda row: row | {"scale": 0.01})
        return each(each(rows, "region-facts", by_clients), "region-state", by_clients)

    assert "dns-ttl-ignored" in names(judged(tmp_path / "a", beats_of=stays))
    judgement = judged(tmp_path / "b", beats_of=stays, events_of=quick)
    assert "dns-not-moved" in names(judgement)
    assert "dns-ttl-ignored" not in names(judgement)


@pytest.mark.parametrize(
    ("rows", "name"),
    [
        (lambda rows: [row for row in rows if isinstance(row, dict) or not ns(12) < row[1] < ns(30)], "load-silent"),
        (lambda rows: [row for row in rows if isinstance(row, dict) or row[1] < ns(12)], "load-silent"),
        (
            lambda rows: [
                *(row for row in rows if isinstance(row, dict) or row[1] < ns(12)),
                ["e", ns(12), sum(row[0] == "r" and row[1] < ns(12) for row in rows[1:])],
            ],
            "load-stopped",
        ),
    ],
)
def test_a_load_generator_that_goes_silent_proves_nothing(tmp_path, rows, name):
    judgement = judged(tmp_path, requests_of=rows)
    assert name in names(judgement)
    assert judgement.verdict == "invalid"


@pytest.mark.parametrize(
    ("objectives", "name", "text"),
    [
        ({"rto_s": 3}, "unavailable-too-long", " 3.9"),
        ({"availability_ratio": 0.99}, "availability-missed", " availability_ratio is 0.99"),
        ({"budgets": {"flag-opened": 0.2}}, "budget-missed", "fail-over: flag-opened took 0.3 s "),
        ({"budgets": {"database-switched": 0.5}}, "switchover-slow", "database-switched took 0.7 s"),
    ],
)
def test_a_missed_objective_is_named_with_what_was_measured(tmp_path, objectives, name, text):
    changed = lambda rows: each(rows, "drill-opened", lambda row: row | {"objectives": objectives})  # noqa: E731
    judgement = judged(tmp_path, events_of=changed)
    assert judgement.verdict == "failed"
    assert any(one.name == name and text in one.text for one in judgement.findings)


def test_two_reasons_say_which_transition_each_is_of_and_have_no_statistics(tmp_path: Path) -> None:
    judgement = judged(tmp_path, events_of=events_with({"rto_s": 3}))
    missed = [one for one in judgement.findings if one.name == "unavailable-too-long"]
    assert [str(one.text.values["movement"]) for one in missed] == ["fail-over", "fail-back"]
    assert len(judgement.reasons) == 2
    assert not any("±" in one for one in judgement.reasons)
    assert all(any("±" in where for where in one.evidence) for one in missed)


def test_latencies_after_begin_when_service_was_sustained_again(tmp_path: Path) -> None:
    """The state machine ends at 24.2 s, clients are served from 26 s on."""
    after = [one for one in judged(tmp_path).latencies if one["when"] == "after"]
    assert [one["of"] for one in after] == ["read", "write", "requests"]
    assert [one["served"]["value"] for one in after] == [1.0] * 3
    assert after[0]["count"] == pytest.approx((END_S - 0.2 - FAIL_BACK_S - SERVED_S) * RATE, abs=3)


def test_without_sustained_service_there_is_no_latency_after(tmp_path: Path) -> None:
    def out(rows: Rows) -> Rows:
        return [*(refused(row, 0, 1) if row[0] == "b" and row[3] >= ns(24) else row for row in rows[1:])]

    latencies = judged(tmp_path, beats_of=lambda rows: [rows[0], *out(rows)]).latencies
    assert {one["when"] for one in latencies} == {"before", "during"}


def test_what_cannot_be_judged_is_invalid_and_never_met(tmp_path: Path) -> None:
    wanted = {"rpo_writes": 5, "availability_ratio": 0.1, "budgets": {"dns-changed": 50}}

    def nobody_measured(rows: Rows) -> Rows:
        rows = each(rows, "drill-opened", lambda row: row | {"objectives": wanted})
        rows = each(rows, "heartbeat-started", lambda row: None)
        return [row for row in rows if not str(row.get("file")).startswith(("beats", "ledger", "lookups"))]

    run = make_run(tmp_path, events_of=nobody_measured)
    for path in (run / "records").glob("[bl]*"):
        path.unlink()
    judgement = judge(read_run(run))
    assert judgement.verdict == "invalid"
    assert {one.text.split()[0] for one in judgement.findings} == {"rpo_writes", "availability_ratio", "budget"}


def test_a_rule_that_fails_makes_nothing_look_better(tmp_path: Path) -> None:
    broken = judged(tmp_path, events_of=lambda rows: each(rows, "drill-opened", lambda row: row | {"planned": 7}))
    assert broken.verdict == "invalid"
    assert names(broken) >= {"history-broken"}
    assert broken.reasons[0].values["rule"] == "what was planned"


def test_every_finding_is_documented() -> None:
    text = (Path(__file__).parents[2] / "docs" / "judging.md").read_text()
    effects = {name: "informational" if effect == TOLD else effect for name, (effect, _) in FINDINGS.items()}
    rows = [f"| `{name}` | {effects[name]} | {meaning} |" for name, (_, meaning) in FINDINGS.items()]
    assert [row for row in rows if row not in text.splitlines()] == []


@pytest.mark.parametrize(
    ("heard_s", "ended", "found"),
    [((44, 44), True, []), ((44, 20), False, ["worker-silent"]), ((20, 20), False, ["load-silent", "load-silent"])],
)
def test_one_worker_that_is_silent_is_not_all_of_them(heard_s, ended, found):
    events = [
        {"event": "load-started", "at": "2026-05-01T09:30:00.000Z"},
        {"event": "load-stopping", "at": "2026-05-01T09:30:44.000Z"},
    ]
    sources = tuple(RecordSource(f"locust-{number}", "requests", ns(s), ended) for number, s in enumerate(heard_s))
    assert [one.name for one in silent_load(Run(events, sources=sources))] == found


def without(*gone: str, **facts: Any) -> Change:
    """The databases' account in which some transactions are otherwise; without facts they are not there."""

    def change(truths: Rows) -> Rows:
        known = truths[0]["transactions"]
        changed = {name: {**one, **facts} if name in gone else one for name, one in known.items()}
        kept = {name: one for name, one in changed.items() if facts or name not in gone}
        return [{**truths[0], "transactions": kept}]

    return change


def test_the_databases_own_account_stands_beside_the_lost_writes(tmp_path: Path) -> None:
    (same,) = judged(tmp_path).truths
    assert (same.label, same.region, same.lost, same.not_lost) == ("after-failback", STANDBY, (), ())


@pytest.mark.parametrize("truths_of", [without("id-3"), without("id-3", settled=0), without("id-3", status=None)])
def test_a_write_that_the_databases_have_lost_and_the_read_back_has_not_makes_it_invalid(
    tmp_path: Path, truths_of: Change
) -> None:
    judgement = judged(tmp_path, truths_of=truths_of)
    assert (judgement.verdict, names(judgement)) == ("invalid", {"losses-contradict"})
    assert [one.not_reported for one in judgement.truths] == [("id-3",)]
    assert "id-3" in judgement.findings[0].text


def test_what_was_undone_is_not_lost_and_what_is_reported_wrongly_is_found(tmp_path: Path) -> None:
    undone = judged(tmp_path / "undone", truths_of=without("id-3", settled=0, undone=True))
    assert undone.findings == ()

    def forgotten(rows: Rows) -> Rows:
        return [
            {**row, "state": "missing"} if (row.get("row"), row.get("seq")) == ("found", 3) else row for row in rows
        ]

    wrong = judged(tmp_path / "wrong", ledger_of=forgotten)
    assert "losses-contradict" in names(wrong)
    assert [one.not_lost for one in wrong.truths] == [("id-3",)]


def missing_since(at_s: float, until_s: float, *labels: str) -> Change:
    """Ledgers with a read-back of each of these names, the first at 18 s; accepted writes of that time are missing."""

    def changed(rows: Rows) -> Rows:
        writes = [row for row in rows if row.get("row") == "write" and row["id"]]
        lost = {row["seq"] for row in writes if ns(at_s) <= row["due_ns"] < ns(until_s)}
        kept = [row for row in rows if row.get("row") not in ("found", "read-back-begun", "read-back-ended", "end")]
        kept[0] |= {"counts_executions": False}
        for label, read_s in zip(labels, (18.0, END_S), strict=False):
            kept.append({"row": "read-back-begun", "label": label, "at_ns": ns(read_s), "writes_until_ns": ns(read_s)})
            for row in writes:
                if row["due_ns"] < ns(read_s):
                    state = "missing" if row["seq"] in lost else "settled"
                    kept.append({"row": "found", "label": label, "seq": row["seq"], "state": state})
            kept.append({"row": "read-back-ended", "label": label, "at_ns": ns(read_s), "converged": True, "why": ""})
        return [*kept, rows[-1]]

    return changed


NO_TRUTH: Change = lambda rows: []  # noqa: E731
OVER_LABEL, BACK_LABEL = "after-failover", "after-failback"


def test_the_seconds_of_writes_lost_by_the_failover_are_not_counted_again_after_the_failback(tmp_path: Path) -> None:
    """From 9 s to the cut at 10.1 s; not to the failback's at 22.1 s, which would be 13 s."""
    objectives = {"rpo_s": 2, "rpo_writes": 100}
    ledger = missing_since(9.0, 10.5, OVER_LABEL, BACK_LABEL)
    judgement = judged(tmp_path, events_of=events_with(objectives), ledger_of=ledger, truths_of=NO_TRUTH)
    figures = judgement.figures
    assert figures["lost_s_after_failover"].value == pytest.approx(1.05, abs=0.06)
    assert (figures["lost_s_after_failback"].value, figures["lost_writes_after_failback"].value) == (0.0, 22)
    assert [one.verdict for one in judgement.findings if one.name == "lost-writes"] == ["told", "told"]
    assert "rpo-missed" not in names(judgement)


def found_again(rows: Rows) -> Rows:
    """The end of a ledger: after the failback every write is settled, and in its account's balance."""
    begun = next(number for number, row in enumerate(rows) if row.get("row") == "read-back-begun")
    starts = [row for row in rows if row.get("label") == "start"]
    return [*starts, *rows[begun:]]


@pytest.mark.parametrize("paused", [False, True])
def test_what_was_held_back_by_a_pause_may_come_back(tmp_path: Path, paused: bool) -> None:
    events = events_with({"rpo_writes": 1000})
    before = [PAUSED] if paused else []
    judgement = judged(
        tmp_path,
        events_of=lambda rows: [*events(rows), *before],
        ledger_of=lambda rows: [*missing_since(9.0, 10.5, OVER_LABEL)(list(rows))[:-1], *found_again(rows)],
        truths_of=NO_TRUTH,
    )
    back = {"writes-replicated-late"} if paused else {"resurrected-writes"}
    assert names(judgement) & {"writes-replicated-late", "resurrected-writes"} == back
    assert judgement.verdict == ("passed" if paused else "failed")


def test_one_read_back_after_both_transitions_does_not_count_the_time_between_them(tmp_path: Path) -> None:
    def both(rows: Rows) -> Rows:
        first = missing_since(9.0, 10.5, "whole", BACK_LABEL)(rows)
        second = {row["seq"] for row in rows if row.get("row") == "write" and ns(21.1) <= row["due_ns"] < ns(22.1)}
        mine = [row for row in first if row.get("label") in (None, BACK_LABEL)]
        return [row | {"state": "missing"} if row.get("seq") in second and row.get("row") == "found" else row
                for row in mine]  # fmt: skip

    figures = judged(tmp_path, ledger_of=both, truths_of=NO_TRUTH).figures
    assert figures["lost_s_after_failback"].value == pytest.approx(1.05 + 0.95, abs=0.11)


def test_the_cut_of_a_region_that_was_lost_is_the_outage_in_progress_and_not_a_later_hiccup(tmp_path: Path) -> None:
    """Clients are without service from 9 s on, the failover begins at 10 s, and at 18 s they miss 0.3 s more."""
    out = ((9.0, 10.2), (18.0, 18.3))

    def beats(rows: Rows) -> Rows:
        return rows[:1] + [
            refused(row, 0, 1) if row[0] == "b" and any(ns(a) <= row[3] < ns(b) for a, b in out) else row
            for row in rows[1:]
        ]

    def ledger(rows: Rows) -> Rows:
        gone = {"outcome": "refused", "id": None, "status": 503}
        told = [
            row | gone if row.get("row") == "write" and any(ns(a) <= row["due_ns"] < ns(b) for a, b in out) else row
            for row in rows
        ]
        return missing_since(8.89, 9.0, OVER_LABEL, BACK_LABEL)(told)

    known = events_with({"rpo_s": 2, "rpo_writes": 100, "rto_s": 60})
    judgement = judged(tmp_path, events_of=known, beats_of=beats, ledger_of=ledger, truths_of=NO_TRUTH)
    assert judgement.figures["lost_s_after_failover"].value == pytest.approx(0.05, abs=0.01)
    recovery = judgement.figures["recovery_fail_over_s"]  # good for 4 s, then 3.8 s, then the failback began
    assert (recovery.value, recovery.at_least) == (pytest.approx(26.0 - 9.0, abs=0.1), False)
    assert recovery.uncertainty == pytest.approx(26.0 - 22.0, abs=0.2)
    assert not {"rpo-missed", "objective-not-judged"} & names(judgement)


def events_with(objectives: Any) -> Change:
    return lambda rows: each(rows, "drill-opened", lambda row: row | {"objectives": objectives})


def test_a_clock_that_nobody_compared_is_told(tmp_path: Path) -> None:
    def uncompared(rows: Rows) -> Rows:
        return [row for row in rows if row["event"] != "clock-measured"]

    judgement = judged(tmp_path, events_of=uncompared)
    assert (judgement.verdict, names(judgement)) == ("passed", {"clock-unknown"})


def test_a_heartbeat_that_ended_before_it_was_told_to_measures_no_recovery(tmp_path: Path) -> None:
    """However orderly it ended: what came afterwards nobody saw."""
    cut_ns = ns(FAIL_OVER_S + 1)

    def ended(rows: Rows) -> Rows:
        kept = [row for row in rows if isinstance(row, dict) or (row[0] == "b" and row[3] < cut_ns)]
        sent = [sum(row[0] == "b" and row[1] == number for row in kept if isinstance(row, list)) for number in (0, 1)]
        return [*kept, ["w", cut_ns], ["e", cut_ns, sent]]

    judgement = judged(tmp_path, beats_of=ended)
    assert judgement.verdict == "invalid"
    assert "heartbeat-silent" in names(judgement)
    for figure in ("recovery_fail_over_s", "recovery_fail_back_s", "unavailable_s"):
        seen = judgement.figures[figure]
        assert seen.value is None or seen.at_least or (seen.uncertainty or 0) > 10, figure
