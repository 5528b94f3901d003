"""What the parts of the control share about the drill in progress. ``lifecycle`` and ``startup`` fill it in."""

from collections.abc import Mapping, MutableMapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from chaosdrill.aws import System, system_of
from chaosdrill.client.heartbeat import DrillHeartbeat
from chaosdrill.controls.arguments import Arguments
from chaosdrill.controls.display import Status
from chaosdrill.controls.record import DrillRecord
from chaosdrill.controls.target import DrillTarget


class DrillContext:
    """The facts of one drill.

    :ivar experiment: as Chaos Toolkit has loaded it, with its ``configuration`` and ``secrets``.
    :ivar arguments: of the drill control.
    :ivar status: the stage and the step, for the display.
    :ivar record: writes the history.
    :ivar directory: of the run; None before it is made.
    :ivar target: AWS or the lab; None before it is opened.
    :ivar heartbeat: None before the target is opened.
    :ivar held: what is released at the end.
    :ivar lease: releases the lease; empty while none is held.
    :ivar touched: whether there may be anything to roll back.
    """

    def __init__(self, experiment: Mapping[str, Any], configuration: MutableMapping[str, Any], secrets: Any) -> None:
        self.experiment, self.configuration, self.secrets = experiment, configuration, secrets
        self.arguments = Arguments()
        self.status = Status()
        self.record = DrillRecord()
        self.directory: Path | None = None
        self.target: DrillTarget | None = None
        self.heartbeat: DrillHeartbeat | None = None
        self.held = ExitStack()
        self.lease = ExitStack()
        self.touched = False

    @property
    def system(self) -> System:
        """The system that is drilled, by the topology in the configuration."""
        return system_of(self.configuration, self.secrets)
