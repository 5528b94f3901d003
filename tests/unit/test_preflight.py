"""What `chaos run` refuses before a drill, `chaosdrill rehearse` says as well: both ask the same function."""

import copy
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from chaoslib.configuration import load_configuration
from chaoslib.control import set_global_controls
from chaoslib.exceptions import InterruptExecution, InvalidControl

from chaosdrill.controls import drill
from chaosdrill.controls.control_validation import problems_of_hooks
from chaosdrill.errors import BadInput
from chaosdrill.rehearsal.rehearse import rehearse
from tests.small_drills import do, experiment, step, undo
from tests.unit.test_topology import RIGHT, written

Experiment = dict[str, Any]
LAB = RIGHT.replace("target: aws", "target: lab") + "aws: {endpoint_url: http://127.0.0.1:9}\n"
WORK = {"method": [do("work")], "rollbacks": [undo("unwork", "work")]}
SHELL = {"type": "action", "name": "shell", "provider": {"type": "process", "path": "sh"}}


@pytest.fixture(autouse=True)
def no_lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("CHAOSDRILL_HOME", str(tmp_path / "home"))
    yield
    drill._session = None
    set_global_controls([])
    assert not (tmp_path / "home").exists(), "nothing was begun"


def without_control(what: Experiment) -> None:
    del what["controls"]


def as_process(what: Experiment) -> None:
    what["controls"][0]["provider"]["type"] = "process"


def twice(what: Experiment) -> None:
    what["controls"] *= 2


def in_settings(what: Experiment) -> None:
    set_global_controls([copy.deepcopy(what["controls"][0])])


def no_strategy(what: Experiment) -> None:
    what["runtime"] = {}


def shell(arguments: Any) -> Callable[[Experiment], None]:
    return lambda what: what["method"].append(
        {**SHELL, "provider": {**SHELL["provider"], "arguments": arguments}}  # type: ignore[dict-item]
    )


def control(**arguments: Any) -> Callable[[Experiment], None]:
    return lambda what: what["controls"][0]["provider"]["arguments"].update(arguments)


def configured(**values: Any) -> Callable[[Experiment], None]:
    return lambda what: what["configuration"].update(values)


def method(*steps: Any) -> Callable[[Experiment], None]:
    return lambda what: what["method"].extend(steps)


def rollbacks(*steps: Any) -> Callable[[Experiment], None]:
    return lambda what: what["rollbacks"].extend(steps)


BROKEN: list[tuple[Callable[[Experiment], None], list[str]]] = [
    (without_control, ["control-missing"]),
    (as_process, ["control-missing"]),
    (twice, ["control-repeated"]),
    (in_settings, ["control-repeated"]),
    (no_strategy, ["rollbacks-not-always"]),
    (shell("-c 'echo ${HOMES}'"), ["undeclared-variable"]),
    (method(do("${whom}")), ["undeclared-variable"]),
    (rollbacks(undo("again", "wrok")), ["undo-unknown"]),
    (rollbacks({"ref": "wrok"}), ["activity-invalid"]),
    (configured(users="many"), ["setting-invalid"]),
    (configured(target="moon"), ["setting-invalid"]),
    (configured(locustfile="/no/such/file.py"), ["file-missing"]),
    (configured(soon="five", **{"users": 0}), ["setting-invalid"]),
    (method(step("action", "nap", "wait", seconds="five")), ["argument-invalid"]),
    (method(step("action", "nap", "wait", seconds=-1)), ["argument-invalid"]),
    (method(step("action", "nap", "wait", seconds=1, standalone="true")), ["argument-invalid"]),
    (method(step("probe", "look", "word_in_file", True, path="x")), ["tolerance-invalid"]),
    (method({**SHELL, "tolerance": "ok"}), ["tolerance-invalid"]),
    (method({**SHELL, "pauses": {"after": -1}}), ["activity-invalid"]),
    (control(expect="home"), ["control-argument-invalid"]),
    (control(expect="serving(${nowhere})"), ["undeclared-variable"]),
    (control(objectives={"rto_s": "${slow}"}), ["undeclared-variable"]),
]
# What `chaos validate` finds already, and `chaos run` with it.
INVALID: list[tuple[Callable[[Experiment], None], list[str]]] = [
    (lambda what: what["controls"][0]["provider"].update(arguments=None), ["control-argument-invalid"]),
    (lambda what: what["controls"][0]["provider"].update(arguments=["expect"]), ["control-argument-invalid"]),
    (control(expects="moving"), ["control-argument-unknown"]),
    (control(setup=[step("action", "nap", "wait", seconds="five")]), ["argument-invalid"]),
    (control(setup=[step("action", "nap", "wait", second=5)]), ["argument-unknown", "argument-missing"]),
    (control(setup="work"), ["control-argument-invalid"]),
    (control(objectives={"rto": 1}), ["objective-invalid"]),
    (control(safeguards=[step("probe", "guard", "blind")]), ["safeguard-invalid"]),
    (control(safeguards=[step("probe", "guard", "word_in_file", True, path="x")]), ["tolerance-invalid"]),
    (lambda what: what["controls"][0].update(scope="after"), ["control-incomplete"]),
]


