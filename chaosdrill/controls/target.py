"""The target of a drill: the embedded lab, or the system that a topology file names."""

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chaosdrill.controls.settings import Settings
from chaosdrill.errors import BadInput, problem

LAB_LENIENT = "CHAOSDRILL_LAB_LENIENT"  # where the lab is more lenient than AWS: NAME,NAME...
# how long the old primary of its database is rebuilt, in seconds before scaling
LAB_RESYNC_S = "CHAOSDRILL_LAB_RESYNC_S"
LAB_BREAK = "CHAOSDRILL_LAB_BREAK"  # how the lab is broken on purpose: NAME[:option=value],NAME...


@dataclass(frozen=True)
class DrillTarget:
    """The target of a drill.

    :param kind: lab or aws.
    :param topology: the file that names its parts.
    :param scale: multiplies waits; 1 on aws.
    :param started_here: whether this drill started it.
    :param close: releases it; a lab without other users ends.
    :param gone: why it no longer exists; empty while it does.
    :param lenient: where a lab is more lenient than AWS, by name; empty on aws.
    :param broken: how it is broken on purpose by now; its runs then never count as those of an intact lab.
    :param hurry: shortens its waits for the rest of an interrupted drill, unless other users are affected; returns
        whether it did.
    :param load_records: where a Locust that belongs to it stores its rows on this machine; None: not on this machine.
    :param truth: returns the databases' own record of every transaction; None where it cannot be read.
    """

    kind: str
    topology: Path
    scale: float
    started_here: bool
    lenient: tuple[str, ...]
    close: Callable[[], None]
    gone: Callable[[], str]
    broken: Callable[[], Sequence[str]]
    hurry: Callable[[], bool]
    truth: Callable[[], Mapping[str, Any] | None]
    load_records: Path | None = None


def open_target(settings: Settings, tell: Callable[[str], None], serving: str = "", run_id: str = "") -> DrillTarget:
    """Find the target, or start it.

    :param tell: called with each progress message.
    :param serving: the region that serves first in a lab that is started for this drill; empty: home. An existing
        target is not changed.
    :param run_id: of the drill, which is shown to anyone who wants to end the lab.
    :returns: the target, ready.
    :raises DrillError: when it is not available; no part of it is left then.
    """
    if settings.topology is not None:
        return DrillTarget(
            "aws", settings.topology, 1.0, False, (), lambda: None, lambda: "", tuple, lambda: False, lambda: None
        )
    from chaosdrill.lab import host  # on aws the lab need not be installed

    opened_ns = time.time_ns()
    breaks, lenient = (os.environ.get(name, "").split(",") for name in (LAB_BREAK, LAB_LENIENT))
    holder = f"the drill {run_id} (process {os.getpid()})"
    lab = host.attach_or_start(
        settings.scale,
        settings.locustfile,
        tell=tell,
        starts_in=serving,
        broken=breaks,
        holder=holder,
        lenient=lenient,
        resync_s=_seconds_of_environment(LAB_RESYNC_S),
    )

    def hurry() -> bool:
        if lab.started_here:
            lab.hurry()
        return lab.started_here

    def broken() -> Sequence[str]:
        return lab.broken(opened_ns)

    known = (lab.topology_file, lab.scale, lab.started_here, lab.lenient)
    records = lab.plan.directory / "records"
    return DrillTarget("lab", *known, lab.close, lab.gone, broken, hurry, lab.truth, records)


def _seconds_of_environment(variable: str) -> float | None:
    text = os.environ.get(variable, "").strip()
    try:
        return float(text) if text else None
    except ValueError:
        why = f"the environment variable {variable} is {text!r}: give a number of seconds"
        raise BadInput([problem("setting-invalid", why)]) from None
