"""docs/safety.md has a row for every call that changes something, and no other."""

import ast
import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from botocore import xform_name

from chaosdrill.aws import sessions
from chaosdrill.aws.guard import changes_something
from chaosdrill.aws.lease_guard import MARGIN_S, READING_COMMANDS
from chaosdrill.coordination.interface import CLOCK_BOUND_MS
from tests.small_drills import REPOSITORY

PAGE = REPOSITORY / "docs" / "safety.md"
PACKAGE = REPOSITORY / "chaosdrill"
NOT_AWS = {("events", "CreateConnection")}  # socket.create_connection
IAM_NAMES = {"states": "stepfunctions"}  # IAM's name of a service: botocore's
PERMISSIONS = {"PassRole", "TagResource", "TagRole"}  # what a call implies; no calls


def rows() -> list[list[str]]:
    """The cells of the table of calls."""
    section = PAGE.read_text().partition("## Each call that changes something")[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[1:]]


def sources() -> Iterator[ast.Module]:
    """The package without the lab."""
    for path in sorted(PACKAGE.rglob("*.py")):
        if PACKAGE / "lab" not in path.parents:
            yield ast.parse(path.read_text())


@cache
def named() -> tuple[frozenset[str], frozenset[str]]:
    """Texts and attributes of the package: a service is named in a text, an operation in either."""
    texts, attributes = set[str](), set[str]()
    for module in sources():
        for node in ast.walk(module):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                texts.add(node.value)
            elif isinstance(node, ast.Attribute):
                attributes.add(node.attr)
    return frozenset(texts), frozenset(attributes)


def changing_calls() -> set[tuple[str, str]]:
    """Every operation that changes something and is named in the package, of the services that it names."""
    texts, attributes = named()
    session = botocore.session.Session()
    return {
        (service, operation)
        for service in set(session.get_available_services()) & services()
        for operation in session.get_service_model(service).operation_names
        if changes_something(operation) and xform_name(operation) in texts | attributes
    }


@cache
def services() -> frozenset[str]:
    """Those of which a client is made: the first argument of a call of something that is called client."""
    found = {
        node.args[0].value
        for module in sources()
        for node in ast.walk(module)
        if isinstance(node, ast.Call) and getattr(node.func, "attr", getattr(node.func, "id", "")) == "client"
        if node.args and isinstance(node.args[0], ast.Constant) and isinstance(node.args[0].value, str)
    }
    return frozenset(found)


@pytest.mark.long
def test_every_changing_call_of_the_code_has_a_row() -> None:
    assert {(row[0], row[1]) for row in rows()} | NOT_AWS == changing_calls() | NOT_AWS
    assert ("stepfunctions", "StartExecution") in changing_calls(), "the search finds what is there"


def policies() -> list[Path]:
    return sorted((PACKAGE / "experiments" / "iam").glob("*.json"))


@pytest.mark.parametrize("path", policies(), ids=lambda path: path.stem)
def test_every_changing_call_of_a_printed_policy_has_a_row(path: Path) -> None:
    statements: list[dict[str, Any]] = json.loads(path.read_text())["Statement"]
    listed = [one["Action"] for one in statements]
    actions = {action for one in listed for action in ([one] if isinstance(one, str) else one)}
    split = {tuple(action.split(":")) for action in actions}
    allowed = {(IAM_NAMES.get(service, service), call) for service, call in split if call not in PERMISSIONS}
    changing = {(service, call) for service, call in allowed if changes_something(call)}
    assert changing - {(row[0], row[1]) for row in rows()} == set()


def test_every_row_says_each_thing() -> None:
    assert all(len(row) == 5 and all(row) for row in rows())


def test_the_times_are_those_of_the_code() -> None:
    lines = [line[2:].split("|") for line in PAGE.read_text().splitlines() if line.startswith("| ")]
    seconds = {cells[0].strip(): [one.strip() for one in cells[1:3]] for cells in lines}

    def of(words: str) -> list[str]:
        return next(times for what, times in seconds.items() if what.startswith(words))

    def attempt_s(settings: dict[str, Any]) -> float:
        return float(settings["connect_timeout"] + settings["read_timeout"])

    attempts = {"aws": attempt_s(sessions._USUAL), "lab": attempt_s(sessions._ON_THIS_MACHINE)}
    assert of("attempt") == [f"{attempts[target]:g} s" for target in ("aws", "lab")]
    assert of("margin") == [f"{MARGIN_S[target]:g} s" for target in ("aws", "lab")]
    needed = [f"{attempts[target] + MARGIN_S[target]:g} s" for target in ("aws", "lab")]
    assert of("an attempt is refused") == needed
    bound_s = CLOCK_BOUND_MS / 1000
    assert of("clock bound") == [f"{bound_s:g} s"] * 2
    assert of("another run may take") == [f"{attempts[target] + bound_s:g} s" for target in ("aws", "lab")]
    assert attempt_s(sessions._SHORT) == 7


def test_the_page_names_every_command_that_only_reads() -> None:
    section = PAGE.read_text().partition("## Reads")[2].partition("\n## ")[0]
    line = next(line for line in section.splitlines() if line.startswith("`find-"))
    assert line == ", ".join(f"`{name}`" for name in sorted(READING_COMMANDS))


@pytest.mark.long
def test_every_command_that_only_reads_is_sent_somewhere() -> None:
    sent = {
        keyword.value.value
        for module in sources()
        for node in ast.walk(module)
        if isinstance(node, ast.Call)
        for keyword in node.keywords
        if keyword.arg == "reads" and isinstance(keyword.value, ast.Constant)
    }
    assert sent == READING_COMMANDS
