"""The start of a drill: all checks, locks and leases come before the first change, then the setup runs."""

import logging
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from chaoslib.activity import execute_activity

from chaosdrill import history
from chaosdrill.analysis.states import state_in_words
from chaosdrill.aws import system_of
from chaosdrill.client.heartbeat import DrillHeartbeat
from chaosdrill.client.heartbeat_records import RECORDS
from chaosdrill.client.load_generator import DrillLoad
from chaosdrill.client.locust_page import PASSWORD as LOCUST_PASSWORD
from chaosdrill.controls.broken import note_broken
from chaosdrill.controls.chaosaws_environment import configure_chaosaws
from chaosdrill.controls.confirmation import require_confirmed
from chaosdrill.controls.experiment import (
    ExperimentSource,
    find_source,
    keep_copy,
    keep_topology,
    lab_topology_hash,
    planned,
    transitions,
)
from chaosdrill.controls.experiment_checks import check_experiment, check_topology
from chaosdrill.controls.fitness import require_fit
from chaosdrill.controls.lease import take_lease
from chaosdrill.controls.left_in_force import notes_about_dead_runs, refuse_beside_dead_run
from chaosdrill.controls.lifecycle import Session
from chaosdrill.controls.lock import take_lock
from chaosdrill.controls.progress import planned_steps
from chaosdrill.controls.provenance import origin, versions
from chaosdrill.controls.rollback_validation import undone_steps
from chaosdrill.controls.settings import Settings
from chaosdrill.controls.stop_conditions import COLLECT_EVERY_S, watch_stop_conditions
from chaosdrill.controls.target import open_target
from chaosdrill.controls.watching import RegionWatch
from chaosdrill.coordination import coordination_of
from chaosdrill.errors import Refused
from chaosdrill.history.run_directory import HISTORY, OCCURRENCE_VARIABLE, TIMELINE, make_run_directory
from chaosdrill.messages import as_it_is, sentence, together
from chaosdrill.paths import RUNS_VARIABLE, ensure_directory, runs_directory
from chaosdrill.runs.rebuilding import rebuild_journals
from chaosdrill.topology import load_topology

logger = logging.getLogger("chaostoolkit")

READABLE_WITHIN_S = 5.0


def open_drill(session: Session) -> None:
    """Check everything, take lock, target and lease, and run the setup.

    :raises DrillError: when the drill must not start; nothing was changed then.
    :raises InterruptExecution: when a step of the setup failed.
    """
    session.signals.install()
    _keep_secrets(session)
    source = find_source()
    checked = check_experiment(session.experiment, session.configuration, session.secrets, source)
    settings, session.arguments = checked.settings, checked.arguments
    rehearsal = _confirmed_rehearsal(session, settings)
    session.held.callback(os.close, take_lock(settings.topology))
    _open_run_directory(session, settings, source)
    if rehearsal is not None:
        told = {name: value for name, value in rehearsal.items() if name != "at"}
        session.record.note("rehearsal-confirmed", confirmed_at=rehearsal["at"], **told)
    session.lookout.show_status(session.notice_signals)
    watch = _open_target(session, settings)
    state = _region_state(session, watch)
    take_lease(session, source.name, state_in_words(state), session.stop_requested, session.lease_lost)
    _require_expected_state(session, watch, state)
    session.recheck = require_fit(session, source.name)
    session.stop_conditions = watch_stop_conditions(session, session.system, source.name, session.safeguard_tripped)
    _run_setup(session)


def _confirmed_rehearsal(session: Session, settings: Settings) -> Mapping[str, Any] | None:
    """Read who confirmed the rehearsal on a real system; the lab needs none.

    :raises Refused: when it is not confirmed.
    """
    if settings.topology is None:
        return None
    system = system_of({**session.configuration, "topology": str(settings.topology)}, session.secrets)
    return require_confirmed(settings.topology, coordination_of(system) if system.topology.coordination else None)


def _keep_secrets(session: Session) -> None:
    history.register_secret(*history.secret_texts(session.secrets), os.environ.get(LOCUST_PASSWORD))
    history.register_secret(*history.secrets_within([session.experiment, session.configuration]))
    history.keep_secrets_of_environment()
    history.keep_secrets_out_of(logger)


def _open_run_directory(session: Session, settings: Settings, source: ExperimentSource) -> None:
    runs = ensure_directory(runs_directory(), RUNS_VARIABLE)
    _end_what_died(runs)
    directory = session.directory = make_run_directory(runs, source.name)
    events = session.record.open(directory / HISTORY, history.secret_texts(session.secrets))
    session.held.callback(events.close)
    session.held.enter_context(history.opened(history.OpenDrill(directory.name, directory, events)))
    dry = session.experiment.get("dry")
    session.record.note(
        "drill-opened",
        run_id=directory.name,
        experiment=source.name,
        title=session.experiment.get("title"),
        versions=versions(),
        experiment_sha256=keep_copy(source, session.experiment, directory),
        configuration=dict(session.configuration),
        target=settings.target,
        change_ticket=settings.change_ticket,
        approver=settings.approver,
        origin=origin(source.path),
        expect=session.arguments.expect,
        objectives=dict(session.arguments.objectives or {}),
        planned=planned(session.experiment, session.arguments.setup),
        undoes=undone_steps(session.experiment, session.configuration, session.secrets),
        transitions=transitions(session.experiment, session.arguments.setup),
        dry=getattr(dry, "value", dry),
        **({"occurrence": occurrence} if (occurrence := os.environ.get(OCCURRENCE_VARIABLE)) else {}),
    )
    logger.info(f"Run directory: {directory}")


