"""The history of game days: what ran or did not and why, and what proves anything still."""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from chaosdrill.coordination.sqlite import SqliteStore
from chaosdrill.gamedays.approvals import approve, next_by_hand, start_write
from chaosdrill.gamedays.calendar import ApprovalRule, Calendar, GameDay, Occurrence, Schedule, Window
from chaosdrill.gamedays.events import Entry
from chaosdrill.gamedays.findings import tracked_findings
from chaosdrill.gamedays.history import STALE_DAYS, SystemHistory, read_histories, system_history
from chaosdrill.gamedays.history_page import history_page
from chaosdrill.gamedays.ledger import Ledger
from chaosdrill.gamedays.observations import Observation, ShownFinding
from chaosdrill.report.messages.history import MESSAGES
from chaosdrill.time_zones import ONLY_UTC
from tests.compared_runs import said

DAY_MS = 86_400_000
NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
NOW_MS = round(NOW.timestamp() * 1000)
GAME_DAY = GameDay(
    id="weekly",
    name="Weekly failover",
    owner="sre",
    experiment=Path("failover.yaml"),
    topology=None,
    schedule=Schedule(ZoneInfo("Asia/Tokyo"), cron="0 2 * * 6"),
    window=Window(time(2), time(5)),
    worst_case_min=60,
)


def observation(days_ago: int, **facts: Any) -> Observation:
    began = (NOW - timedelta(days=days_ago)).isoformat()
    known: dict[str, Any] = {
        "experiment": "failover",
        "target": "aws",
        "scale": 1.0,
        "verdict": "passed",
        "transitions": ("fail-over",),
        "figures": {"recovery_fail_over_s": 9.0},
        "objectives": {"rto_s": 15.0},
        "summary": "one",
    }
    return Observation(f"run-{days_ago}", began, **{**known, **facts})


def entry(days_ago: int, outcome: str = "ran", **facts: Any) -> Entry:
    occurrence = Occurrence("weekly", NOW_MS - days_ago * DAY_MS)
    run = {"run": f"run-{days_ago}", "verdict": "passed"} if outcome == "ran" else {}
    return Entry(occurrence, outcome, **{**run, **facts})  # type: ignore[arg-type]


def history(*observations: Observation, entries: tuple[Entry, ...] = ()) -> SystemHistory:
    findings = tracked_findings("prod", observations, {}, "sre")
    return system_history("prod", [(GAME_DAY, entries)], observations, findings, NOW_MS)


def test_the_last_proof_is_the_newest_run_that_says_anything() -> None:
    found = history(observation(30), observation(9, verdict="failed"), observation(2, verdict="invalid"))
    assert found.proof is not None
    assert (found.proof.run, found.proof.verdict, found.proof.age_days) == ("run-9", "failed", 9)
    assert found.is_proved


@pytest.mark.parametrize(
    "facts",
    [
        {"verdict": "invalid"},
        {"verdict": "refused"},
        {"verdict": "interrupted"},
        {"broken": True},
        {"dry": True},
        {"began": ""},
        {"began": "tomorrow"},
        {"began": (NOW + timedelta(days=3)).isoformat()},
    ],
    ids=str,
)
def test_what_proves_nothing_is_never_proof(facts: Mapping[str, Any]) -> None:
    assert history(replace(observation(1), **facts)).proof is None
    assert not any(one.shown for one in history(replace(observation(1), **facts)).evidence)


def test_a_stale_run_is_no_proof_and_shows_nothing() -> None:
    fresh, stale = history(observation(STALE_DAYS)), history(observation(STALE_DAYS + 1))
    assert (fresh.is_proved, stale.is_proved) == (True, False)
    assert any(one.shown for one in fresh.evidence)
    assert not any(one.shown for one in stale.evidence)
    assert stale.proof is not None
    assert stale.proof.age_days == STALE_DAYS + 1


def test_a_run_whose_summary_has_become_worse_is_no_proof_any_more() -> None:
    worse = replace(observation(3), verdict="invalid", summary="another")
    found = history(observation(3), worse, entries=(entry(3),))
    assert found.proof is None
    (past,) = found.game_days[0].occurrences
    assert (past.verdict, past.is_proof, past.recoveries) == ("invalid", False, ())


def test_an_occurrence_tells_its_verdict_and_recovery_against_the_objective() -> None:
    slow = observation(1, figures={"recovery_fail_over_s": 16.0, "error_s": 3.0})
    found = history(observation(8), slow, entries=(entry(8), entry(1), entry(2, "skipped", code="blackout", why="x")))
    newest, skipped, oldest = found.game_days[0].occurrences
    assert [(one.seconds, one.limit_s, one.is_met) for one in newest.recoveries] == [(16.0, 15.0, False)]
    assert [one.is_met for one in oldest.recoveries] == [True]
    assert (skipped.is_proof, skipped.recoveries, skipped.as_json()["code"]) == (False, (), "blackout")


def test_a_run_that_is_not_known_proves_nothing_whatever_the_ledger_says() -> None:
    (past,) = history(entries=(entry(1),)).game_days[0].occurrences
    assert (past.verdict, past.is_proof) == ("passed", False)


