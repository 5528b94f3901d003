"""Fixtures of the contract tests."""

import functools
from collections.abc import Iterator
from pathlib import Path

import pytest
from botocore.loaders import JSONFileLoader

from chaosdrill import bounded_yaml
from chaosdrill.aws import polling, read_coalescing, stepfunctions
from chaosdrill.history import OpenDrill
from tests.contract import lab_aws
from tests.contract.activities_rig import Rig, drill
from tests.contract.call_recorder import Recorder, recording

LOOKS_EVERY_S = 0.2


@pytest.fixture(scope="session", autouse=True)
def files_read_once() -> Iterator[None]:
    """botocore reads a service's model again for each session, and many tests have sessions of their own; nearly all
    read the same topologies and experiments.
    """
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(bounded_yaml, "compose", functools.lru_cache(64)(bounded_yaml.compose))
        patched.setattr(JSONFileLoader, "load_file", staticmethod(functools.cache(JSONFileLoader().load_file)))
        yield


@pytest.fixture(scope="session", autouse=True)
def recorder() -> Iterator[Recorder]:
    """Compares every call of the contract tests with botocore's models."""
    with recording() as one:
        yield one


@pytest.fixture(autouse=True)
def as_the_models_say(recorder: Recorder) -> Iterator[None]:
    """Neither a request nor a response of the test differs from the models."""
    yield
    assert recorder.take() == []


@pytest.fixture(autouse=True)
def no_pace(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is asked here again and again need not wait a second each time; that others do is tested elsewhere."""
    monkeypatch.setattr(read_coalescing, "EVERY_S", 0.0)
    monkeypatch.setattr(read_coalescing, "GRACE_S", 0.0)
    monkeypatch.setattr(stepfunctions, "LISTS_EVERY_S", 0.0)
    monkeypatch.setattr(polling, "interval_s", lambda spent_s, every_s=1.0: min(every_s, LOOKS_EVERY_S))


@pytest.fixture(autouse=True)
def drill_is_open(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Actions refuse outside a drill. Each test has its own: executions are named after the run."""
    with drill(tmp_path_factory.mktemp("drill")):
        yield


@pytest.fixture(scope="session")
def aws_session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[lab_aws.LabAws]:
    """One AWS endpoint for all tests; at the smallest scale."""
    with lab_aws.running(tmp_path_factory.mktemp("lab-aws")) as lab:
        yield lab


@pytest.fixture
def aws(aws_session: lab_aws.LabAws) -> Iterator[lab_aws.LabAws]:
    """The endpoint, with the supervisor's memory empty and nothing refused."""
    aws_session.supervisor.calls.clear()
    yield aws_session
    aws_session.supervisor.refuse.clear()
    assert aws_session.process.poll() is None, "the endpoint died"


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """The activities against a lab of AWS endpoints, one for a file of tests."""
    with lab_aws.running(tmp_path_factory.mktemp("lab")) as lab:
        yield Rig(lab)


@pytest.fixture
def one_drill(tmp_path: Path) -> Iterator[OpenDrill]:
    """A drill that is open in this process."""
    with drill(tmp_path) as one:
        yield one
