"""What the drill control refuses before anything is started. No lab is needed for that, and none may be started."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from chaosdrill.controls.exit_code import EXIT_CODES
from tests.further import first_of
from tests.small_drills import REPOSITORY, Ran, do, experiment, run, step, undo
from tests.unit.test_topology import RIGHT, written


def refused(directory: Path, what: dict[str, Any], *options: str, exit_code: int = EXIT_CODES["refused"]) -> Ran:
    home = directory / "home"
    ran = run(directory, what, *options, CHAOSDRILL_HOME=str(home))
    assert ran.exit_code == exit_code, ran.stderr
    assert ran.steps == []
    assert not (home / "lab").exists()
    assert not (home / "runs").exists()
    return ran


def codes(ran: Ran) -> list[str]:
    """The codes of the refusal, as the journal has them."""
    return [code for one in ran.journal["chaosdrill"]["findings"] for code in one.get("codes", ())]


GUARD = {"frequency": 1, **step("probe", "guard", "answer", 1, value=1)}
MISSPELT = [
    ({"setup": [step("action", "x", "doo")]}, "does not expose a function called 'doo'"),
    ({"setup": [step("action", "x", "do", whatt="y")]}, "whatt|what"),
    ({"setup": [{**do("x"), "provider": {"type": "python", "module": "no.such", "func": "f"}}]}, "'no.such'"),
    ({"safeguards": [{**GUARD, **step("probe", "guard", "answer", 1, valu=1)}]}, "valu"),
    ({"safeguards": [step("action", "guard", "do", what="x")]}, "guard: has no tolerance"),
    ({"safeguards": [{**GUARD, "frequency": "often"}]}, "frequency is 'often'"),
    ({"safeguards": [{**GUARD, "tolerance": 0.5}]}, "tolerance must either be"),
    ({"setup": [step("action", "x", "wait", seconds="five")]}, "argument seconds: 'five': must be a number"),
    ({"expects": "moving"}, "control argument expects: there is none of that name; there are expect, end, setup"),
    ({"objectives": {"rpo": 0}}, "objectives: rpo: there is only rto_s"),
]


@pytest.mark.long
@pytest.mark.parametrize(("control", "message"), first_of(MISSPELT))
@pytest.mark.parametrize("options", [(), pytest.param(("--no-validation",), marks=pytest.mark.long)])
def test_a_misspelt_control_is_named_and_nothing_is_started(
    tmp_path: Path, control: dict[str, Any], message: str, options: tuple[str, ...]
) -> None:
    ran = refused(tmp_path, experiment([do("work")], [undo("unwork", "work")], control=control), *options)
    assert any(part in ran.stderr.replace("\n    ", " ") for part in message.split("|")), ran.stderr


@pytest.mark.long
@pytest.mark.parametrize(
    ("module", "named"),
    first_of(
        [
            ("chaosdrill.controls.dril", "chaosdrill.controls.dril"),
            ("chaosdrill.control.drill", "chaosdrill.control"),
            ("chaosdril.controls.drill", "chaosdril"),
        ]
    ),
)
def test_a_misspelt_control_module_is_named_once_and_nothing_is_run(tmp_path: Path, module: str, named: str) -> None:
    """Chaos Toolkit alone would go on without the control."""
    ours = {"type": "python", "module": "chaosdrill.region.probes", "func": "region_state"}
    what = experiment([do("work"), {"type": "probe", "name": "state", "provider": ours}], [undo("unwork", "work")])
    what["controls"][0]["provider"]["module"] = module
    ran = refused(tmp_path, what, exit_code=1)  # the control, which would set the exit code, is not there
    problems = [line for line in ran.stderr.splitlines() if "ERROR" in line or "WARNING" in line or "CRITICAL" in line]
    assert len(problems) == 1, ran.stderr
    assert f"there is no module '{named}': correct the name in the experiment." in problems[0]
    assert "The drill control is chaosdrill.controls.drill" in problems[0]


@pytest.mark.long
def test_without_validation_a_misspelt_control_module_is_one_message_and_no_traceback(tmp_path: Path) -> None:
    ours = {"type": "python", "module": "chaosdrill.region.probes", "func": "region_state"}
    what = experiment([{"type": "probe", "name": "state", "provider": ours}])
    what["controls"][0]["provider"]["module"] = "chaosdrill.controls.dril"
    ran = run(tmp_path, what, "--no-validation", "--rollback-strategy", "always")
    assert ran.exit_code == 1
    assert "Traceback" not in ran.stderr
    told = [line for line in ran.stderr.splitlines() if line.startswith("Error: there is no module")]
    assert len(told) == 1, ran.stderr
    assert "'chaosdrill.controls.dril': correct the name in the experiment" in told[0]


@pytest.mark.long
@pytest.mark.parametrize(
    ("journal", "why"),
    first_of([("no/such/journal.json", "there is no directory"), ("there", "that is a directory")]),
)
def test_a_journal_that_could_not_be_written_is_told_before_and_not_after_the_drill(
    tmp_path: Path, journal: str, why: str
) -> None:
    (tmp_path / "there").mkdir()
    ran = run(tmp_path, experiment([do("work")]), "--journal-path", journal, CHAOSDRILL_HOME=str(tmp_path / "home"))
    assert f"--journal-path {journal}: {why}" in ran.stderr
    assert ran.steps == []


UNHEARD = [
    ([undo("unwork", "wrok")], {}, "unwork: no step of setup or method has the name 'wrok'"),
    ([step("action", "unwork", "undo", what="x")], {}, "unwork: names no step that it undoes"),
    ([], {"automatic": False}, "automatic: remove it"),
    ([], {"scope": "before"}, "scope: remove it"),
]


@pytest.mark.long
@pytest.mark.parametrize(("rollbacks", "control", "message"), first_of(UNHEARD))
def test_what_could_not_be_undone_or_heard_of_is_refused(
    tmp_path: Path, rollbacks: list[Any], control: dict[str, Any], message: str
) -> None:
    what = experiment([do("work")], rollbacks)
    what["controls"][0].update(control)
    assert message in refused(tmp_path, what, "--no-validation").stderr.replace("\n    ", " ")


@pytest.mark.parametrize("strategy", first_of(["default", "deviated", "never"]))
def test_a_strategy_of_the_command_line_that_leaves_things_undone_is_refused(tmp_path: Path, strategy: str) -> None:
    what = experiment([do("work")], [undo("unwork", "work")])
    ran = refused(tmp_path, what, "--rollback-strategy", strategy)
    assert (ran.verdict, codes(ran)) == ("refused", ["rollbacks-not-always"])


def process(name: str, *command: str) -> dict[str, Any]:
    return {
        "type": "probe",
        "name": name,
        "provider": {"type": "process", "path": (command or ("true",))[0], "arguments": list(command[1:])},
    }


@pytest.mark.long
@pytest.mark.parametrize(
    ("declared", "variables", "named"),
    first_of(
        [
            (process("where-to", "sh", "-c", "exit 3"), {}, "where-to"),
            (process("where-to", "true"), {}, "where-to"),  # prints nothing
            (
                {"type": "probe", "name": "no-such", "provider": {"type": "python", "module": "no", "func": "no"}},
                {},
                "no-such",
            ),
            ({"type": "env", "key": "WHERE_TO", "default": "lab"}, {"WHERE_TO": ""}, "WHERE_TO"),
            ({"type": "vault", "path": "drill/target"}, {}, "drill/target"),
        ]
    ),
)
def test_a_declared_value_that_is_not_there_is_refused_with_its_source(
    tmp_path: Path, declared: dict[str, Any], variables: dict[str, str], named: str
) -> None:
    """Chaos Toolkit goes on without the key, and the drill would run on the lab."""
    what = experiment([do("work")], configuration={"scale": 0.1, "target": declared})
    ran = run(tmp_path, what, CHAOSDRILL_HOME=str(tmp_path / "home"), **variables)
    assert (ran.exit_code, ran.verdict, ran.steps) == (5, "refused", [])
    assert not (tmp_path / "home").exists()
    assert "value-missing" in codes(ran)
    assert named in ran.said("why")


@pytest.mark.long
def test_a_value_that_is_there_is_taken(tmp_path: Path) -> None:
    values = {
        "target": process("where-to", "echo", "moon"),
        "approver": {"type": "env", "key": "NOT_SET", "default": ""},
    }
    assert codes(refused(tmp_path, experiment([do("work")], configuration=values))) == ["setting-invalid"]


def test_everything_wrong_is_said_at_once(tmp_path: Path) -> None:
    configuration = {"target": "moon", "scale": 0.001, "users": "many", "locustfile": "no-such.py"}
    what = experiment([do("${whom}")], [do("back")], configuration=configuration, runtime={})
    ran = refused(tmp_path, what, "--var", "user:int=3", "--var", "users=few")
    assert ran.verdict == "refused"
    for text in (
        "target: 'moon' is neither lab nor aws",
        "scale: 0.001 is not a number from 0.01667 to 10",
        "users: 'few' is not a whole number from 1 to 100000",
        f"locustfile: there is no file {tmp_path / 'no-such.py'}",
        "${whom}: not declared",
        "runtime: rollbacks: strategy is None: write `always`",
        "--var user: the experiment declares no such variable; it declares: locustfile, scale, target, users",
    ):
        assert text in ran.why, text
        assert text in ran.stderr, text
    assert ran.journal["status"] == "aborted"
    assert ran.journal["rollbacks"] == []


@pytest.mark.long
def test_aws_needs_a_topology_a_ticket_and_real_times(tmp_path: Path) -> None:
    ran = refused(tmp_path, experiment([do("work")]), "--var", "target=aws")
    assert "topology: target aws needs the file that names its parts" in ran.why
    assert "change_ticket: needed on target aws" in ran.why
    assert "scale: a real system cannot be scaled" in ran.why


def test_a_real_system_is_not_drilled_before_somebody_has_confirmed_its_rehearsal(tmp_path: Path) -> None:
    """A topology that changed after it was confirmed counts as another one: see test_rehearsal."""
    written(tmp_path, RIGHT)
    given = {"target": "aws", "topology": "topology.yaml", "change_ticket": "CHG-1"}
    ran = refused(tmp_path, experiment([do("work")], [undo("unwork", "work")], configuration=given))
    assert ran.verdict == "refused"
    assert "nobody has confirmed a rehearsal on the topology" in ran.stdout
    assert "--confirm ACCOUNT" in ran.stderr


def test_chaos_validate_names_a_misspelt_control(tmp_path: Path) -> None:
    what = experiment([do("work")], control={"setup": [step("action", "x", "doo")], "expects": "moving"})
    (tmp_path / "try-it.yaml").write_text(yaml.safe_dump(what))
    done = subprocess.run(
        [sys.executable, "-m", "chaostoolkit", "--no-version-check", "validate", "try-it.yaml"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "control argument expects: there is none of that name" in done.stderr
    assert "does not expose a function called 'doo'" in done.stderr
