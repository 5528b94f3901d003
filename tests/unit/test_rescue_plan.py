"""The decisions of a rescue, over every combination of the parts' facts and on an abstract system."""

import importlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from types import SimpleNamespace
from typing import Any

import pytest

from chaosdrill.aws import arc, aurora, dynamodb
from chaosdrill.aws.service_restoration import restore_after_failure
from chaosdrill.errors import CannotSee
from chaosdrill.parts.interface import HEAL, PLACE, UNREADABLE, Role
from chaosdrill.parts.registry import BUILT_IN
from chaosdrill.rescue.decisions import DATA_LOSS, ROWS, RescueRequest, RescueStep
from chaosdrill.rescue.facts import OTHER_FACTS, PLACEMENT_FACTS, REGIONS, Facts, Region, trigger_value
from chaosdrill.rescue.plan import RescuePlan, plan
from chaosdrill.rescue.rounds import Round, rescue
from tests.rescue_model import (
    NOWHERE,
    SUBSETS,
    WRITERS,
    Rescue,
    World,
    rescues,
    worlds_of_other_parts,
    worlds_of_placement,
)
from tests.rescue_page import PAGE, rescue_page

ALL_OWED: frozenset[Role] = frozenset({"gate", "routing", "database", "orchestrator", "fault", "trigger", "client"})
REQUESTS = [RescueRequest(goal, ALL_OWED, loss) for goal in REGIONS for loss in ("", DATA_LOSS)]
by_request = pytest.mark.parametrize("request_", REQUESTS, ids=lambda one: f"{one.goal}-{one.data_loss or 'no-loss'}")


def placements() -> Iterator[Facts]:
    for values in product(*((*values, UNREADABLE) for values in PLACEMENT_FACTS.values())):
        yield Facts(*values)


def with_other_parts(facts: Facts) -> Iterator[Facts]:
    for fault, trigger, capacity, client in product(*((*values, UNREADABLE) for values in OTHER_FACTS.values())):
        yield replace(
            facts, faults={"f": fault}, triggers={"t": trigger}, capacities={"c": capacity}, clients={"l": client}
        )


def check_plan(facts: Facts, request: RescueRequest, now: RescuePlan) -> None:
    """Assert what holds of every plan, whatever follows from it."""
    actions = [step.action for step in now.steps]
    assert [step.order for step in now.steps] == sorted(step.order for step in now.steps)
    assert ("heal" in actions) == ("ours" in facts.faults.values())
    assert ("stop" in actions) == ("ours" in facts.clients.values() and not now.continues)
    if facts.orchestrator == "foreign" and request.owes_placement:
        assert {step.role for step in now.steps} <= {"fault", "client"}
    placed = [step for step in now.steps if step.order == PLACE and step.action != "wait"]
    if UNREADABLE in (facts.gate, facts.database, facts.orchestrator, *facts.triggers.values()):
        assert not placed
    if facts.routing == UNREADABLE and placed:
        assert (facts.gate, now.row.name, [step.action for step in placed]) == (
            "closed",
            "closed-routing-unreadable",
            ["open"],
        )
    if "switch-on" in actions or ("raised" in facts.capacities.values() and "restore" in actions):
        assert now.row.kind == "complete"
    if not now.continues:
        assert not placed
        unreadable = [part for part in facts.unreadable_parts() if any(part in text for text in now.by_person)]
        assert unreadable == list(facts.unreadable_parts())
        assert now.row.kind == "complete" or now.row.by_person in now.by_person


def test_the_facts_of_the_parts_are_those_that_a_rescue_knows() -> None:
    parts = [importlib.import_module(module).PART for module in BUILT_IN]
    placed = {part.role: part.facts for part in parts if part.role in PLACEMENT_FACTS}
    assert placed == PLACEMENT_FACTS
    others = [part for part in parts if part.role in OTHER_FACTS]
    assert [part.name for part in others if not set(part.facts) <= set(OTHER_FACTS[part.role])] == []


