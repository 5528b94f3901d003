"""A control of somebody else, which ends the drill at one of its hooks, in one of the ways that there are."""

from typing import Any

from chaoslib.exceptions import InterruptExecution
from chaoslib.exit import exit_gracefully

__all__ = [
    "after_activity_control",
    "after_method_control",
    "before_activity_control",
    "before_experiment_control",
    "before_method_control",
]


def _ends(here: str, hook: str, how: str) -> None:
    if here != hook:
        return
    if how == "exit_gracefully":
        exit_gracefully()
    else:
        raise InterruptExecution("the other control has seen enough")


def before_experiment_control(context: Any, hook: str, how: str, **_: Any) -> None:
    _ends("before_experiment", hook, how)


def before_method_control(context: Any, hook: str, how: str, **_: Any) -> None:
    _ends("before_method", hook, how)


def after_method_control(context: Any, hook: str, how: str, **_: Any) -> None:
    _ends("after_method", hook, how)


def before_activity_control(context: Any, hook: str, how: str, **_: Any) -> None:
    if context["name"] == "rest":
        _ends("before_activity", hook, how)


def after_activity_control(context: Any, hook: str, how: str, **_: Any) -> None:
    if context["name"] == "work":
        _ends("after_activity", hook, how)
