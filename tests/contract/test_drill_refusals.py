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
from tests.small_drills import REPOSITORY, Ran, do, error_codes, experiment, run, step, undo
from tests.unit.test_topology import RIGHT, written


def refused(directory: Path, what: dict[str, Any], *options: str, exit_code: int = EXIT_CODES["refused"]) -> Ran:
    home = directory / "home"
    ran = run(directory, what, *options, CHAOSDRILL_HOME=str(home))
    assert ran.exit_code == exit_code, ran.stderr
    assert ran.steps == []
    assert not (home / "lab").exists()
    assert not (home / "runs").exists()
    return ran


GUARD = {"frequency": 1, **step("probe", "guard", "answer", 1, value=1)}
MISSPELT = [
    ({"setup": [step("action", "x", "doo")]}, "'doo'", ["activity-invalid"]),
    ({"setup": [step("action", "x", "do", whatt="y")]}, "whatt", ["argument-unknown", "argument-missing"]),
    (
        {"setup": [{**do("x"), "provider": {"type": "python", "module": "no.such", "func": "f"}}]},
        "'no.such'",
        ["activity-invalid"],
    ),
    (
        {"safeguards": [{**GUARD, **step("probe", "guard", "answer", 1, valu=1)}]},
        "valu",
        ["argument-unknown", "argument-missing"],
    ),
    ({"safeguards": [step("action", "guard", "do", what="x")]}, "guard", ["safeguard-invalid"] * 2),
    ({"safeguards": [{**GUARD, "frequency": "often"}]}, "'often'", ["safeguard-invalid"]),
    ({"safeguards": [{**GUARD, "tolerance": 0.5}]}, "0.5", ["tolerance-invalid"]),
    ({"setup": [step("action", "x", "wait", seconds="five")]}, "'five'", ["argument-invalid"]),
    ({"expects": "moving"}, "expects", ["control-argument-unknown"]),
    ({"objectives": {"rpo": 0}}, "rpo", ["objective-invalid"]),
]


@pytest.mark.long
@pytest.mark.parametrize(("control", "named", "why"), first_of(MISSPELT))
@pytest.mark.parametrize("options", [(), pytest.param(("--no-validation",), marks=pytest.mark.long)])
def test_a_misspelt_control_is_named_and_nothing_is_started(
    tmp_path: Path, control: dict[str, Any], named: str, why: list[str], options: tuple[str, ...]
) -> None:
    """Only without Chaos Toolkit's validation there is a journal, which has the codes."""
    ran = refused(tmp_path, experiment([do("work")], [undo("unwork", "work")], control=control), *options)
    assert named in ran.stderr
    assert not options or error_codes(ran) == why


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
    assert f"'{named}'" in problems[0]
    assert "chaosdrill.controls.drill" in problems[0], "what is right"


@pytest.mark.long
def test_without_validation_a_misspelt_control_module_is_one_message_and_no_traceback(tmp_path: Path) -> None:
    ours = {"type": "python", "module": "chaosdrill.region.probes", "func": "region_state"}
    what = experiment([{"type": "probe", "name": "state", "provider": ours}])
    what["controls"][0]["provider"]["module"] = "chaosdrill.controls.dril"
    ran = run(tmp_path, what, "--no-validation", "--rollback-strategy", "always")
    assert ran.exit_code == 1
    assert "Traceback" not in ran.stderr
    told = [line for line in ran.stderr.splitlines() if line.startswith("Error: ")]
    assert len(told) == 1, ran.stderr
    assert "'chaosdrill.controls.dril'" in told[0]


@pytest.mark.long
@pytest.mark.parametrize("journal", first_of(["no/such/journal.json", "there"]))
def test_a_journal_that_could_not_be_written_is_told_before_and_not_after_the_drill(
    tmp_path: Path, journal: str
) -> None:
    (tmp_path / "there").mkdir()
    ran = run(tmp_path, experiment([do("work")]), "--journal-path", journal, CHAOSDRILL_HOME=str(tmp_path / "home"))
    assert f"--journal-path {journal}: " in ran.stderr
    assert ran.steps == []


