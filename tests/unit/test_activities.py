"""Activities in every shape that Chaos Toolkit accepts: what can be run is read everywhere, what cannot is refused."""

from typing import Any

import pytest
from chaoslib import substitute
from chaoslib.activity import run_activity

from chaosdrill.controls.activities import arguments_of
from chaosdrill.controls.arguments import problems_of_experiment
from chaosdrill.controls.rollback_validation import problems_of_undo
from chaosdrill.controls.sampling import Samples
from chaosdrill.controls.tolerance import accepted, meets, problems_of_tolerance
from chaosdrill.controls.validation import problems_of_activity
from chaosdrill.errors import CannotSee, codes_of
from chaosdrill.rehearsal.steps import steps_of
from tests.small_drills import do, experiment, step

CONFIGURATION = {"wait": 0.5, "wait_text": "5", "word": "ok", "number": 3}


def process(tolerance: Any = None, **provider: Any) -> dict[str, Any]:
    made = {"type": "probe", "name": "shell", "provider": {"type": "process", "path": "echo", **provider}}
    return made if tolerance is None else {**made, "tolerance": tolerance}


def request(tolerance: Any = None, **provider: Any) -> dict[str, Any]:
    url = "http://127.0.0.1:9/"
    made = {"type": "probe", "name": "get", "provider": {"type": "http", "url": url, **provider}}
    return made if tolerance is None else {**made, "tolerance": tolerance}


def resolve(value: Any) -> Any:
    return substitute(value, CONFIGURATION, None)


def codes(activity: Any) -> list[str]:
    return codes_of(problems_of_activity(activity, "method", resolve))


LEGAL: list[dict[str, Any]] = [
    process(),
    process(arguments="ok"),
    process(arguments=["a", "", 1]),
    process(arguments={"--name": "x"}),
    process(arguments=[]),
    process(arguments="", timeout=5),
    process(timeout=None),
    request(),
    request(arguments=None),
    request(arguments={"q": "x"}),
    request(arguments="body", method="POST"),
    request(arguments=["a"], headers={"Content-Type": "application/json"}, method="PUT"),
    request(timeout=[1, 2.5]),
    request(timeout="${wait}"),
    request(url="http://${word}/", max_retries=2),
    {**process(), "pauses": {"before": 0, "after": "${wait}"}},
    step("probe", "ours", "blind"),
    {"type": "probe", "name": "p", "provider": {"type": "python", "module": "tests.steps", "func": "blind"}},
    {"ref": "other"},
]
# These end `chaos run` with a traceback in the middle of the method: no rollbacks, no journal.
ILLEGAL: list[dict[str, Any]] = [
    process(arguments=None),
    process(arguments=5),
    process(timeout="5"),
    process(timeout="${wait}"),
    process(timeout=0),
    process(timeout=True),
    request(arguments=5),
    request(timeout="${wait_text}"),
    request(timeout=[1, 2, 3]),
    request(timeout=float("nan")),
    request(url="${word}"),
    request(url="http://"),
    request(headers={"X-Number": 5}),
    request(method=5),
    request(max_retries="3"),
    {**process(), "pauses": {"after": "${wait_text}"}},
    {**process(), "pauses": {"before": -1}},
    {**process(), "pauses": {"before": True}},
    {**process(), "pauses": 5},
    {**step("probe", "p", "blind"), "provider": {**step("probe", "p", "blind")["provider"], "arguments": "text"}},
    {**step("probe", "p", "blind"), "provider": {**step("probe", "p", "blind")["provider"], "arguments": None}},
    {**step("probe", "p", "blind"), "provider": {**step("probe", "p", "blind")["provider"], "arguments": ["a"]}},
]


@pytest.mark.parametrize("activity", LEGAL)
def test_a_legal_shape_is_read_everywhere(activity: dict[str, Any]) -> None:
    assert codes(activity) == []
    assert isinstance(arguments_of(activity), dict)
    steady = [{**activity, "tolerance": {"type": "jsonpath", "path": "$"}}] if "ref" not in activity else []
    what = experiment([do("other"), activity], [activity], steady, {"setup": [activity]})
    assert len(steps_of(what, CONFIGURATION)) == 4 + len(steady)
    assert problems_of_undo(what, [activity], resolve) == []
    assert Samples(steady, CONFIGURATION, None, lambda sample: None) is not None