def _end_what_died(runs: Path) -> None:
    """Rebuild the journals of drills that were killed. A failure does not affect this drill."""
    try:
        for name in rebuild_journals(runs):
            logger.info(f"The drill {name} died: its journal was made, `chaosdrill runs judge {name}` says the rest")
    except Exception as error:  # noqa: BLE001 - an old run must not keep a drill from starting
        logger.warning(f"the journals of drills that died were not made: {error}")


def _open_target(session: Session, settings: Settings) -> RegionWatch:
    assert session.directory is not None
    session.status.phase = "starting the lab" if settings.topology is None else "opening the target"
    # a lab that this drill starts begins with that region serving
    serving = session.arguments.expect.removeprefix("serving(").removesuffix(")")
    tell: Callable[[str], None] = lambda text: logger.info(text[:1].upper() + text[1:])  # noqa: E731
    target = session.target = open_target(settings, tell, serving, session.directory.name)
    session.configuration["topology"] = str(target.topology)
    session.configuration["scale"] = session.status.scale = target.scale
    topology = load_topology(target.topology)
    check_topology(session.experiment, session.arguments, session.configuration, topology, session.secrets)
    session.held.callback(configure_chaosaws(topology, session.configuration))
    _require_allowed_account(session)
    told: dict[str, Any] = {"target": target.kind, "scale": target.scale, "started_here": target.started_here}
    told["home"], told["domain"] = topology.regions.home, topology.domain
    told["topology_sha256"] = keep_topology(target.topology, session.directory)
    if target.kind == "lab":
        told["topology_content_sha256"] = lab_topology_hash(target.topology)
        told["lenient"] = list(target.lenient)
    session.record.note("target-opened", **told)
    note_broken(session)
    session.lookout.watch_target(target.gone, session.target_lost)
    watch = session.lookout.watch_region(dict(session.configuration), session.secrets)
    load = DrillLoad(dict(session.configuration), session.secrets, target.load_records)
    session.held.callback(load.end)
    session.lookout.watch_load(load.find, session.directory / TIMELINE)
    session.lookout.watch_load_records(load.find, session.directory / RECORDS)
    heartbeat = session.heartbeat = DrillHeartbeat(dict(session.configuration))
    session.held.callback(heartbeat.end)
    counts_outages = "unavailable_s" in (session.arguments.stop_when or {})
    session.lookout.watch_heartbeat(heartbeat.find, *([COLLECT_EVERY_S] if counts_outages else []))
    session.planned = planned_steps(session.experiment, session.arguments.setup, session.configuration)
    session.lookout.watch_progress(session.planned, session.directory, target.kind)
    return watch


def _region_state(session: Session, watch: RegionWatch) -> str:
    """Read the region state, after a check that no fault and no load of a dead drill is in force.

    :raises Refused: when one is (``left-in-force``).
    """
    session.status.phase = "preflight"
    give_up = time.monotonic() + READABLE_WITHIN_S
    while (state := watch.look()) == "unknown" and time.monotonic() < give_up:
        time.sleep(0.2)
    now = state_in_words(state)
    refuse_beside_dead_run(runs_directory(), session.record.events, session.configuration, session.secrets, now)
    return state


def _require_expected_state(session: Session, watch: RegionWatch, state: str) -> None:
    expected, now = session.arguments.expect, state_in_words(state)
    if expected and state != expected:
        why = sentence(
            "the region state is {state}, expected {expected}: nothing was touched",
            state=now,
            expected=state_in_words(expected),
        )
        notes = notes_about_dead_runs(runs_directory(), session.record.events, now)
        raise Refused(together([why, *map(as_it_is, watch.unreadable), *notes]), code="region-state-unexpected")


def _require_allowed_account(session: Session) -> None:
    system = session.system
    if (account := system.account()) not in system.topology.accounts:
        raise Refused(
            sentence(
                "the credentials ({reach}) belong to account {account}, and the topology allows only {allowed}: use "
                "the right profile, or add the account under `accounts:`",
                reach=str(system.reach),
                account=account,
                allowed=list(system.topology.accounts),
            ),
            code="account-not-allowed",
        )


def _run_setup(session: Session) -> None:
    session.enter("setup")
    for activity in session.arguments.setup:
        session.touched = True
        dry = session.experiment.get("dry")
        execute_activity(session.experiment, activity, session.configuration, session.secrets, dry)
