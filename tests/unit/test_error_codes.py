"""Errors and problems have stable codes: they are registered, documented, recorded, and shown."""

import copy
import pickle
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from chaoslib.exceptions import ActivityFailed
from jsonschema import Draft202012Validator

from chaosdrill import activity, errors
from chaosdrill.analysis.findings import FINDINGS, finding
from chaosdrill.cli.text import with_codes
from chaosdrill.controls.outcome import outcome_of
from chaosdrill.error_codes import ERROR_CODES
from chaosdrill.errors import BadInput, CannotSee, DrillError, Refused, problem
from chaosdrill.messages import sentence
from tests.codes_page import PAGE, codes_page
from tests.small_drills import REPOSITORY
from tests.summary_schema import SCHEMA
from tests.waiting import LONG_S

PACKAGE = REPOSITORY / "chaosdrill"
# in the text: to parse the whole package takes seconds
NAMED_CODE = re.compile(r'\bproblem\(\s*"([^"]*)"|[(\s]code="([^"]*)"')


def _literal_codes() -> Iterator[tuple[str, str]]:
    """Every code that the package's source names, with where."""
    for path in sorted(PACKAGE.rglob("*.py")):
        text = path.read_text()
        for found in NAMED_CODE.finditer(text):
            line = text.count("\n", 0, found.start()) + 1
            yield found[1] or found[2], f"{path.relative_to(REPOSITORY)}:{line}"


def test_every_code_of_the_source_is_registered_and_every_registered_one_is_used() -> None:
    used = dict(_literal_codes())
    assert set(used) - set(ERROR_CODES) == set(), {code: used[code] for code in set(used) - set(ERROR_CODES)}
    declared = {family.default_code for family in errors.FAMILIES}
    assert set(ERROR_CODES) - set(used) - declared == set()


def test_codes_are_words_with_hyphens_in_alphabetical_order() -> None:
    assert list(ERROR_CODES) == sorted(ERROR_CODES)
    assert all(code.replace("-", "").isalnum() and code == code.lower() for code in (*ERROR_CODES, *FINDINGS))


def test_the_documentation_lists_every_code_with_its_meaning() -> None:
    assert PAGE.read_text() == codes_page(), "write it again: python -m tests.codes_page"


def test_an_error_has_the_code_of_its_class_or_its_own() -> None:
    assert CannotSee("no answer").code == "unreadable"
    assert Refused("no", code="no-drill-open").codes == ("no-drill-open",)
    with pytest.raises(ValueError, match="nobody-knows-this"):
        DrillError("x", code="nobody-knows-this")


def test_bad_input_carries_one_code_per_problem_in_order() -> None:
    error = BadInput([problem("undeclared-variable", "${x}"), "something else"])
    assert error.codes == ("undeclared-variable", "bad-input")
    assert with_codes(error).splitlines() == ["${x} [undeclared-variable]", "something else [bad-input]"]


@pytest.mark.parametrize("twin", [copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one))])
def test_a_problem_keeps_its_sentence_and_survives_a_copy(twin) -> None:
    one = twin(problem("undeclared-variable", sentence("{name} is not declared", name="x")))
    assert (str(one), one.template, one.values, one.code) == (
        "x is not declared",
        "{name} is not declared",
        {"name": "x"},
        "undeclared-variable",
    )


def test_codes_of_an_activity_that_failed_reach_its_outcome() -> None:
    class NeverMeasured(CannotSee):
        """A kind of CannotSee that is defined elsewhere."""

    @activity.probe
    def measure() -> float:
        raise NeverMeasured("no sample", code="timed-out")

    with pytest.raises(ActivityFailed):
        measure()
    run = {"status": "failed", "exception": ["no sample"], "output": None}
    outcome = outcome_of({"name": "measure"}, run, False, None, None, activity.take_failure())
    assert (outcome.error_kind, outcome.error_codes) == ("CannotSee", ("timed-out",))
    assert activity.take_failure() is None, "it is taken once"


def test_an_earlier_failure_is_not_taken_for_a_later_one() -> None:
    @activity.probe
    def measure(fails: bool) -> float:
        if fails:
            raise CannotSee("no sample")
        return 1.0

    with pytest.raises(ActivityFailed):
        measure(True)
    measure(False)
    assert activity.take_failure() is None


def test_a_finding_says_the_codes_behind_it_and_only_then() -> None:
    assert finding("refused", sentence("no"), codes=["no-drill-open"]).as_json()["codes"] == ["no-drill-open"]
    assert "codes" not in finding("refused", sentence("no")).as_json()


@pytest.mark.parametrize("codes", [[], ["no-drill-open"]])
def test_a_finding_fits_the_schema_of_the_summary(codes: list[str]) -> None:
    found = finding("refused", sentence("no"), codes=codes).as_json()
    Draft202012Validator({"$defs": SCHEMA["$defs"], "$ref": "#/$defs/finding"}).validate(found)


def test_the_command_line_shows_codes(tmp_path: Path) -> None:
    run = [sys.executable, "-m", "chaosdrill.cli", "topology", "check", str(tmp_path / "none.yaml")]
    shown = subprocess.run(run, capture_output=True, text=True, cwd=tmp_path, timeout=LONG_S)
    assert shown.returncode != 0
    assert shown.stderr.rstrip().endswith("]")
