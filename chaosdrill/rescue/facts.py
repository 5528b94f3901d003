"""The facts behind the decisions of a rescue: one word per part. Pure.

Regions are named by their roles, ``home`` and ``standby``.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from chaosdrill.parts.interface import UNREADABLE, Role

Region = Literal["home", "standby"]
REGIONS: tuple[Region, Region] = ("home", "standby")

# By role: each value that the fact of a part may have besides ``unreadable``. Each role of the placement has one part.
PLACEMENT_FACTS: Mapping[Role, tuple[str, ...]] = {
    "gate": ("home-open", "standby-open", "both-open", "closed"),
    "routing": ("home", "standby", "both", "none"),
    "database": (
        "home-ready",
        "home-waiting",
        "standby-ready",
        "standby-waiting",
        "moving",
        "no-writer",
        "several-writers",
    ),
    "orchestrator": ("none", "to-home", "to-standby", "foreign"),
}
OTHER_FACTS: Mapping[Role, tuple[str, ...]] = {
    "fault": ("none", "ours", "foreign"),
    "trigger": ("off", "off-owed", "on", "on-owed"),
    "capacity": ("as-before", "lowered", "raised"),
    "client": ("none", "ours"),
}
_OPEN: Mapping[str, frozenset[Region]] = {
    "home-open": frozenset({"home"}),
    "standby-open": frozenset({"standby"}),
    "both-open": frozenset(REGIONS),
}


@dataclass(frozen=True)
class Facts:
    """The facts of a system's parts at one time.

    :param gate: which regions are open.
    :param routing: the regions to which the domain is directed.
    :param database: which region writes, and whether the writer could move to the other one now (``ready``).
    :param orchestrator: which execution runs: ``to-home`` and ``to-standby``: one that the drill started; ``foreign``:
        another one, or several.
    :param faults: by part: whether a fault is in force, and whose it is.
    :param triggers: by part: whether the automatic failover is on; ``on-owed``: it is on and must be off at the end,
        ``off-owed``: it is off and must be on at the end.
    :param capacities: by part: whether the drill changed the capacity of a region.
    :param clients: by part: whether the drill's load or heartbeat runs.
    """

    gate: str
    routing: str
    database: str
    orchestrator: str
    faults: Mapping[str, str] = field(default_factory=dict)
    triggers: Mapping[str, str] = field(default_factory=dict)
    capacities: Mapping[str, str] = field(default_factory=dict)
    clients: Mapping[str, str] = field(default_factory=dict)

    @property
    def open_regions(self) -> frozenset[Region]:
        """Regions in which the application is open, if the gate is readable."""
        return _OPEN.get(self.gate, frozenset())

    @property
    def writer(self) -> Region | None:
        """The region that writes, if there is one and the writer does not move."""
        return next((region for region in REGIONS if self.database.startswith(f"{region}-")), None)

    @property
    def is_ready(self) -> bool:
        """Whether the writer could move to the other region now."""
        return self.database.endswith("-ready")

    @property
    def is_routing_readable(self) -> bool:
        """Whether a cluster endpoint reported the routing."""
        return self.routing != UNREADABLE

    @property
    def serving(self) -> Region | None:
        """The region that is the only one open, the only one routed to, and the writer; None when there is none."""
        writer = self.writer
        served = writer is not None and self.open_regions == {writer} and self.routing == writer
        return writer if served else None

    def unreadable_parts(self) -> tuple[str, ...]:
        """Names of the unreadable parts, apart from the placement."""
        others = (self.faults, self.triggers, self.capacities, self.clients)
        return tuple(part for parts in others for part, value in parts.items() if value == UNREADABLE)


def trigger_value(is_on: bool, owed: Literal["", "on", "off"]) -> str:
    """Name the state of an automatic failover.

    :param owed: the state that it must have at the end, by its owed undo; empty: none is owed.
    """
    state = "on" if is_on else "off"
    return state if owed in ("", state) else f"{state}-owed"
