"""Findings of game days stay open until a later drill that could have shown them did not."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date, timedelta
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaosdrill.analysis.judgement import judge
from chaosdrill.coordination.files import FileStore
from chaosdrill.errors import CannotSee
from chaosdrill.gamedays.calendar import Calendar
from chaosdrill.gamedays.findings import DUE_DAYS, Assignment, TrackedFinding, tracked_findings
from chaosdrill.gamedays.history import read_histories
from chaosdrill.gamedays.observations import Observation, ShownFinding, findings_in, observation_from, observation_of
from chaosdrill.gamedays.run_observations import (
    assign,
    findings_of,
    observe,
    observe_again,
    recorded,
    recorded_findings,
    system_name,
)
from chaosdrill.messages import sentence, sentences_to_json
from chaosdrill.runs import read_run
from chaosdrill.runs.events import read_events
from tests.compared_runs import said
from tests.failing import fails_with
from tests.further import first_of
from tests.synthetic_run import make_run
from tests.unit.gamedays_rig import calendar, game_day
from tests.unit.test_judgement import OF_BEATS, OF_EVENTS
from tests.unit.test_topology import RIGHT, written

TODAY = date(2026, 6, 1)


def observed(directory: Path, day: int = 1, **changes: Any) -> Observation:
    """A run as it is observed that began on a day of May."""
    made = make_run(directory, stored=False, **changes)
    judgement = judge(read_run(made))
    run = f"202605{day:02d}T090000Z-failover-ab12"
    summary = said(run, verdict=judgement.verdict, judgement=judgement.as_json())
    events, _ = read_events(made, still_open=True)
    return observation_of(run, json.loads(json.dumps(summary)), events, f"digest-{day}")


def on_day(one: Observation, day: int, **changes: Any) -> Observation:
    began = f"2026-05-{day:02d}T09:00:00Z"
    return replace(one, run=f"202605{day:02d}T090000Z-failover-ab12", began=began, summary=f"digest-{day}", **changes)


def tracked(*observations: Observation, **assigned: Assignment) -> tuple[TrackedFinding, ...]:
    return tracked_findings("lab", observations, assigned)


def still_open(*observations: Observation) -> set[str]:
    return {one.name for one in tracked(*observations) if one.is_open}


def cut_short(rows: list[Any]) -> list[Any]:
    return [row for row in rows if row["event"] != "drill-closed"]


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Observation:
    return observed(tmp_path_factory.mktemp("clean"))


@pytest.fixture(scope="module")
def invalid(tmp_path_factory: pytest.TempPathFactory) -> Observation:
    return observed(tmp_path_factory.mktemp("invalid"), events_of=cut_short)


LIES: dict[str, tuple[str, Callable[..., Any]]] = {
    **{case[0]: ("events_of", case[1]) for case in OF_EVENTS if case[2] != "interrupted"},
    **{f"clients: {case[0]}": ("beats_of", case[1]) for case in OF_BEATS},
}


@pytest.mark.parametrize(("part", "lie"), first_of(LIES.values(), 6), ids=LIES)
def test_a_lie_is_closed_when_it_is_fixed_and_stays_open_when_it_is_not(
    part: str, lie: Callable[..., Any], tmp_path: Path, clean: Observation, invalid: Observation
) -> None:
    lying = observed(tmp_path, **{part: lie})
    found = {one.name for one in lying.shown}
    assert found
    fixed, again = on_day(clean, 2), on_day(lying, 2)
    assert still_open(lying) == found
    assert still_open(lying, fixed) == set()
    assert {one.closed_by for one in tracked(lying, fixed)} == {fixed.run}
    assert still_open(lying, again) == found
    assert still_open(lying, on_day(invalid, 2)) >= found
    assert still_open(lying, replace(fixed, verdict="invalid")) == found
    assert still_open(on_day(clean, 1), on_day(lying, 2)) == found
    assert still_open(lying, fixed, on_day(lying, 3)) == found


def test_a_finding_has_a_stable_identity(tmp_path: Path, clean: Observation) -> None:
    lying = observed(tmp_path, events_of=OF_EVENTS[0][1])
    first, again = tracked(lying), tracked(lying, on_day(clean, 2), on_day(lying, 3))
    assert [one.id for one in first] == [one.id for one in again]
    assert [one.subject for one in first] == ["fail-over", "fail-over"]
    assert [one.shown_by for one in again] == [(lying.run, on_day(lying, 3).run)] * 2
    assert {one.id for one in first}.isdisjoint({one.id for one in tracked_findings("other", [lying], {})})


def test_a_finding_is_the_same_whichever_process_or_resource_it_names(clean: Observation) -> None:
    def shown(finding: str, template: str, **values: str) -> ShownFinding:
        text = sentence(template, **values)
        found = {"name": finding, "verdict": "told", "text": text, "evidence": []}
        document = json.loads(json.dumps({"findings": [found], "said": sentences_to_json([text])}))
        (one,) = findings_in(document)
        return one

    for number in (22, 116):
        clock = shown("clock-off", "the clock of {source} is off", source=f"locust-{number}")
        assert (clock.name, clock.subject) == ("clock-off", "")
        left = shown("left-behind", "left of {part}: {name}", part="packet_loss", name=f"fis-{number}")
        assert (left.name, left.subject) == ("left-behind", "packet_loss")
    off = on_day(clean, 1, shown=(clock,))
    assert still_open(off, on_day(off, 2, verdict="passed")) == {"clock-off"}


@pytest.mark.parametrize(
    "less",
    [
        {"verdict": "refused"},
        {"verdict": "interrupted"},
        {"broken": True},
        {"dry": True},
        {"target": "aws"},
        {"scale": 1.0},
        {"experiment": "packet-loss"},
        {"transitions": ("fail-over",)},
        {"actions": ()},
        {"figures": {}},
    ],
    ids=str,
)
def test_a_drill_that_could_not_have_shown_a_finding_does_not_close_it(
    less: dict[str, Any], tmp_path: Path, clean: Observation
) -> None:
    lying = observed(tmp_path, events_of=OF_EVENTS[0][1])
    later = on_day(clean, 2, **less)
    (first, *_) = tracked(lying, later)
    assert first.is_open
    assert [run for run, why in first.still_open if why] == ([] if "experiment" in less else [later.run])


BUDGETS = {"rto_s": 60.0, "availability_ratio": 0.9, "budgets": {"dns-changed": 5.0}}


@pytest.mark.parametrize(
    ("name", "objectives", "closes"),
    [
        ("unavailable-too-long", {**BUDGETS, "rto_s": 60.0}, True),
        ("unavailable-too-long", {**BUDGETS, "rto_s": 30.0}, True),
        ("unavailable-too-long", {**BUDGETS, "rto_s": 61.0}, False),
        ("unavailable-too-long", {}, False),
        ("availability-missed", {**BUDGETS, "availability_ratio": 0.95}, True),
        ("availability-missed", {**BUDGETS, "availability_ratio": 0.8}, False),
        ("budget-missed", {**BUDGETS, "budgets": {"dns-changed": 4.0}}, True),
        ("budget-missed", {**BUDGETS, "budgets": {"dns-changed": 6.0}}, False),
        ("budget-missed", {**BUDGETS, "budgets": {}}, False),
        ("flag-not-closed", {}, True),
    ],
)
def test_an_objective_that_was_loosened_closes_nothing(
    name: str, objectives: dict[str, Any], closes: bool, clean: Observation
) -> None:
    missed = on_day(clean, 1, verdict="failed", objectives=BUDGETS, shown=(ShownFinding(name, "", "too long"),))
    assert (still_open(missed, on_day(clean, 2, objectives=objectives)) == set()) is closes


def test_a_step_that_was_removed_or_made_lenient_closes_nothing(clean: Observation) -> None:
    shown = (ShownFinding("check-missed", "readable", "it is 1, expected 0"),)
    missed = on_day(clean, 1, verdict="failed", checks={"readable": "0"}, shown=shown)
    for checks, closes in (
        ({"readable": "0"}, True),
        ({"readable": "5"}, False),
        ({"readable": ""}, False),
        ({}, False),
    ):
        assert (still_open(missed, on_day(clean, 2, checks=checks)) == set()) is closes


def test_a_weaker_fault_or_load_closes_nothing(clean: Observation) -> None:
    strong = (("chaosdrill.load.actions.start_load", '{"users":100.0}'),)
    missed = on_day(clean, 1, verdict="failed", actions=strong, shown=(ShownFinding("lost-writes", "", "9 writes"),))
    weak = on_day(clean, 2, actions=(("chaosdrill.load.actions.start_load", '{"users":10.0}'),))
    assert still_open(missed, weak) == {"lost-writes"}
    assert still_open(missed, weak, on_day(clean, 3, actions=strong)) == set()


SHOWN = (ShownFinding("lost-writes", "", "9 writes"),)
VERDICTS = ("passed", "failed", "invalid", "refused", "interrupted")
RUN = st.tuples(st.integers(1, 6), st.sampled_from(VERDICTS), st.booleans(), st.booleans())


@given(st.lists(RUN, max_size=8), st.data())
def test_removing_ageing_or_invalidating_a_run_never_improves_a_history(
    runs: Sequence[tuple[int, str, bool, bool]], data: st.DataObject
) -> None:
    base = Observation("", "", "failover", "lab", 0.2, "passed")
    history = [
        on_day(base, day, verdict=verdict, broken=broken, shown=SHOWN if shows else ())
        for day, verdict, shows, broken in runs
    ]
    history = list({one.run: one for one in history}.values())
    before = still_open(*history)
    if history:
        one = data.draw(st.sampled_from(history))
        # what was recorded of it stays; its summary is another one now, or has been removed
        worse = data.draw(st.sampled_from(("invalid", "refused", "interrupted", "passed", "failed")))
        changed = replace(
            one, verdict=worse, shown=(), summary="another", began=data.draw(st.sampled_from(("", "2027")))
        )
        assert still_open(*history, changed) >= before
    for order in list(permutations(history))[:6]:
        assert still_open(*order) == before
    overdue = {one.id for one in tracked(*history) if one.is_overdue(TODAY)}
    assert {one.id for one in tracked(*history) if one.is_overdue(TODAY + timedelta(days=400))} >= overdue


def test_an_observation_is_read_as_it_was_recorded(clean: Observation, invalid: Observation) -> None:
    for one in (clean, invalid):
        assert observation_from(one.as_text()) == one
    later = json.loads(clean.as_text()) | {"new_field": 1}
    assert observation_from(json.dumps(later)) == clean


def test_a_finding_has_an_owner_a_due_date_and_a_ticket(tmp_path: Path, clean: Observation) -> None:
    store = FileStore(tmp_path)
    missed = on_day(clean, 1, verdict="failed", shown=SHOWN)
    (found,) = findings_of(store, "lab", [missed], "sre")
    assert (found.owner, found.ticket) == ("sre", "")
    assert found.due == (date(2026, 5, 1) + timedelta(days=DUE_DAYS)).isoformat()
    assert [found.is_overdue(day) for day in (date(2026, 5, 31), date(2026, 6, 1))] == [False, True]
    assign(store, found, Assignment(owner="yamada", ticket="CHG-1"))
    assign(store, found, Assignment(due="2026-07-01"))
    (found,) = findings_of(store, "lab", [missed], "sre")
    assert (found.owner, found.due, found.ticket) == ("yamada", "2026-07-01", "CHG-1")
    assert not found.is_overdue(TODAY)


def stored(runs: Path, run: str, **summary: Any) -> Path:
    directory = runs / run
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "summary.json").write_text(json.dumps(said(run, **summary)))
    return directory


def failing() -> dict[str, Any]:
    finding = {"name": "lost-writes", "verdict": "failed", "text": "9 writes", "evidence": []}
    return {"verdict": "failed", "judgement": {"findings": [finding], "figures": {}, "movements": []}}


FIRST, SECOND = "20260501T090000Z-failover-ab12", "20260502T090000Z-failover-ab12"


def run_of(runs: Path, run: str, domain: str, **summary: Any) -> Path:
    directory = stored(runs, run, **summary)
    events = [{"event": "drill-opened", "run_id": run}, {"event": "target-opened", "domain": domain}]
    (directory / "history.jsonl").write_text("".join(f"{json.dumps(one)}\n" for one in events))
    return directory


PAY, LOANS = "pay.example.com", "loans.example.com"


@pytest.fixture
def teams(tmp_path: Path) -> dict[str, Calendar]:
    """Each team has a calendar beside its `topology.yaml`, and all have one ledger."""
    found = {}
    for domain in (PAY, LOANS):
        (tmp_path / domain).mkdir()
        topology = written(tmp_path / domain, RIGHT.replace("domain: api.example.com.", f"domain: {domain}"))
        found[domain] = calendar(game_day("weekly", topology=topology), file=tmp_path / domain / "gamedays.yaml")
    return found


def test_two_systems_with_the_same_relative_path_have_findings_of_their_own(tmp_path, teams) -> None:
    store, runs = FileStore(tmp_path / "store"), tmp_path / "runs"
    (system,) = {system_name(team, team.game_days["weekly"]) for team in teams.values()}
    observe(store, system, run_of(runs, FIRST, PAY, **failing()))
    observe(store, system, run_of(runs, SECOND, LOANS))
    assert recorded_findings(teams[LOANS], store) == []
    (found,) = recorded_findings(teams[PAY], store)
    assert (found.is_open, found.shown_by) == (True, (FIRST,)), "the drill of another system closes nothing"
    histories = {domain: read_histories(team, store, runs=runs)[0] for domain, team in teams.items()}
    assert [len(histories[domain].findings) for domain in (PAY, LOANS)] == [1, 0]
    proof = histories[LOANS].proof
    assert proof is not None
    assert proof.run == SECOND
    third = "20260503T090000Z-failover-ab12"
    observe(store, system, run_of(runs, third, PAY))
    assert [one.is_open for one in recorded_findings(teams[PAY], store)] == [False]


def test_nothing_is_left_out_whose_system_is_not_known(tmp_path: Path, teams: dict[str, Calendar]) -> None:
    """Of a run of an older version, and where the topology cannot be read."""
    store, runs = FileStore(tmp_path / "store"), tmp_path / "runs"
    team = teams[LOANS]
    topology = team.game_days["weekly"].topology
    assert topology is not None
    system = system_name(team, team.game_days["weekly"])
    observe(store, system, stored(runs, FIRST, **failing()))
    assert [one.is_open for one in recorded_findings(team, store)] == [True]
    observe(store, system, run_of(runs, SECOND, PAY, **failing()))
    topology.write_text("")
    (found,) = recorded_findings(team, store)
    assert (found.is_open, found.shown_by) == (True, (FIRST, SECOND))
    observe(store, system, run_of(runs, "20260503T090000Z-failover-ab12", LOANS))
    (found,) = recorded_findings(team, store)
    assert found.is_open, "a drill of another system closes nothing"
    assert LOANS in found.still_open[-1][1]


def test_a_run_is_remembered_after_it_was_removed(tmp_path: Path) -> None:
    store, runs = FileStore(tmp_path / "store"), tmp_path / "runs"
    observe(store, "lab", stored(runs, FIRST, **failing()))
    observe(store, "lab", runs / FIRST)
    assert len(recorded(store, "lab")) == 1
    (runs / FIRST / "summary.json").unlink()
    assert still_open(*observe_again(store, "lab", runs, [FIRST])) == {"lost-writes"}


def test_a_run_that_becomes_invalid_does_not_close_any_more_not_even_when_it_is_removed(tmp_path: Path) -> None:
    store, runs = FileStore(tmp_path / "store"), tmp_path / "runs"
    stored(runs, FIRST, **failing())
    stored(runs, SECOND)
    named = [FIRST, SECOND, "", "../elsewhere"]
    assert still_open(*observe_again(store, "lab", runs, named)) == set()
    (runs / SECOND / "summary.json").write_text("no summary any more")
    assert still_open(*observe_again(store, "lab", runs, [])) == {"lost-writes"}
    (runs / SECOND / "summary.json").unlink()
    assert still_open(*observe_again(store, "lab", runs, [])) == {"lost-writes"}
    stored(runs, SECOND)
    assert still_open(*observe_again(store, "lab", runs, [])) == {"lost-writes"}


def test_a_ledger_that_may_only_be_read_tells_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, runs = FileStore(tmp_path / "store"), tmp_path / "runs"
    stored(runs, FIRST, **failing())

    def refuse(self: FileStore, write: Any) -> Any:
        raise CannotSee("access denied", code="coordination-unreachable")

    monkeypatch.setattr(FileStore, "update", refuse)
    assert still_open(*observe_again(store, "lab", runs, [FIRST])) == {"lost-writes"}
    assert recorded(store, "lab") == []
    with fails_with("coordination-unreachable"):
        observe(store, "lab", runs / FIRST)
