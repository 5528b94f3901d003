"""Fixtures of the contract tests."""

from collections.abc import Iterator

import pytest

from tests.contract import lab_aws


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
