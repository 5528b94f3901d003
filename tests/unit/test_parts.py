"""The parts of a system, as the registry lists them."""

import configparser
import importlib
import inspect
import json
from collections import Counter
from pathlib import Path

import pytest

import chaosdrill
from chaosdrill.aws import system_of
from chaosdrill.controls.settings import read_settings
from chaosdrill.controls.settlement import _cuts_off
from chaosdrill.packet_loss import actions as faults
from chaosdrill.packet_loss import evidence
from chaosdrill.parts import registry
from chaosdrill.parts.registry import BUILT_IN, part_of_action, parts_of, undo_rules
from chaosdrill.rescue.facts import OTHER_FACTS, PLACEMENT_FACTS
from chaosdrill.topology import load_topology
from tests.contract.activities_rig import drill
from tests.unit.test_topology import RIGHT, written


def test_each_part_has_a_name_of_its_own_and_no_action_has_two_undos():
    classes = [importlib.import_module(module).PART for module in BUILT_IN]
    assert len({one.name for one in classes}) == len(classes)
    rules = [rule.action for one in classes for rule in one.undo_rules]
    assert sorted(rules) == sorted(undo_rules())


def test_the_parts_of_a_topology_come_in_the_order_of_the_registry(tmp_path):
    names = [part.name for part in parts_of(load_topology(written(tmp_path, RIGHT)))]
    order = [importlib.import_module(module).PART.name for module in BUILT_IN]
    assert names == [name for name in order if name in names]


def test_each_action_of_a_part_has_one_rule_or_is_an_undo_alone():
    found = json.loads((Path(__file__).parents[1] / "contract" / "discovery.json").read_text())
    actions = {name for name, one in found.items() if one["type"] == "action"}
    rules = Counter(rule.action for module in BUILT_IN for rule in importlib.import_module(module).PART.undo_rules)
    undo_alone = {rule.undo for rule in undo_rules().values()} - set(undo_rules())
    assert rules == Counter({name.rpartition(".")[2] for name in actions} - undo_alone)


def test_an_action_belongs_to_the_part_in_whose_package_it_is():
    part = part_of_action("set_routing", "chaosdrill.routing.actions")
    assert part is not None
    assert part.name == "routing"
    assert part_of_action("set_routing", "chaosdrill.routing_of_mine.actions") is None
    assert part_of_action("stop_load", "chaosdrill.load.actions") is None, "an undo that changes nothing to undo"


PART_OF_OTHERS = """
from chaosdrill.parts.interface import BasePart, UndoRule, VariableRange

class Queue(BasePart):
    name, role = "queue", "fault"
    undo_rules = (UndoRule("pause_queue", "resume_queue"),)
    variables = {"queue_depth": VariableRange(int, 1, 50)}
    cuts_off = frozenset({"pause_queue"})

PART = Queue

def part_of(topology):
    return Queue()
"""


@pytest.fixture
def part_of_others(tmp_path, monkeypatch):
    """A distribution beside chaosdrill that has a part."""
    package, metadata = tmp_path / "queues", tmp_path / "queues-1.0.dist-info"
    package.mkdir()
    metadata.mkdir()
    (package / "__init__.py").touch()
    (package / "part.py").write_text(PART_OF_OTHERS)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: queues\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[chaosdrill.parts]\nqueue = queues.part\n")
    monkeypatch.syspath_prepend(tmp_path)
    caches = (registry._modules, registry.undo_rules, registry.variables)
    for one in caches:
        one.cache_clear()
    yield
    for one in caches:
        one.cache_clear()


def test_a_part_of_another_distribution_is_one_of_the_system(part_of_others, tmp_path):
    assert [part.name for part in parts_of(load_topology(written(tmp_path, RIGHT)))][-1] == "queue"
    assert undo_rules()["pause_queue"].undo == "resume_queue"
    found = registry.part_of_function("queues.actions.pause_queue")
    assert found is not None
    assert found.name == "queue"
    _, problems = read_settings({"queue_depth": "51"})
    assert [one.code for one in problems] == ["setting-invalid"]
    assert _cuts_off({"provider": {"module": "queues.actions", "func": "pause_queue"}})


