"""Values of arguments, checked by declared types and by the units in names: before a drill, and at every call."""

import importlib
import inspect
import math
from collections.abc import Callable, Iterator
from typing import Any, Optional, Union

import pytest
from chaoslib.exceptions import ActivityFailed

from chaosdrill.activity import action, probe
from chaosdrill.activity_discovery import modules
from chaosdrill.arguments import is_checked, problems_of_call


@probe
def reads(
    within_s: float = 0,
    loss_percent: int = 30,
    error_ratio: Optional[float] = None,
    rate_per_s: float = 1,
    region: str = "home",
    names: Optional[list[str]] = None,
    tags: Optional[dict[str, str]] = None,
    closed: bool = False,
    when: Optional[str] = None,
    sources: Union[str, list[str]] = "home",
    value: Any = None,
) -> tuple[Any, ...]:
    return within_s, loss_percent, error_ratio, closed, value


RIGHT: list[tuple[str, Any]] = [
    *[("within_s", one) for one in (0, 0.5, 60, "60", "0.5", "1e3")],
    *[("loss_percent", one) for one in (1, 100, "30", 30.0, "30.0")],
    *[("error_ratio", one) for one in (None, 0, 1, 0.5, "0.5")],
    *[("rate_per_s", one) for one in (0.1, 500, "20")],
    *[("names", one) for one in (None, [], ["a", "b"])],
    *[("tags", one) for one in (None, {"a": "b"})],
    *[("closed", one) for one in (True, False, "true", "FALSE")],
    *[("when", one) for one in (None, "steady-state-missed")],
    *[("sources", one) for one in ("home", ["10.0.0.1"])],
    *[("value", one) for one in (None, "x", [1], math.nan)],
    ("region", "ap-northeast-1"),
]
WRONG: list[tuple[str, Any]] = [
    *[
        ("within_s", one)
        for one in ("five", "", -1, "-1", math.nan, math.inf, "nan", "inf", True, None, [5], 1e300, 10**400)
    ],
    *[("loss_percent", one) for one in (101, -1, 30.5, "30.5", "many", False)],
    *[("error_ratio", one) for one in (1.1, -0.1, "all", True)],
    *[("rate_per_s", one) for one in (0, -1)],
    *[("region", one) for one in (5, None, ["home"], True)],
    *[("names", one) for one in ("a", [1], {"a": "b"})],
    *[("tags", one) for one in ({"a": 1}, ["a"], "a")],
    *[("closed", one) for one in ("yes", 1, 0, None)],
    *[("when", one) for one in ("never", "")],
    *[("sources", one) for one in (5, [5])],
]


@pytest.mark.parametrize(("name", "value"), RIGHT)
def test_a_value_of_the_declared_type_within_its_limits_is_taken(name: str, value: Any) -> None:
    assert problems_of_call(reads, {name: value}) == []
    reads(**{name: value})


@pytest.mark.parametrize(("name", "value"), WRONG)
def test_a_value_that_cannot_be_used_is_named_before_the_drill_and_at_the_call(name: str, value: Any) -> None:
    (found,) = problems_of_call(reads, {name: value})
    assert found.code == "argument-invalid"
    assert f"argument {name}:" in found
    with pytest.raises(ActivityFailed) as failed:
        reads(**{name: value})
    assert failed.value.__cause__.problems == (found,)  # type: ignore[union-attr]


def test_texts_arrive_as_the_numbers_and_truth_values_that_they_stand_for() -> None:
    arrived = reads(within_s="2.5", loss_percent="30.0", error_ratio="0.5", closed="TRUE", value="7")
    assert arrived == (2.5, 30, 0.5, True, "7")
    assert [type(one) for one in arrived] == [float, int, float, bool, str]


def test_every_wrong_argument_is_reported_at_once_with_unknown_and_missing_ones() -> None:
    @action
    def needs(count: int, timeout_s: float = 5, standalone: bool = False) -> None: ...

    found = problems_of_call(needs, {"timeout_s": "soon", "tineout_s": 5, "standalone": "true"})
    assert [one.code for one in found] == [
        "argument-unknown",
        "argument-missing",
        "argument-invalid",
        "argument-invalid",
    ]
    assert found[0].endswith(" timeout_s?")


def test_a_value_whose_variable_is_not_known_yet_is_not_judged() -> None:
    assert problems_of_call(reads, {"within_s": "${wait}", "names": ["${one}"]}) == []
    with pytest.raises(ActivityFailed) as failed:
        reads(within_s="${wait}")
    assert failed.value.__cause__.codes == ("variable-unresolved",)  # type: ignore[union-attr]


def activities() -> Iterator[tuple[str, Callable[..., Any]]]:
    for module, kind in modules():
        found = importlib.import_module(module)
        if kind != "control":
            yield from ((f"{module}.{name}", getattr(found, name)) for name in found.__all__)


@pytest.mark.parametrize(("name", "function"), list(activities()))
def test_every_activity_checks_its_quantities_and_has_defaults_that_it_takes(
    name: str, function: Callable[..., Any]
) -> None:
    assert is_checked(function), name
    parameters = inspect.signature(function).parameters.values()
    defaults = {one.name: one.default for one in parameters if one.default is not one.empty}
    problems = problems_of_call(function, {one: value for one, value in defaults.items() if one not in CONTEXT})
    assert [one.code for one in problems if one.code != "argument-missing"] == []
    for one in parameters:
        if one.name.endswith(("_s", "_percent", "_ratio", "percentile", "users", "count")):
            codes = [problem.code for problem in problems_of_call(function, {one.name: "many"})]
            assert "argument-invalid" in codes, f"{name}: {one.name}"


CONTEXT = ("configuration", "secrets")