def test_of_a_later_look_nothing_is_better() -> None:
    observations = (observation(30, verdict="failed", shown=(ShownFinding("lost-writes", "", "9"),)), observation(9))
    findings = tracked_findings("prod", observations, {}, "sre")
    looks = [
        system_history("prod", [], observations, findings, NOW_MS + days * DAY_MS) for days in (0, 100, 350, 400, 4000)
    ]
    assert [one.is_proved for one in looks] == [True, True, True, False, False]
    overdue = [len(one.overdue(NOW.date() + timedelta(days=days))) for days, one in enumerate(looks)]
    assert overdue == sorted(overdue)


@pytest.fixture
def calendar(tmp_path: Path) -> Calendar:
    return Calendar(tmp_path / "gamedays.yaml", {"weekly": GAME_DAY})


def test_a_history_is_read_from_the_ledger_and_the_runs_that_it_names(tmp_path: Path, calendar: Calendar) -> None:
    store, runs = SqliteStore(tmp_path / "ledger.sqlite"), tmp_path / "runs"
    ledger = Ledger(store)
    began = datetime.fromtimestamp(ledger.now_ms() / 1000, UTC) - timedelta(hours=1)
    run = f"{began:%Y%m%dT%H%M%SZ}-failover-ab12"
    (runs / run).mkdir(parents=True)
    (runs / run / "summary.json").write_text(json.dumps(said(run)))
    planned = Occurrence("weekly", round(began.timestamp() * 1000))
    assert ledger.record(Entry(planned, "ran", run=run, verdict="passed"))
    assert ledger.record(Entry(Occurrence("weekly", planned.planned_ms - DAY_MS), "missed", "late", "too late"))

    def read() -> SystemHistory:
        (found,) = read_histories(calendar, store, runs=runs)
        return found

    found = read()
    assert (found.system, found.is_proved) == ("lab", True)
    assert [one.entry.outcome for one in found.game_days[0].occurrences] == ["ran", "missed"]
    (runs / run / "summary.json").write_text(json.dumps(said(run, verdict="invalid")))
    assert not read().is_proved
    (runs / run / "summary.json").unlink()
    assert not read().is_proved


def test_an_occurrence_tells_who_approved_it(tmp_path: Path) -> None:
    (tmp_path / "failover.yaml").write_text("title: failover\n")
    rule = ApprovalRule(by=("uid:1001",))
    game_day = replace(GAME_DAY, experiment=tmp_path / "failover.yaml", approval=rule)
    store = SqliteStore(tmp_path / "ledger.sqlite")
    planned = Occurrence("weekly", (store.now_ms() // 60_000 + 60) * 60_000)
    by_hand = Occurrence("weekly", planned.planned_ms - 7_200_000)
    for occurrence, approved, by in (
        (planned, planned, "schedule"),
        (by_hand, next_by_hand("weekly"), "uid:1003"),
    ):
        given = approve(store, game_day, approved, "uid:1001", name="<i>Suzuki")
        assert Ledger(store).claim(Entry(occurrence, "claimed", by=by), None, [start_write(given, occurrence)])
    (found,) = read_histories(Calendar(tmp_path / "gamedays.yaml", {"weekly": game_day}), store, runs=tmp_path)
    for past in found.game_days[0].occurrences:
        (one,) = past.approvals
        assert (one.by, one.state, one.started_for) == ("uid:1001", "started", past.entry.occurrence.key)
        assert json.loads(past.as_json()["approvals"][0]["statement"])["digest"] == one.digest
    page = history_page([found], date(2026, 6, 1), 400, "en", ONLY_UTC)
    assert page.count("&lt;i&gt;Suzuki") == 2


WHOLE = history(
    observation(STALE_DAYS + 30, verdict="failed", shown=(ShownFinding("lost-writes", "", "9 writes <b>lost</b>"),)),
    observation(9, verdict="invalid"),
    entries=(
        entry(STALE_DAYS + 30, verdict="failed"),
        entry(9, verdict="invalid"),
        entry(8, "claimed"),
        *(entry(day, word, code="blackout", why="<script>1</script>") for day, word in enumerate(
            ("skipped", "refused", "expired", "missed", "died"))),
    ),
)  # fmt: skip


@pytest.mark.parametrize("language", ["en", "ja"])
def test_the_page_tells_everything_in_both_languages(language: str) -> None:
    page = history_page([WHOLE, history()], date(2026, 6, 1), 400, language, ONLY_UTC)
    number = ["en", "ja"].index(language)
    for outcome in ("claimed", "ran", "skipped", "refused", "expired", "missed", "died"):
        assert MESSAGES[f"outcome.{outcome}"][number] in page
    for key in ("history.is-overdue", "history.nothing-proved", "history.no-occurrence", "history.no-proof"):
        assert MESSAGES[key][number] in page
    assert "<script>1" not in page
    assert "<b>lost" not in page
    assert "実73-1" in page
    assert "complian" not in page.partition("<script")[0].lower()
    other = MESSAGES["history.last-proof"][1 - number]
    assert other not in page.partition("<script")[0]
