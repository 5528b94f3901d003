"""The end of a drill: final reads, the verdict, the summary."""

import hashlib
import json
import time
from collections.abc import Iterable, Mapping, MutableMapping
from contextlib import suppress
from typing import Any

from chaosdrill import history
from chaosdrill.analysis import ClientOutage, Verdict, client_outage, judge, region_states
from chaosdrill.analysis.summary_fields import DRILL, summary_fields
from chaosdrill.analysis.verdict import complete, of_history
from chaosdrill.controls.broken import broken_of, note_broken
from chaosdrill.controls.evidence import collect_evidence
from chaosdrill.controls.hand_over import hand_over_undos, pay_accepted_undos
from chaosdrill.controls.judging import judged
from chaosdrill.controls.lease import give_back_lease
from chaosdrill.controls.leftovers import LeftoversRead
from chaosdrill.controls.lifecycle import Session
from chaosdrill.controls.record import in_words
from chaosdrill.controls.record_collection import take_records
from chaosdrill.controls.reporting import report_name, reported
from chaosdrill.controls.summary import summary
from chaosdrill.controls.watching import LoadWatch
from chaosdrill.errors import CannotSee, DrillError
from chaosdrill.history import to_json_safe
from chaosdrill.history.owed_undos import HANDED_OVER, owed_undos
from chaosdrill.history.run_directory import JOURNAL, SUMMARY, TIMELINE, experiment_of
from chaosdrill.history.whole_files import make_private, write_whole
from chaosdrill.messages import NOTHING, Sentence, as_it_is, sentence
from chaosdrill.parts.registry import parts_of
from chaosdrill.runs.journals import OTHER_STATUS, status_of
from chaosdrill.runs.recorded_hashes import sha256_of_text, untold_files

LAST_LOOK_WITHIN_S = 3.0


def end_drill(session: Session, journal: MutableMapping[str, Any] | None, interrupted: bool = False) -> None:
    """Judge the drill, write its summary, and release everything that was taken; a second call does nothing.

    :param journal: Chaos Toolkit's; its status is set so that the exit code is 0 for ``passed`` only.
    :param interrupted: whether Chaos Toolkit reports that the experiment was interrupted.
    """
    if session.said is None:
        session.begin_closing(interrupted)
        session.said = close(session, journal)


def close(session: Session, journal: MutableMapping[str, Any] | None) -> dict[str, Any]:
    """Close the drill.

    :param journal: Chaos Toolkit's, None when it is not available.
    :returns: the summary.
    """
    if journal is not None:
        # until the verdict is known: any failure from here on must not count as a success
        journal["status"] = OTHER_STATUS
    session.record_signals()
    if session.touched:
        _last_looks(session)
    pay_accepted_undos(session)
    session.pay_undos()
    hand_over_undos(session)
    session.lookout.stop_looking()
    leftovers = LeftoversRead(session)
    leftovers.begin()
    take_records(session, session.lookout.load_records)
    note_broken(session)
    collect_evidence(session)
    leftovers.note()
    give_back_lease(session)
    _give_up_target(session)
    outage, why_not = _outage(session)
    session.status.phase = "judging"
    found = judged(session)
    judgement = None if found is None else found[1]
    events = session.record.events
    verdict = judge(events, outage) if judgement is None else Verdict(judgement.verdict, judgement.reasons)
    details = None if judgement is None else judgement.as_json()
    said = summary(verdict, region_states(events), outage, why_not, _run(session), details)
    said["report"] = report_name(session)
    if session.directory is None:  # nothing was judged: the journal alone has the codes
        said["findings"] = [one.as_json() for one in complete(events, tuple(of_history(events)))]
    if session.directory is not None:
        documents = {SUMMARY: _written(to_json_safe(said))}
        if journal is not None:  # incomplete: Chaos Toolkit adds its end time, and writes its own
            documents[JOURNAL] = _written(_told(journal, said, session.record.hide))
        files = untold_files(session.directory, events)
        files |= {name: sha256_of_text(text) for name, text in documents.items()}
        session.record.note("drill-closed", verdict=verdict.word, reasons=verdict.reasons, files=files)
        try:
            for name, text in documents.items():
                write_whole(session.directory / name, text)
        except OSError as error:
            said |= _not_kept(session, outage, error)
        else:
            with suppress(OSError):  # a file system without modes
                make_private(session.directory)
            # the history is closed: a failure of the report does not change the verdict
            said |= reported(session, found)
    session.owed = _steps_in_force(session)
    session.give_up()
    if journal is not None:
        journal.update(_told(journal, said, session.record.hide))
    return said


def _steps_in_force(session: Session) -> tuple[str, ...]:
    """List the steps that are neither undone nor handed over, in a system that still exists."""
    if session.target is None or session.target.started_here:
        return ()  # nothing was begun, or the lab has ended with the drill
    events = session.record.events
    handed_over = {event["number"] for event in events if event["event"] == HANDED_OVER}
    return tuple(one.step for one in owed_undos(events) if one.number not in handed_over)