@pytest.mark.parametrize("activity", ILLEGAL)
def test_what_would_end_the_run_with_a_traceback_is_refused(activity: dict[str, Any]) -> None:
    assert codes(activity) == ["activity-invalid"]


def test_a_rehearsal_says_what_a_process_and_a_request_do() -> None:
    what = experiment([process(arguments="${word} then"), process(arguments={"-n": 5}), process(), request()])
    does = [one.does for one in steps_of(what, CONFIGURATION)]
    assert does == ["runs echo ok then", "runs echo -n 5", "runs echo", "GET http://127.0.0.1:9/"]


def test_a_reference_must_name_an_activity_of_steady_state_or_method() -> None:
    def found(**phases: Any) -> list[str]:
        return codes_of(problems_of_experiment(experiment(**phases), phases.get("control", {}).get("setup", [])))

    assert found(method=[do("work"), {"ref": "work"}], rollbacks=[{"ref": "work"}]) == []
    assert found(method=[do("work")], rollbacks=[{"ref": "wrok"}]) == ["activity-invalid"]
    assert found(method=[do("work")], control={"setup": [{"ref": "unwork"}]}) == ["activity-invalid"]


def answer(tolerance: Any, func: str = "blind") -> dict[str, Any]:
    """A probe that returns a number (``blind``), a text (``word_in_file``), or anything (``answer``)."""
    given = {"blind": {}, "word_in_file": {"path": "x"}, "answer": {"value": 1}}[func]
    return step("probe", "p", func, tolerance, **given)


def by_probe(func: str, **provider: Any) -> dict[str, Any]:
    module = {"type": "python", "module": "tests.steps", "func": func, **provider}
    return {"type": "probe", "name": "judge", "provider": module}


MEETABLE: list[dict[str, Any]] = [
    answer(0),
    answer(True),
    answer([0, 5]),
    answer([1, 2, 3]),
    answer([1, 1]),
    answer({"type": "range", "range": [1, 1]}),
    answer("${number}"),
    answer({"type": "range", "range": [0.5, float("inf")]}),
    answer("On", "word_in_file"),
    answer("${word}", "word_in_file"),
    answer(["a", "b"], "word_in_file"),
    answer({"type": "regex", "pattern": "^${word}"}, "word_in_file"),
    answer(True, "answer"),
    answer("x", "answer"),
    answer({"type": "jsonpath", "path": "$.a[?(@.b > ${number})]"}, "answer"),
    answer(by_probe("answer", arguments={"value": ""})),
    process(0),
    process([0, 1]),
    process({"type": "regex", "pattern": "ok", "target": "stdout"}),
    process({"type": "range", "range": [1, 2], "target": "stdout"}),
    process({"type": "jsonpath", "path": "$.status"}),
    request(200),
    request({"type": "jsonpath", "path": "$.a", "target": "body"}),
]
HOPELESS: list[dict[str, Any]] = [
    answer(True, "word_in_file"),  # On or Off written without quotes
    answer([True, False], "word_in_file"),
    answer(0, "word_in_file"),
    answer("0"),
    answer("${word}"),
    answer([5, 1]),
    answer([]),
    answer(["a", 1], "answer"),
    answer(["${word}", "b"], "word_in_file"),
    answer([float("nan"), 1]),
    answer({"type": "range", "range": [5, 1]}),
    answer({"type": "range", "range": [float("nan"), 1]}),
    answer({"type": "range", "range": ["${number}", 5]}),
    answer({"type": "regex", "pattern": "x"}),
    answer({"type": "regex", "pattern": "("}, "word_in_file"),
    answer({"type": "regex", "pattern": "x", "target": "y"}, "word_in_file"),
    answer({"type": "jsonpath", "path": "$.a"}),
    answer({"type": "jsonpath", "path": "$["}, "answer"),
    answer({"type": "jsonpath", "path": ""}, "answer"),
    answer("${wait}"),  # Chaos Toolkit does not compare with a fraction
    answer(0.5, "answer"),
    answer({"type": "odd"}, "answer"),
    answer(by_probe("answer", arguments=["x"]), "answer"),
    answer(by_probe("blind"), "answer"),
    answer(by_probe("blind", arguments={}), "answer"),
    process("ok"),
    process(True),
    process({"type": "regex", "pattern": "ok"}),
    process({"type": "range", "range": [1, 2]}),
    process({"type": "regex", "pattern": "ok", "target": "out"}),
    process({"type": "regex", "pattern": "0", "target": "status"}),
    request("ok"),
    request({"type": "regex", "pattern": "x", "target": "headers"}),
]


