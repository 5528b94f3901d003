"""The drill control for drills without a lab: on an AWS endpoint that runs already, named by ``DRILLED_TOPOLOGY``.

The lock, the lease, the preflight and the watch over the region and the load are left out.
"""

import os
from typing import Any

from chaosdrill.client.heartbeat import DrillHeartbeat
from chaosdrill.controls import drill
from chaosdrill.controls.arguments import Arguments
from chaosdrill.controls.drill import *  # noqa: F403 - the hooks
from chaosdrill.controls.experiment import ExperimentSource
from chaosdrill.controls.lifecycle import Session
from chaosdrill.controls.settings import Settings
from chaosdrill.controls.startup import _open_run_directory, _run_setup
from chaosdrill.controls.stop_conditions import COLLECT_EVERY_S, watch_stop_conditions


def _open_drill(session: Session) -> None:
    session.signals.install()
    written: Any = session.experiment["controls"][0]["provider"]["arguments"]
    session.arguments = Arguments(**written)
    session.configuration["topology"] = os.environ["DRILLED_TOPOLOGY"]
    source = ExperimentSource(None, "try-it", ())
    _open_run_directory(session, Settings("lab", 0.1, None, "", "", ""), source)
    session.lookout.show_status(session.notice_signals)
    heartbeat = session.heartbeat = DrillHeartbeat(dict(session.configuration))
    session.held.callback(heartbeat.end)
    session.lookout.watch_heartbeat(heartbeat.find, COLLECT_EVERY_S)
    session.stop_conditions = watch_stop_conditions(session, session.system, source.name, session.safeguard_tripped)
    _run_setup(session)


drill.open_drill = _open_drill
