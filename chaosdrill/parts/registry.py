"""The registry of all parts, and which of them a topology has.

The parts of this package are listed here; further ones come from entry points of the group ``chaosdrill.parts``. Each
entry is a module with a function ``part_of(topology)`` that returns the part, or None where the topology does not have
it, and a constant ``PART`` with its class, which is constructed without arguments. The module is in the package that
holds the part's actions.
"""

import importlib
from collections.abc import Mapping
from functools import cache
from importlib.metadata import entry_points
from types import ModuleType

from chaosdrill.parts.interface import Part, UndoRule, VariableRange
from chaosdrill.topology import Topology

GROUP = "chaosdrill.parts"
BUILT_IN: tuple[str, ...] = (  # modules, in the order of a drill's table
    "chaosdrill.stop_flag.part",
    "chaosdrill.routing.part",
    "chaosdrill.database.part",
    "chaosdrill.failover.part",
    "chaosdrill.automatic_failover.part",
    "chaosdrill.service.part",
    "chaosdrill.dns.part",
    "chaosdrill.packet_loss.part",
    "chaosdrill.load.part",
    "chaosdrill.heartbeat.part",
)


def parts_of(topology: Topology) -> tuple[Part, ...]:
    """List the parts that a topology has, in the order of a drill's table."""
    found = (module.part_of(topology) for module in _modules())
    return tuple(part for part in found if part is not None)


def lease_keys(topology: Topology) -> tuple[str, ...]:
    """List the keys of what a lease on the system covers: the resources of its parts, in each of its accounts."""
    resources = (resource for part in parts_of(topology) for resource in part.resources(topology))
    return tuple(sorted({resource.key(account) for resource in resources for account in topology.accounts}))


@cache
def undo_rules() -> Mapping[str, UndoRule]:
    """Map each action that has an undo to its rule, by the function's name."""
    return {rule.action: rule for module in _modules() for rule in module.PART.undo_rules}


@cache
def variables() -> Mapping[str, VariableRange]:
    """Map each variable of an experiment that a part declares to its valid values."""
    return {name: valid for module in _modules() for name, valid in module.PART.variables.items()}


def part_of_action(action: str, module: str = "") -> Part | None:
    """Find the part that has a rule for an action.

    :param action: the function's name.
    :param module: the module of the function, which must be in the part's package; empty: any part.
    """
    for one in _modules():
        package = one.__name__.rpartition(".")[0]
        if module and not module.startswith(f"{package}."):
            continue
        if any(rule.action == action for rule in one.PART.undo_rules):
            part: Part = one.PART()
            return part
    return None


def part_of_function(function: str) -> Part | None:
    """Find the part in whose package a function is.

    :param function: its dotted name, such as ``chaosdrill.routing.actions.set_routing``.
    """
    for one in _modules():
        if function.startswith(f"{one.__name__.rpartition('.')[0]}."):
            part: Part = one.PART()
            return part
    return None


@cache
def _modules() -> tuple[ModuleType, ...]:
    entries = sorted(entry_points(group=GROUP), key=lambda entry: entry.name)
    return (*map(importlib.import_module, BUILT_IN), *(entry.load() for entry in entries))
