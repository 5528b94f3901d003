"""The reference pages in docs/ are what the code says, and their examples are steps that a drill accepts."""

import re
import subprocess
import sys
from typing import Any

import pytest
import yaml
from chaoslib import substitute
from chaoslib.configuration import load_configuration

from chaosdrill.activity_discovery import discovered
from chaosdrill.controls.settings import read_settings
from chaosdrill.controls.validation import problems_of_activity
from tests.reference_pages import DOCS, FURTHER_EXAMPLES, PAGES, examples
from tests.small_drills import REPOSITORY

ACTIVITIES = {(one["mod"], one["name"]): one["type"] for one in discovered()["activities"] if one["type"] != "control"}


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_as_the_code_says(name: str) -> None:
    # in a process of its own: click keeps the help option of a command from its first use, with the names of that use
    print_it = f"from tests.reference_pages import PAGES; print(PAGES[{name!r}](), end='')"
    page = subprocess.run([sys.executable, "-c", print_it], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert (DOCS / name).read_text() == page.stdout, "write it again: python -m tests.reference_pages"


@pytest.mark.parametrize("name", PAGES)
def test_a_page_explains_every_row(name: str) -> None:
    rows = [line for line in (DOCS / name).read_text().splitlines() if line.startswith("|")]
    assert [row for row in rows if re.search(r"\|\s*\|", row)] == []


def test_every_activity_has_an_example_and_no_further_one_is_needed() -> None:
    assert set(ACTIVITIES) - set(examples()) == set()
    further = yaml.safe_load((REPOSITORY / FURTHER_EXAMPLES).read_text())
    used = [step["provider"]["func"] for path, step in examples().values() if path == FURTHER_EXAMPLES]
    assert [step["provider"]["func"] for step in further] == used, "an experiment has one: remove it"


@pytest.mark.parametrize("activity", ACTIVITIES, ids=lambda activity: activity[1])
def test_an_example_is_a_step_that_a_drill_accepts(activity: tuple[str, str]) -> None:
    path, step = examples()[activity]
    configuration = _configuration(path)
    assert step["type"] == ACTIVITIES[activity]
    assert problems_of_activity(step, "method", lambda value: substitute(value, configuration, {})) == []


def _configuration(path: str) -> dict[str, Any]:
    """Return the variables of the experiment, with their defaults, as a drill reads them."""
    read = yaml.safe_load((REPOSITORY / path).read_text())
    found: dict[str, Any] = load_configuration(read["configuration"]) if isinstance(read, dict) else {}
    read_settings(found)  # an empty number becomes none
    return found