def test_every_combination_has_a_row_and_every_row_has_a_combination() -> None:
    rows = Counter[str]()
    triggers, faults = ("off", UNREADABLE), ("none", "ours", "foreign")
    for facts, request, trigger, fault in product(placements(), REQUESTS, triggers, faults):
        facts = replace(facts, triggers={"t": trigger}, faults={"f": fault})
        now = plan(facts, request)
        check_plan(facts, request, now)
        rows[now.row.name] += 1
    assert set(rows) == {row.name for row in ROWS} - {"placement-not-owed"}


def test_the_names_of_the_rows_differ_and_each_says_what_a_person_does_unless_all_is_done() -> None:
    assert len({row.name for row in ROWS}) == len(ROWS)
    assert [row.name for row in ROWS if bool(row.by_person) == (row.kind == "complete")] == []


def test_home_and_standby_are_treated_alike() -> None:
    swap = str.maketrans({"H": "standby", "S": "home"})

    def swapped(value: str) -> str:
        return value.replace("home", "H").replace("standby", "S").translate(swap)

    for facts, loss in product(placements(), ("", DATA_LOSS)):
        other = Facts(*(swapped(value) for value in (facts.gate, facts.routing, facts.database, facts.orchestrator)))
        here, there = (
            plan(one, RescueRequest(goal, ALL_OWED, loss)) for one, goal in ((facts, "home"), (other, "standby"))
        )
        assert here.row is there.row
        assert [step.region and swapped(step.region) for step in here.steps] == [step.region for step in there.steps]


def check_end(start: World, one: Rescue, rounds: tuple[Round, ...]) -> None:
    """Assert what holds at the end of a rescue."""
    last, end, goal = rounds[-1].plan, one.world, one.request.goal
    assert end.serves(goal) if last.is_complete else last.by_person
    again = Rescue(end, one.request)
    assert plan(end.facts(), one.request, one.rows).steps == (), "what is left is left to a person"
    if last.is_complete:
        again.carry_out()
        assert again.steps == []


def check_served(one: Rescue, rounds: tuple[Round, ...]) -> None:
    """Assert that a rescue whose steps can be made leaves nothing half done: the writer's region serves."""
    end = one.world
    if end.unreadable or end.execution == "foreign" or end.writer in ("none", "several"):
        return
    assert end.writer in REGIONS
    assert end.open == end.routed == {end.writer}
    expected = {"goal-serves"} if end.writer == one.request.goal else {"goal-not-ready", "serves-elsewhere"}
    assert rounds[-1].plan.row.name in expected


@by_request
def test_every_placement_ends_at_the_goal_or_with_what_a_person_must_do(request_: RescueRequest) -> None:
    explored: set[object] = set()
    for start in worlds_of_placement():
        for one, rounds in rescues(start, request_, explored):
            check_end(start, one, rounds)
            check_served(one, rounds)


def test_a_readable_placement_with_one_writer_and_a_region_that_is_ready_ends_at_the_goal() -> None:
    for is_open, routed, (writer, ready), goal in product(SUBSETS, SUBSETS, WRITERS[:4], REGIONS):
        one = Rescue(World(is_open, routed, writer, ready), RescueRequest(goal, ALL_OWED))
        rounds = one.carry_out()
        assert one.world.serves(goal) == rounds[-1].plan.is_complete == (ready or writer == goal)


@pytest.mark.parametrize("goal", REGIONS)
def test_what_is_not_owed_is_not_moved(goal: Region) -> None:
    request = RescueRequest(goal, frozenset({"client"}))
    for start in worlds_of_placement():
        one = Rescue(replace(start, client="ours"), request)
        (only,) = one.carry_out()
        assert (only.plan.is_complete, one.world) == (True, start)