def broken(break_it: Callable[[Experiment], None]) -> Experiment:
    what = copy.deepcopy(experiment(**WORK))
    break_it(what)
    return what


@pytest.mark.parametrize(("break_it", "found_in"), [(twice, "second"), (in_settings, "settings")])
def test_where_the_control_stands_once_more_is_said(break_it: Any, found_in: str) -> None:
    (problem,) = problems_of_hooks(broken(break_it), ())
    assert [place for place in ("second", "settings") if place in str(problem)] == [found_in]


def of_rehearsal(directory: Path, what: Mapping[str, Any], **variables: Any) -> list[str]:
    path = directory / "try-it.yaml"
    path.write_text(yaml.safe_dump(dict(what)))
    written(directory, LAB)
    with pytest.raises(BadInput) as refused:
        rehearse(path, variables, directory / "topology.yaml")
    return list(refused.value.codes)


def of_run(what: Experiment, **variables: Any) -> list[str]:
    """As the drill control opens it; Chaos Toolkit's own validation is left out."""
    configuration = load_configuration(what.get("configuration") or {}, dict(variables))
    try:
        with pytest.raises(InterruptExecution) as refused:
            drill.before_experiment_control(what, configuration=configuration, secrets={})
    finally:
        if drill._session is not None:
            drill._session.signals.restore()
        drill._session = None
    cause = refused.value.__cause__
    assert isinstance(cause, BadInput), cause
    return list(cause.codes)


@pytest.mark.parametrize(("break_it", "codes"), BROKEN)
def test_a_rehearsal_says_what_the_drill_would_refuse(
    tmp_path: Path, break_it: Callable[[Experiment], None], codes: list[str]
) -> None:
    what = broken(break_it)
    assert of_run(what) == codes
    assert of_rehearsal(tmp_path, what) == codes


@pytest.mark.parametrize(("break_it", "codes"), INVALID)
def test_a_control_that_is_invalid_is_found_by_validation_by_the_rehearsal_and_by_the_drill(
    tmp_path: Path, break_it: Callable[[Experiment], None], codes: list[str]
) -> None:
    what = broken(break_it)
    with pytest.raises(InvalidControl) as invalid:
        drill.validate_control(what["controls"][0])
    assert list(invalid.value.__cause__.codes) == codes  # type: ignore[union-attr]
    assert of_rehearsal(tmp_path, what) == codes
    assert of_run(what) == codes


def test_everything_is_reported_at_once(tmp_path: Path) -> None:
    what = broken(lambda what: [break_it(what) for break_it, _ in BROKEN[4:10]])  # type: ignore[func-returns-value, misc]
    codes = [
        "setting-invalid",
        "activity-invalid",
        "rollbacks-not-always",
        *["undeclared-variable"] * 2,
        "undo-unknown",
    ]
    assert of_run(what) == of_rehearsal(tmp_path, what) == codes


def test_a_text_for_the_shell_is_written_with_two_dollars(tmp_path: Path) -> None:
    what = broken(shell("-c 'echo $${HOME} $${HOME:-none} $$$${HOME} $HOME'"))
    what["configuration"]["users"] = "many"
    assert of_run(what) == ["setting-invalid"]
    shell("-c 'echo $$${HOMES}'")(what)
    assert of_run(what) == ["setting-invalid", "undeclared-variable"]


def test_a_change_ticket_is_needed_by_the_drill_and_by_a_rehearsal_that_names_the_target(tmp_path: Path) -> None:
    written(tmp_path, RIGHT)
    what = broken(configured(target="aws", topology=str(tmp_path / "topology.yaml"), change_ticket="", scale=""))
    assert of_run(what) == ["change-ticket-missing"]
    path = tmp_path / "try-it.yaml"
    path.write_text(yaml.safe_dump(what))
    with pytest.raises(BadInput) as refused:
        rehearse(path, {}, None)
    assert refused.value.codes == ("change-ticket-missing",)
