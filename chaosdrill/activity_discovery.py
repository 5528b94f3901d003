"""The result of Chaos Toolkit's discovery for this extension: every activity, with precise types.

Chaos Toolkit reports every ``Optional[...]`` and ``dict[...]`` as an "object"; here they get the type that a user would
write.
"""

import importlib.util
import types
import typing
from typing import Any, Union

from chaoslib.discovery.discover import discover_activities, initialize_discovery_result, portable_type_name
from chaoslib.types import DiscoveredActivities, Discovery

from chaosdrill import __version__

ACTIONS = (
    *("load", "heartbeat", "packet_loss", "stop_flag", "routing", "database", "failover", "automatic_failover"),
    "service",
)
PROBES = (
    *(
        "load",
        "heartbeat",
        "dns",
        "packet_loss",
        "stop_flag",
        "routing",
        "database",
        "failover",
        "automatic_failover",
        "service",
    ),
    "region",
)
CONTROLS = ("drill",)


def discovered() -> Discovery:
    """Return the whole discovery; see :func:`chaosdrill.discover`."""
    discovery = initialize_discovery_result("chaosdrill", __version__, "chaosdrill")
    for module, kind in modules():
        if importlib.util.find_spec(module) is not None:
            discovery["activities"].extend(_typed(activity) for activity in discover_activities(module, kind))
    return discovery


def modules() -> list[tuple[str, str]]:
    """Return each module with activities or controls, and its kind: action, probe or control."""
    return [
        *((f"chaosdrill.{part}.actions", "action") for part in ACTIONS),
        *((f"chaosdrill.{part}.probes", "probe") for part in PROBES),
        *((f"chaosdrill.controls.{control}", "control") for control in CONTROLS),
    ]


def _typed(activity: DiscoveredActivities) -> DiscoveredActivities:
    hints = typing.get_type_hints(getattr(importlib.import_module(activity["mod"]), activity["name"]))
    for argument in activity["arguments"]:
        if argument["name"] in hints:
            argument["type"] = type_name(hints[argument["name"]])
    if "return" in hints:
        activity["return_type"] = type_name(hints["return"])
    return activity


def type_name(hint: Any) -> str:
    """Return the portable name of a type: for a union, that of its first member; for a generic type, that of its
    container.
    """
    origin = typing.get_origin(hint)
    if origin in (Union, types.UnionType):
        inner = [one for one in typing.get_args(hint) if one is not type(None)]
        return type_name(inner[0])
    if hint is type(None):
        return "null"
    if isinstance(origin, type):
        return next(
            (portable_type_name(kind) for kind in (dict, list, set, tuple) if issubclass(kind, origin)), "object"
        )
    return str(portable_type_name(hint))