@pytest.mark.parametrize("activity", MEETABLE)
def test_a_tolerance_that_can_be_met_is_taken(activity: dict[str, Any]) -> None:
    assert codes(activity) == []


@pytest.mark.parametrize("activity", HOPELESS)
def test_a_tolerance_that_could_never_be_compared_or_met_is_found_before_the_method(activity: dict[str, Any]) -> None:
    assert codes(activity) == ["tolerance-invalid"]


VALUES: dict[str, list[Any]] = {
    "truth": [True, False],
    "number": [0, 1, 0.5],
    "text": ["a", "1", ""],
    "list": [[], [1], ["a"]],
    "mapping": [{}, {"status": 0}, {"status": 1}, {"a": 1}],
}


def is_met(tolerance: Any, value: Any) -> bool:
    try:
        return meets(tolerance, value, None, None)
    except CannotSee:
        return False


@pytest.mark.parametrize(
    "tolerance",
    [True, False, 0, 1, "a", [0, 1], [0, 1, 2], [False, True], [True], [True, False, True], ["a", "b"], ["a"],
     ["a", "b", "c"], ["a", "b", 1], [[1], [2]]],
)  # fmt: skip
def test_a_tolerance_is_said_to_accept_the_kinds_of_values_that_meet_it_and_no_others(tolerance: Any) -> None:
    met = {kind for kind, values in VALUES.items() if any(is_met(tolerance, value) for value in values)}
    assert accepted(tolerance) == met


def says(hint: Any) -> Any:
    """A probe that returns what the hint says."""

    def probe() -> Any:
        raise AssertionError("it is not called")

    probe.__annotations__["return"] = hint
    return probe


@pytest.mark.parametrize(
    ("tolerance", "can_be_met"),
    [
        ([0, 1], {bool, int, float}),
        ([0, 1, 2], {bool, int, float}),
        ([True], {bool, int, float}),
        ([True, False, True], {bool, int, float}),
        (["a", "b"], {str}),
        (["a", "b", "c"], {str}),
        (["a", "b", 1], {bool, int, float, str}),
        (["a", "b", True], {bool, int, float, str}),
        ([[1], [2]], {list}),
    ],
)
def test_a_list_can_be_met_by_values_like_its_members_where_a_truth_is_like_a_number(tolerance, can_be_met):
    activity = answer(tolerance)
    for hint in (bool, int, float, str, list):
        found = codes_of(problems_of_tolerance(tolerance, activity, says(hint), resolve))
        assert found == ([] if hint in can_be_met else ["tolerance-invalid"]), hint


@pytest.mark.parametrize(
    ("tolerance", "met"),
    [
        ({"type": "jsonpath", "path": "$.instances[*].state", "expect": ["up", "up"]}, True),
        ({"type": "jsonpath", "path": "$.instances[*].state", "count": 3}, False),
        ({"type": "jsonpath", "path": '$.instances[*][?(@.zone = "${word}")]', "count": 1}, True),
        ({"type": "jsonpath", "path": "$.nothing"}, False),
        ({"type": "jsonpath", "path": "$.state", "target": "body", "expect": "${word}"}, True),
    ],
)
def test_a_jsonpath_tolerance_is_compared_like_every_other(tolerance: dict[str, Any], met: bool) -> None:
    instances = [{"state": "up", "zone": "a"}, {"state": "up", "zone": "ok"}]
    value = {"instances": instances, "body": '{"state": "ok"}'}
    assert meets(tolerance, value, CONFIGURATION, None) is met


def test_the_process_provider_still_takes_what_is_called_legal() -> None:
    """What is legal here is what Chaos Toolkit really runs."""
    outputs = [run_activity(one, CONFIGURATION, None)["stdout"].strip() for one in LEGAL[:5]]
    assert outputs == ["", "ok", "a 1", "--name x", ""]