@pytest.mark.parametrize(
    "start",
    [
        pytest.param(World(frozenset({"home"}), frozenset({"home"}), "home", True), id="serves"),
        pytest.param(World(frozenset({"standby"}), frozenset({"standby"}), "standby", True), id="elsewhere"),
        pytest.param(World(NOWHERE, frozenset({"standby"}), "standby", True), id="closed"),
        pytest.param(World(NOWHERE, frozenset({"standby"}), "none", False), id="no-writer"),
        pytest.param(World(frozenset({"standby"}), frozenset({"standby"}), "standby", False), id="not-ready"),
    ],
)
@pytest.mark.parametrize("request_", REQUESTS[:2], ids=["no-loss", "loss-allowed"])
def test_the_other_parts_are_as_before_when_nothing_is_left(start: World, request_: RescueRequest) -> None:
    explored: set[object] = set()
    for world in worlds_of_other_parts(start):
        for one, rounds in rescues(world, request_, explored):
            check_end(world, one, rounds)
            check_other_parts(world, one.world, rounds[-1].plan)


def check_other_parts(start: World, end: World, last: RescuePlan) -> None:
    """Assert that what could be undone beside the placement was."""
    if "fault" not in start.unreadable:
        assert end.fault == ("foreign" if start.fault in ("foreign", "both") else "none")
    if "client" not in start.unreadable:
        assert end.client == "none"
    if last.is_complete:
        wanted = start.trigger[1] or ("on" if start.trigger[0] else "off")
        assert (end.trigger, end.capacity) == ((wanted == "on", ""), "as-before")


@pytest.mark.long
@pytest.mark.parametrize(
    ("goal", "fault"),
    [("home", "none"), *(pytest.param(goal, "ours", marks=pytest.mark.long) for goal in REGIONS)],
)
def test_steps_that_fail_break_no_promise_and_the_rescue_ends(goal: Region, fault: str) -> None:
    explored: set[object] = set()
    for is_open, routed, writer in product(SUBSETS, SUBSETS, REGIONS):
        start = World(is_open, routed, writer, True, fault=fault, trigger=(True, ""))
        for one, rounds in rescues(start, RescueRequest(goal, ALL_OWED), explored, may_fail=True):
            assert one.world.serves(goal) if rounds[-1].plan.is_complete else rounds[-1].plan.by_person


@pytest.mark.long
@by_request
def test_plans_over_the_full_product(request_: RescueRequest) -> None:
    for placement in placements():
        for facts in with_other_parts(placement):
            check_plan(facts, request_, plan(facts, request_))


@pytest.mark.long
@pytest.mark.parametrize("execution", ["none", "to-home", "to-standby"])
@pytest.mark.parametrize("writer", WRITERS)
def test_rescues_over_the_full_product(execution: str, writer: tuple[str, bool]) -> None:
    explored: set[object] = set()
    for is_open, routed in product(SUBSETS, SUBSETS):
        for start in worlds_of_other_parts(World(is_open, routed, *writer, execution)):
            if execution != "none" and start.capacity != "as-before":
                continue
            for one, rounds in rescues(start, REQUESTS[0], explored):
                check_end(start, one, rounds)
                check_other_parts(start, one.world, rounds[-1].plan)


def test_a_database_is_promoted_only_when_told_in_words() -> None:
    headless = Facts("closed", "home", "no-writer", "none")
    words = ("", "yes", "true", "ALLOWED", DATA_LOSS)
    plans = [plan(headless, RescueRequest("home", ALL_OWED, word)) for word in words]
    assert [now.row.name for now in plans] == ["no-writer"] * 4 + ["no-writer-loss-allowed"]
    assert [_actions(now) for now in plans] == [[]] * 4 + [["promote"]]


def test_a_failback_that_failed_is_not_tried_again_by_a_later_rescue() -> None:
    away, request = Facts("standby-open", "standby", "standby-ready", "none"), RescueRequest("home", ALL_OWED)
    assert _actions(plan(away, request)) == ["move"]
    later = plan(away, request, tried=["closed", "serves-elsewhere", "closed"])
    assert (later.steps, later.continues) == ((), False)
    assert later.by_person


def test_a_fault_that_cannot_be_healed_keeps_the_writer_where_it_is() -> None:
    away = Facts("standby-open", "standby", "standby-ready", "none", faults={"packet_loss": "ours"})
    assert set(_made(away)) == {"heal"}