def test_the_variables_of_the_parts_are_checked_and_converted():
    known = {"loss_percent": "30", "users": "50", "heartbeat_rate": "", "read_back_s": "2.5", "rto_s": "9"}
    assert read_settings(known)[1] == []
    assert known == {"loss_percent": 30, "users": 50, "heartbeat_rate": None, "read_back_s": 2.5, "rto_s": 9.0}
    wrong = {"loss_percent": 101, "fault_duration_s": "1.5", "spawn_rate": "", "window_s": True, "users": 0}
    problems = read_settings(dict(wrong))[1]
    assert {one.partition(":")[0] for one in problems} == set(wrong)
    assert {one.code for one in problems} == {"setting-invalid"}


def test_what_cuts_a_region_off_raises_the_rate_of_the_writes():
    faults_of = [{"provider": {"module": "chaosdrill.packet_loss.actions", "func": name}} for name in undo_rules()]
    assert [one["provider"]["func"] for one in faults_of if _cuts_off(one)] == ["isolate_region"]


def test_after_a_fault_its_part_records_the_clock_of_the_load_and_the_drop_counter(tmp_path):
    topology = written(tmp_path, RIGHT)
    part, configuration = part_of_action("inject_packet_loss"), {"topology": str(topology)}
    assert part is not None
    with drill(tmp_path) as one:
        part.note_end(system_of(configuration), configuration)
        assert one.history.events(evidence.AFTER) == [], "no fault was healed"
        one.history.append(evidence.HEALED)
        part.note_end(system_of(configuration), configuration)
        (row,) = one.history.events(evidence.AFTER)
    assert {"load_clock", "dropped", "host"} <= set(row)


def test_the_import_rule_of_the_lab_lists_every_package():
    rules = configparser.ConfigParser()
    rules.read(Path(chaosdrill.__file__).parents[1] / ".importlinter")
    listed = set(rules["importlinter:contract:lab"]["source_modules"].split())
    package = Path(chaosdrill.__file__).parent
    folders = {f"chaosdrill.{path.parent.name}" for path in package.glob("*/__init__.py")}
    modules = {f"chaosdrill.{path.stem}" for path in package.glob("*.py")} - {"chaosdrill.__init__"}
    may_know = {f"chaosdrill.{name}" for name in ("lab", "cli", "controls", "rehearsal")}
    assert listed == (folders | modules) - may_know


def test_the_times_of_the_faults_are_those_of_the_actions():
    lasting = {name: rule for name, rule in undo_rules().items() if rule.lasts_s({}) is not None}
    assert set(lasting) == {"inject_packet_loss", "isolate_region", "pause_replication"}
    for name, rule in lasting.items():
        assert rule.lasts_s({}) == inspect.signature(getattr(faults, name)).parameters["duration_s"].default
        assert (rule.lasts_s({"duration_s": "90"}), rule.lasts_s({"duration_s": []})) == (90.0, None)


def test_the_parts_of_the_placement_can_be_changed_and_waited_for(tmp_path):
    by_role = {part.role: part for part in parts_of(load_topology(written(tmp_path, RIGHT)))}
    abilities = [("gate", "set_open"), ("routing", "route_to"), ("database", "wait"), ("database", "promote")]
    abilities += [("orchestrator", "wait"), ("orchestrator", "move")]
    assert [one for one in abilities if not callable(getattr(by_role[one[0]], one[1], None))] == []


def test_each_part_reports_the_facts_that_a_rescue_decides_by():
    known = {**PLACEMENT_FACTS, **OTHER_FACTS}
    classes = [importlib.import_module(module).PART for module in BUILT_IN]
    assert {one.name: one.facts for one in classes} == {one.name: known.get(one.role, ()) for one in classes}
