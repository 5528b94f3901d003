"""The lab's endpoint for what runs on the client host, without the pauses that spare AWS, and with SSM's bad days."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from botocore.retries import standard

from chaosdrill.aws import credentials, polling, sessions, ssm
from chaosdrill.client.host import remote_program
from tests.contract.activities_rig import TOKYO, Rig
from tests.contract.lab_aws import get, running

BURST = 5
KINDS = ("throttling", "server-error", "expired", "timeout", "reset", "lost-answer", "slow")
BUCKET = "on-its-way"
HASTY: dict[Any, Any] = {}  # clients that give up soon on an answer


@contextmanager
def hurried(directories: pytest.TempPathFactory) -> Iterator[Rig]:
    """Pauses between tries, looks and commands are short: what AWS should be spared, this machine need not be."""
    with running(directories.mktemp("lab")) as lab, pytest.MonkeyPatch.context() as short:
        for scale in ("throttling_base_scale", "non_throttling_base_scale"):
            short.setitem(standard.ExponentialBackoff._DEFAULT_BACKOFF_CONFIG, scale, 0.005)
        short.setattr(credentials, "_FIRST_PAUSE_S", 0.005)
        short.setattr(polling, "interval_s", lambda spent_s, every_s=1.0: 0.05)
        short.setattr(ssm, "_SHORTEST_S", 0.05)
        short.setattr(remote_program, "CALL_EVERY_S", 0.0)
        short.setenv("XDG_CACHE_HOME", str(directories.mktemp("host")))  # where the client host keeps the program
        lab.client("s3", TOKYO).create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": TOKYO})
        yield Rig(lab)


def mend(rig: Rig) -> None:
    get(f"{rig.lab.url}/chaosdrill/faults", method="DELETE")


def break_ssm(rig: Rig, kind: str, operation: str, calls: int | None = None, seconds: float = 60) -> None:
    fault = {"service": "ssm", "kind": kind, "operation": operation, "calls": calls, "seconds": seconds}
    assert get(f"{rig.lab.url}/chaosdrill/faults", fault, "PUT")[0] == 200


def burst(rig: Rig, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Five calls of each kind fail, to begin with."""
    if kind == "timeout":  # the tries together are what the test waits for
        monkeypatch.setitem(sessions._ON_THIS_MACHINE, "read_timeout", 1.0)
        monkeypatch.setattr(sessions, "_clients", HASTY)
    for operation in ("SendCommand", "GetCommandInvocation"):
        break_ssm(rig, kind, operation, BURST, seconds=0.1 if kind == "slow" else 60)


def hits(rig: Rig) -> list[int]:
    return [fault["hits"] for fault in get(f"{rig.lab.url}/chaosdrill/faults")[1]["faults"]]
