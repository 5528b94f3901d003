"""The report at the end of a drill: it changes nothing of the verdict, and when there is none the last lines say so."""

from importlib import util

import pytest

from chaosdrill.controls.display import Status
from chaosdrill.controls.lifecycle import Session
from chaosdrill.controls.reporting import report_name, reported
from chaosdrill.report import build
from chaosdrill.report.last_lines import last_lines

SAID = {"verdict": "passed", "reasons": [], "region_states": [], "client_outage": {"seconds": None, "why": "no load"}}


@pytest.fixture
def session(run):
    made = Session({}, {}, {})
    made.directory = run
    yield made
    made.signals.restore()


def last_line(session, told):
    run = {"run_directory": str(session.directory), "run_id": session.directory.name, "report": report_name(session)}
    return last_lines({**SAID, **run, **told}, "en")[-2]


def test_it_is_written_and_named(session, run):
    told = reported(session)
    assert told == {}
    assert last_line(session, told) == ("report", str(run / "report.html"))
    assert (run / "report.html").read_text().startswith("<!DOCTYPE html>")
    assert isinstance(session.status, Status)
    assert session.status.phase == "writing the report"


def test_one_that_cannot_be_written_is_told_with_the_way_to_it(session, run):
    (run / "report.html").mkdir()
    told = reported(session)
    assert told["report"] is None
    label, text = last_line(session, told)
    assert label == "report"
    assert f"{run / 'report.html'}" in text
    assert text.endswith(f" `chaosdrill report {run.name}`")


def test_without_the_extra_the_last_line_says_what_to_install(session, run, monkeypatch):
    found = util.find_spec
    monkeypatch.setattr(build, "find_spec", lambda name: None if name == "plotly" else found(name))
    assert report_name(session) is None
    label, text = last_line(session, reported(session))
    assert (label, text) == (
        "report",
        "not written: the extra `report` is not installed: pip install 'jinja2>=3.1' 'plotly>=6' 'scipy>=1.13'; "
        f"then make it again with `chaosdrill report {run.name}`",
    )
    assert not (run / "report.html").exists()


def test_a_drill_without_a_run_has_none(session):
    session.directory = None
    assert (report_name(session), reported(session)) == (None, {})