@pytest.mark.long
@pytest.mark.parametrize(
    ("rollback", "named"),
    first_of([(undo("unwork", "wrok"), "'wrok'"), (step("action", "unwork", "undo", what="x"), "unwork")]),
)
def test_what_could_not_be_undone_is_refused(tmp_path: Path, rollback: dict[str, Any], named: str) -> None:
    ran = refused(tmp_path, experiment([do("work")], [rollback]), "--no-validation")
    assert error_codes(ran) == ["undo-unknown"]
    assert named in ran.why


@pytest.mark.long
@pytest.mark.parametrize("control", first_of([{"automatic": False}, {"scope": "before"}]))
def test_what_could_not_be_heard_of_is_refused(tmp_path: Path, control: dict[str, Any]) -> None:
    """Which key is to be removed is told; the hook that writes the codes into the journal may not be called."""
    what = experiment([do("work")])
    what["controls"][0].update(control)
    (key,) = control
    assert f"{key}: " in refused(tmp_path, what, "--no-validation").stderr


@pytest.mark.parametrize("strategy", first_of(["default", "deviated", "never"]))
def test_a_strategy_of_the_command_line_that_leaves_things_undone_is_refused(tmp_path: Path, strategy: str) -> None:
    what = experiment([do("work")], [undo("unwork", "work")])
    ran = refused(tmp_path, what, "--rollback-strategy", strategy)
    assert (ran.verdict, error_codes(ran)) == ("refused", ["rollbacks-not-always"])


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
    assert "value-missing" in error_codes(ran)
    assert named in ran.said("why")


@pytest.mark.long
def test_a_value_that_is_there_is_taken(tmp_path: Path) -> None:
    values = {
        "target": process("where-to", "echo", "moon"),
        "approver": {"type": "env", "key": "NOT_SET", "default": ""},
    }
    assert error_codes(refused(tmp_path, experiment([do("work")], configuration=values))) == ["setting-invalid"]


def test_everything_wrong_is_said_at_once(tmp_path: Path) -> None:
    configuration = {"target": "moon", "scale": 0.001, "users": "many", "locustfile": "no-such.py"}
    what = experiment([do("${whom}")], [do("back")], configuration=configuration, runtime={})
    ran = refused(tmp_path, what, "--var", "user:int=3", "--var", "users=few")
    assert ran.verdict == "refused"
    assert sorted(error_codes(ran)) == [
        "file-missing",
        "rollbacks-not-always",
        "setting-invalid",
        "setting-invalid",
        "setting-invalid",
        "undeclared-variable",
        "variable-unused",
    ]
    for value in ("'moon'", "0.001", "'few'", f"{tmp_path / 'no-such.py'}", "${whom}", "`always`", "--var user:"):
        assert value in ran.why, value
        assert value in ran.stderr, value
    assert ran.journal["status"] == "aborted"
    assert ran.journal["rollbacks"] == []


@pytest.mark.long
def test_aws_needs_a_topology_a_ticket_and_real_times(tmp_path: Path) -> None:
    ran = refused(tmp_path, experiment([do("work")]), "--var", "target=aws")
    assert sorted(error_codes(ran)) == ["change-ticket-missing", "setting-invalid", "topology-missing"]
    assert all(f"--var {option}" in ran.why for option in ("topology=PATH", "change_ticket=ID", "scale:float=1"))


def test_a_real_system_is_not_drilled_before_somebody_has_confirmed_its_rehearsal(tmp_path: Path) -> None:
    """A topology that changed after it was confirmed counts as another one: see test_rehearsal."""
    written(tmp_path, RIGHT)
    given = {"target": "aws", "topology": "topology.yaml", "change_ticket": "CHG-1"}
    ran = refused(tmp_path, experiment([do("work")], [undo("unwork", "work")], configuration=given))
    assert (ran.verdict, error_codes(ran)) == ("refused", ["rehearsal-not-confirmed"])
    assert "--confirm" in ran.stderr, "the command that confirms it"


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
    assert all(misspelt in done.stderr for misspelt in (" expects:", "'doo'"))
