"""Where the drill runs: the embedded lab, or the system that a topology file names."""

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chaosdrill.controls.settings import Settings
from chaosdrill.errors import BadInput, problem

LAB_LENIENT = "CHAOSDRILL_LAB_LENIENT"  # in what the lab is more forgiving than AWS: NAME,NAME...
LAB_RESYNC_S = "CHAOSDRILL_LAB_RESYNC_S"  # how long its database's old primary is rebuilt, the reference's seconds
LAB_BREAK = "CHAOSDRILL_LAB_BREAK"  # how the lab is broken on purpose: NAME[:option=value],NAME...


@dataclass(frozen=True)
class Target:
    """What is drilled.

    :param kind: lab or aws.
    :param topology: the file that names its parts.
    :param scale: what waits are multiplied by; 1 on aws.
    :param started_here: whether this drill started it.
    :param close: gives it up; a lab that nobody else uses ends.
    :param gone: why it is there no more; empty while it is.
    :param lenient: in what a lab is more forgiving than AWS, by name; empty on aws.
    :param broken: how it was broken on purpose, by now; it is never taken for a clean one then.
    :param hurry: shortens its waits for the rest of an interrupted drill, where that spoils nothing for anybody else;
        tells whether it did.
    :param load_records: where a Locust that is a part of it keeps its rows on this machine; None: not on this machine.
    :param truth: what its databases themselves say of every transaction; None where nobody can ask them.
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


def open_target(settings: Settings, tell: Callable[[str], None], serving: str = "", run_id: str = "") -> Target:
    """Find the target, or start it.

    :param tell: is told what is being done.
    :param serving: the region that serves first in a lab that is started for this drill; empty: home. Nothing that is
        there already is changed.
    :param run_id: of the drill, which whoever wants to end the lab is told.
    :returns: it, ready.
    :raises DrillError: when it cannot be had; then nothing of it remains.
    """
    if settings.topology is not None:
        return Target(
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
    return Target("lab", *known, lab.close, lab.gone, broken, hurry, lab.truth, records)


def _seconds_of_environment(variable: str) -> float | None:
    text = os.environ.get(variable, "").strip()
    try:
        return float(text) if text else None
    except ValueError:
        why = f"the environment variable {variable} is {text!r}: give a number of seconds"
        raise BadInput([problem("setting-invalid", why)]) from None
