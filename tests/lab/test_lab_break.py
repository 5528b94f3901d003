"""`chaosdrill lab break`, as it is typed."""

import re
from collections.abc import Iterator

import pytest

from tests.running_lab import RunningLab

pytestmark = pytest.mark.long

MET = r"met (\d+) call"
LOOK = "aws sts get-caller-identity --profile chaosdrill-lab --cli-read-timeout 20"


@pytest.fixture(autouse=True)
def _mended(lab: RunningLab) -> Iterator[None]:
    yield
    lab.run("lab", "break", "--clear")


def test_it_breaks_shows_and_mends(lab: RunningLab) -> None:
    assert lab.run("lab", "break").stdout == "nothing is broken\n"
    said = lab.run("lab", "break", "aws", "sts", "expired", "--region", "ap-northeast-1").stdout
    assert all(value in said for value in ("sts", "expired", "ap-northeast-1"))
    assert re.findall(MET, said) == ["0"]
    assert "ExpiredToken" in lab.shell(LOOK, check=False).stderr
    assert re.findall(MET, lab.run("lab", "break").stdout) == ["1"]
    assert lab.run("lab", "break", "--clear").stdout == "repaired: 1 fault(s) removed\n"
    assert "123456789012" in lab.shell(LOOK).stdout
    assert lab.run("lab", "break", "--clear").stdout == "nothing was broken\n"


def test_a_service_by_the_name_that_the_aws_cli_gives_it(lab: RunningLab) -> None:
    said = lab.run("lab", "break", "aws", "stepfunctions", "slow", "--seconds", "0.5", "--calls", "2").stdout
    assert all(value in said for value in ("states", "slow", "0.5 s"))
    assert re.findall(r"(\d+) call", said)[0] == "2"


@pytest.mark.parametrize(
    ("typed", "named"),
    [
        (("aws", "kinesis", "reset"), "'kinesis'"),
        (("aws", "sts", "sulking"), "'sulking'"),
        (("--clear", "aws", "sts", "reset"), "--clear"),
    ],
)
def test_what_cannot_be_is_told(lab: RunningLab, typed: tuple[str, ...], named: str) -> None:
    done = lab.run("lab", "break", *typed, check=False)
    assert done.returncode != 0
    assert named in done.stderr
    assert lab.run("lab", "break").stdout == "nothing is broken\n"


def test_the_help_teaches(lab: RunningLab) -> None:
    taught = lab.run("lab", "break", "aws", "--help").stdout
    for word in ("throttling", "lost-answer", "--everyone", "chaosdrill lab break aws dynamodb throttling --calls 5"):
        assert word in taught