def _not_kept(session: Session, outage: ClientOutage | None, error: OSError) -> dict[str, Any]:
    """Return the summary of a drill whose summary cannot be written: without a record it proves nothing."""
    session.record.crashed("closing", error)
    verdict = judge(session.record.events, outage)
    why = {"report": None, "report_why": in_words(error)}
    return {"verdict": verdict.word, "reasons": list(verdict.reasons), **why}


def _written(document: Mapping[str, Any]) -> str:
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def _last_looks(session: Session) -> None:
    if session.lookout.load is not None:
        _see_load_until_its_end(session, session.lookout.load)
    if not history.target_lost():
        system = session.system
        for part in parts_of(system.topology):
            part.note_end(system, session.configuration)
    expected = session.arguments.end or session.arguments.expect
    if expected and session.lookout.region is not None and not history.target_lost():
        try:
            state = session.lookout.region.look()
        except DrillError as error:
            state = f"unknown ({error})"
        session.record.note("end-state", state=state, expected=expected)


def _see_load_until_its_end(session: Session, watch: LoadWatch) -> None:
    """Read the load until its end: records of the last requests before it was stopped may still arrive."""
    end_s = _generator_time(session, "load-stopping")
    give_up = time.monotonic() + LAST_LOOK_WITHIN_S
    try:
        watch.look()
        while end_s is not None and watch.seen_until_s < end_s and time.monotonic() < give_up:
            time.sleep(0.1)
            watch.look()
    except (CannotSee, OSError) as error:  # OSError: its records cannot be stored
        session.record.note("watch-failed", watch="load", why=in_words(error))


def _give_up_target(session: Session) -> None:
    if session.target is None:
        return
    session.status.phase = "ending the lab" if session.target.started_here else "closing"
    try:
        session.target.close()
    except DrillError as error:
        session.record.note(history.TARGET_LOST, why=str(error))


def _outage(session: Session) -> tuple[ClientOutage | None, str]:
    """Return the outage of Locust's users, or why it is unknown; record in the history how far the load was
    observed.
    """
    begin_s, end_s = _generator_time(session, "load-started"), _generator_time(session, "load-stopping")
    watch = session.lookout.load
    if watch is None or begin_s is None:
        return None, "the load was not started"
    end_s = end_s or watch.ended_s or watch.seen_until_s  # a test with a run time ends by itself
    why = _why_not_seen(session, watch, begin_s)
    times = {"since_s": begin_s, "until_s": end_s, "seen_until_s": watch.seen_until_s}
    session.record.note("load-seen", **times, why=why, sha256=_sha256_of_timeline(session))
    if why:
        return None, why
    try:
        return client_outage(watch.buckets, begin_s, end_s, watch.seen_until_s), ""
    except CannotSee as error:
        return None, str(error)


def _sha256_of_timeline(session: Session) -> str | None:
    """Return the hash of the timeline, which is complete by now; None without one."""
    path = session.directory / TIMELINE if session.directory is not None else None
    return hashlib.sha256(path.read_bytes()).hexdigest() if path is not None and path.is_file() else None


def _why_not_seen(session: Session, watch: LoadWatch, begin_s: float) -> Sentence:
    if any(row["event"] == "target-hurried" for row in session.record.events):
        return sentence("the drill was interrupted, and the lab's waits were shortened")
    if lost := _lost_under_load(session):
        return sentence(
            "the target was lost while the load ran, and what clients saw from then on proves nothing: {why}",
            why=as_it_is(lost),
        )
    if _generator_time(session, "load-stopping") is None and watch.blind:
        seen_s = max(0.0, watch.seen_until_s - begin_s)
        return sentence(
            "the load generator went away {seconds:.0f} s after the load began, and with it what clients saw",
            seconds=seen_s,
        )
    return NOTHING


def _lost_under_load(session: Session) -> str:
    """Return why the target was lost before the load was stopped; empty when it was not."""
    for row in session.record.events:
        if row["event"] == "load-stopping":
            break
        if row["event"] == history.TARGET_LOST:
            return str(row["why"])
    return ""


def _generator_time(session: Session, event: str) -> float | None:
    """Return the time of an event on the load generator's clock: the first for a start, the last for an end."""
    times = [row["generator_s"] for row in session.record.events if row["event"] == event]
    if not times:
        return None
    return float(times[0] if event == "load-started" else times[-1])


def _run(session: Session) -> Mapping[str, Any]:
    target = session.target
    experiment = experiment_of(session.directory.name) if session.directory else ""
    return {
        **summary_fields(experiment, session.record.events, DRILL),
        "run_id": session.directory.name if session.directory else None,
        "run_directory": str(session.directory) if session.directory else None,
        "title": session.experiment.get("title"),
        "target": target.kind if target else None,
        "scale": target.scale if target else None,
        "broken": broken_of(session.record.events),
        "seconds": round(time.monotonic() - session.status.started, 1),
    }


def _told(journal: Mapping[str, Any], said: Mapping[str, Any], hide: Iterable[str]) -> dict[str, Any]:
    """Return the journal without secrets, with the status that determines the exit code, ready to be written."""
    return {**to_json_safe(journal, hide), "status": status_of(said["verdict"]), "chaosdrill": to_json_safe(said, hide)}
