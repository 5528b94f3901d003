import json

import pytest
from click.testing import CliRunner

from chaosdrill.cli import cli
from chaosdrill.paths import VARIABLE
from tests.synthetic_run import RUN_ID, make_run


@pytest.fixture
def stored(tmp_path, monkeypatch):
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    return make_run(tmp_path / "runs")


def judged(*arguments):
    return CliRunner().invoke(cli, ["runs", "judge", *arguments])


def test_the_newest_run_is_judged_for_people(stored):
    said = judged()
    assert said.exit_code == 0
    assert said.stdout.startswith(f"{RUN_ID}: passed\n")
    for text in (
        "recovery_fail_over_s",
        "3.9",
        "fail-over to ap-northeast-3",
        "Step Functions: StopSource",
        "accepted",
    ):
        assert text in said.output


def test_machines_get_the_whole_judgement(stored):
    said = judged(RUN_ID[:9], "--json")
    found = json.loads(said.stdout)
    assert (said.exit_code, found["run"], found["version"], found["verdict"]) == (0, RUN_ID, 1, "passed")
    assert {"value", "unit", "how", "resolution", "uncertainty"} <= set(found["figures"]["recovery_fail_over_s"])


def test_a_run_that_is_not_whole_is_judged_by_its_path_and_exits_with_1(stored):
    (stored / "records" / "ledger.jsonl").unlink()
    said = judged(str(stored))
    assert said.exit_code == 1
    assert f"{RUN_ID}: invalid" in said.output
    assert "records-missing" in said.output


def test_a_run_that_there_is_none_of_is_bad_usage(stored):
    said = judged("nope")
    assert said.exit_code == 2
    assert f"there is no run 'nope' in {stored.parent}" in said.output
