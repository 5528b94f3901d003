"""``chaosdrill gameday approve``, ``revoke`` and ``findings``."""

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from chaosdrill.cli import cli
from chaosdrill.gamedays.calendar import Occurrence
from chaosdrill.gamedays.events import Entry
from chaosdrill.gamedays.ledger import Ledger
from chaosdrill.gamedays.loading import load_calendar
from chaosdrill.gamedays.stores import store_of
from tests.compared_runs import said

PLANNED = datetime.now(UTC).replace(hour=2, minute=0, second=0, microsecond=0) + timedelta(days=3)
CALENDAR = """\
version: 1
game_days:
  weekly:
    owner: sre@example.com
    experiment: failover.yaml
    schedule: {{zone: UTC, times: [{planned}]}}
    window: {{earliest: 01:00, latest_end: 05:00}}
    worst_case_min: 60
    approval: {{by: ["{by}"], until_min: 60}}
"""


@pytest.fixture
def calendar_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return written(tmp_path, monkeypatch, f"uid:{os.getuid()}")


def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, by: str) -> Path:
    monkeypatch.setenv("CHAOSDRILL_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("CHAOSDRILL_RUNS", raising=False)
    (tmp_path / "failover.yaml").write_text("title: failover\n")
    path = tmp_path / "gamedays.yaml"
    path.write_text(CALENDAR.format(planned=f"{PLANNED:%Y-%m-%dT%H:%M}", by=by))
    monkeypatch.setenv("CHAOSDRILL_GAMEDAYS", str(path))
    return path


def run(*words: str, typed: str = "") -> Result:
    return CliRunner().invoke(cli, ["gameday", *words], input=typed)


def test_a_person_reads_the_plan_and_approves_it(calendar_file: Path) -> None:
    assert run("approve", "weekly", typed="n\n").exit_code == 1
    done = run("approve", "weekly", "--name", "Suzuki", typed="y\n")
    assert done.exit_code == 0, done.output
    assert f"weekly@{PLANNED:%Y-%m-%dT%H:%MZ}" in done.output
    assert '"Suzuki",' in done.output
    assert run("revoke", "weekly").exit_code == 0
    again = run("revoke", "weekly")
    assert (again.exit_code, "approval-missing" in again.output) == (1, True)


def test_an_approval_is_shown_for_machines(calendar_file: Path) -> None:
    done = run("approve", "weekly", "--occurrence", f"{PLANNED:%Y-%m-%dT%H:%MZ}", "--yes", "--json")
    found = json.loads(done.stdout)
    assert (found["by"], found["state"], found["signature"]) == (f"uid:{os.getuid()}", "approved", "")
    assert json.loads(found["statement"])["digest"] == found["digest"]


def test_the_next_run_by_hand_is_approved_and_revoked(calendar_file: Path) -> None:
    assert "weekly@by-hand" in run("approve", "weekly", "--by-hand", "--yes").output
    assert run("revoke", "weekly").exit_code == 1  # of the planned occurrence there is none
    assert run("revoke", "weekly", "--by-hand").exit_code == 0


def test_who_may_not_approve_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written(tmp_path, monkeypatch, "uid:4711")
    done = run("approve", "weekly", "--yes")
    assert (done.exit_code, "approval-not-allowed" in done.output) == (1, True)


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("approve", "monthly"), ""),
        (("approve", "weekly", "--occurrence", "2027-01-10T17:01Z"), "occurrence-missing"),
        (("approve", "weekly", "--occurrence", "sunday"), "argument-invalid"),
        (("approve", "weekly", "--sign", "no-such-key"), "file-missing"),
        (("approve", "weekly", "--by-hand", "--occurrence", "2027-01-10T17:01Z"), ""),
        (("findings", "F-00000000"), "finding-missing"),
        (("findings", "--owner", "suzuki"), "finding-missing"),
        (("findings", "F-00000000", "--due", "tomorrow"), "date-invalid"),
    ],
)
def test_what_cannot_be_used_is_named(calendar_file: Path, words: tuple[str, ...], code: str) -> None:
    done = run(*words, "--yes") if words[0] == "approve" else run(*words)
    assert done.exit_code == 2
    assert code in done.output


def test_a_finding_is_listed_assigned_and_overdue(calendar_file: Path, tmp_path: Path) -> None:
    store = store_of(load_calendar(calendar_file))
    began = datetime.now(UTC) - timedelta(days=40)
    name = f"{began:%Y%m%dT%H%M%SZ}-failover-ab12"
    finding = {"name": "lost-writes", "verdict": "failed", "text": "9 writes", "evidence": []}
    judgement = {"findings": [finding], "figures": {}, "movements": []}
    directory = tmp_path / "home" / "runs" / name
    directory.mkdir(parents=True)
    (directory / "summary.json").write_text(json.dumps(said(name, verdict="failed", judgement=judgement)))
    occurrence = Occurrence("weekly", round(began.timestamp()) // 60 * 60_000)
    assert Ledger(store).record(Entry(occurrence, "ran", run=name, verdict="failed"))

    def listed(*words: str) -> Any:
        done = run("findings", *words, "--json")
        return done.exit_code, json.loads(done.stdout)

    exit_code, (found,) = listed()
    assert (exit_code, found["name"], found["owner"], found["overdue"]) == (3, "lost-writes", "sre@example.com", True)
    due = (datetime.now(UTC) + timedelta(days=9)).date().isoformat()
    exit_code, (found,) = listed(found["id"], "--owner", "suzuki", "--due", due, "--ticket", "CHG-1")
    assert (exit_code, found["owner"], found["due"], found["ticket"]) == (0, "suzuki", due, "CHG-1")
    assert run("findings", found["id"]).exit_code == 0


def test_the_history_has_what_is_proved_and_is_one_page(calendar_file: Path, tmp_path: Path) -> None:
    store = store_of(load_calendar(calendar_file))
    began = datetime.now(UTC) - timedelta(hours=1)
    name = f"{began:%Y%m%dT%H%M%SZ}-failover-ab12"
    directory = tmp_path / "home" / "runs" / name
    directory.mkdir(parents=True)
    (directory / "summary.json").write_text(json.dumps(said(name)))
    occurrence = Occurrence("weekly", round(began.timestamp()) // 60 * 60_000)
    assert Ledger(store).record(Entry(occurrence, "ran", run=name, verdict="passed"))

    found = json.loads(run("history", "--json").stdout)
    assert [one["run"] for one in found["entries"]] == [name]
    (system,) = found["systems"]
    assert (system["last_proof"]["run"], system["last_proof"]["age_days"]) == (name, 0)
    shown = run("history", "weekly").output
    assert ("9.3 s" in shown, "lab: " in shown, " 0 days " in shown) == (True, True, True)
    page = tmp_path / "history.html"
    assert run("history", "--html", str(page), "--lang", "ja").exit_code == 0
    assert name in page.read_text()
    assert "実73-1" in page.read_text()