def test_service_is_restored_although_a_fault_cannot_be_healed() -> None:
    closed = Facts("closed", "standby", "home-ready", "none", faults={"packet_loss": "ours"})
    assert _made(closed)[:3] == ["heal", "route", "open"]


def _made(facts: Facts) -> list[str]:
    """The steps of a rescue in which faults cannot be healed and the facts stay as they are."""
    made: list[str] = []

    def act(step: RescueStep) -> str:
        made.append(step.action)
        return "FIS does not respond" if step.action == "heal" else ""

    rescue(lambda: facts, lambda now: None, act, RescueRequest("home", ALL_OWED))
    return made


@pytest.mark.parametrize(
    ("is_on", "owed", "expected"),
    [
        (True, "", "on"),
        (True, "on", "on"),
        (True, "off", "on-owed"),
        (False, "", "off"),
        (False, "off", "off"),
        (False, "on", "off-owed"),
    ],
)
def test_the_state_of_an_automatic_failover(is_on: bool, owed: Any, expected: str) -> None:
    assert trigger_value(is_on, owed) == expected
    assert expected in OTHER_FACTS["trigger"]


class Services:
    """What a rollback restores service with, over the state of a world."""

    def __init__(self, world: World) -> None:
        self.world, self.changes = world, [("", "")][:0]

    def routing_states(self, system: Any, rounds: int = 1) -> dict[str, str]:
        if "routing" in self.world.unreadable:
            raise CannotSee("no endpoint responds", code="routing-unreadable")
        return {region: "On" if region in self.world.routed else "Off" for region in REGIONS}

    def write_routing_states(self, system: Any, states: dict[str, str]) -> None:
        self.changes += [("route", region) for region, state in states.items() if state == "On"]

    def write_stop_flag(self, system: Any, region: str, value: bool, expected: bool) -> None:
        assert expected == (region not in self.world.open)
        self.changes.append(("close" if value else "open", region))

    def serve(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Restore service as a rollback does whose state machine has failed."""
        cluster = aurora.GlobalCluster("available", (self.world.writer,), {region: "" for region in REGIONS})
        monkeypatch.setattr(dynamodb, "stop_flag", lambda system, region: region not in self.world.open)
        monkeypatch.setattr(dynamodb, "write_stop_flag", self.write_stop_flag)
        monkeypatch.setattr(arc, "routing_states", self.routing_states)
        monkeypatch.setattr(arc, "write_routing_states", self.write_routing_states)
        monkeypatch.setattr(aurora, "global_cluster", lambda system: cluster)
        system: Any = SimpleNamespace(topology=SimpleNamespace(region_names=REGIONS))
        restore_after_failure(system, "a state machine failed")


@pytest.mark.parametrize("writer", REGIONS)
def test_rollbacks_restore_service_by_the_same_changes(writer: Region, monkeypatch: pytest.MonkeyPatch) -> None:
    for is_open, routed in product(SUBSETS, SUBSETS):
        world = World(is_open, routed, writer, ready=False)
        services = Services(world)
        services.serve(monkeypatch)
        steps = plan(world.facts(), RescueRequest(writer, ALL_OWED)).steps
        assert services.changes == [(step.action, step.region) for step in steps]


@pytest.mark.parametrize("writer", REGIONS)
def test_rollbacks_open_a_region_without_the_routing_as_well(writer: Region, monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(NOWHERE, NOWHERE, writer, ready=False, unreadable=frozenset({"routing"}))
    services = Services(world)
    with pytest.raises(CannotSee):
        services.serve(monkeypatch)
    steps = plan(world.facts(), RescueRequest(writer, ALL_OWED)).steps
    assert services.changes == [(step.action, step.region) for step in steps] == [("open", writer)]


def test_the_page_shows_the_decisions() -> None:
    assert PAGE.read_text() == rescue_page(), "write it again: python -m tests.rescue_page"


def _actions(now: RescuePlan) -> list[str]:
    return [step.action for step in now.steps if step.order != HEAL]
