"""FIS starts one experiment per token: that of a start follows from run, step and number."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from chaosdrill import history
from chaosdrill.aws import fis
from chaosdrill.history import History, OpenDrill, opened
from chaosdrill.packet_loss.experiments import start_token
from tests.contract.activities_rig import outside


@pytest.fixture
def drill(tmp_path: Path) -> Iterator[OpenDrill]:
    log = History(tmp_path / "history.jsonl")
    with opened(OpenDrill("run-1", tmp_path, log)) as one:
        begin(one, "lose packets", 1)
        yield one
    log.close()


def begin(drill: OpenDrill, step: str, number: int) -> None:
    """Begin a step in this thread."""
    drill.history.append("activity-started", activity=step, number=number)
    drill.undos.begin(number)


def token_in_step(drill: OpenDrill, step: str, number: int) -> str:
    begin(drill, step, number)
    return start_token()


def test_a_start_that_is_not_known_to_have_been_carried_out_keeps_its_token(drill: OpenDrill) -> None:
    first = start_token()
    assert start_token() == first
    history.record(fis.STARTED, experiment="EXP1", region="r", step="cut the region off")
    assert start_token() == first
    history.record(fis.STARTED, experiment="EXP2", region="r", step="lose packets")
    assert start_token() != first


def test_steps_that_run_at_the_same_time_have_tokens_of_their_own(drill: OpenDrill) -> None:
    with ThreadPoolExecutor(1) as pool:
        other = pool.submit(token_in_step, drill, "cut the region off", 2).result()
        assert pool.submit(token_in_step, drill, "lose packets", 3).result() == start_token() != other


def test_another_run_and_no_run_have_others(drill: OpenDrill, tmp_path: Path) -> None:
    first = start_token()
    with outside():
        assert start_token() != start_token()
        with opened(OpenDrill("run-2", tmp_path, drill.history)) as other:
            begin(other, "lose packets", 1)
            assert start_token() != first
