"""The parts of a system, as the registry lists them."""

import importlib
import inspect
import json
from collections import Counter
from pathlib import Path

from chaosdrill.packet_loss import actions as faults
from chaosdrill.parts.registry import BUILT_IN, part_of_action, parts_of, undo_rules
from chaosdrill.rescue.facts import OTHER_FACTS, PLACEMENT_FACTS
from chaosdrill.topology import load_topology
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
