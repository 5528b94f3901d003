"""FIS's safety lever, as it is read before a fault: engaged, on its way, unreadable, forbidden to read."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from chaosdrill.aws import fis
from chaosdrill.packet_loss.host import engaged_lever

SYSTEM: Any = None  # the reading itself is tested with the lab's FIS


def answering(monkeypatch: pytest.MonkeyPatch, answer: Any) -> None:
    def read(system: Any, region: str) -> Any:
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(fis, "safety_lever", read)


def error(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "no"}}, "GetSafetyLever")


@pytest.mark.parametrize("state", ["engaged", "engaging", "a-state-of-tomorrow"])
def test_all_but_a_disengaged_lever_is_in_the_way(monkeypatch: pytest.MonkeyPatch, state: str) -> None:
    answering(monkeypatch, (state, "a festival"))
    (found,) = engaged_lever(SYSTEM, "ap-northeast-1")
    assert getattr(found, "code", None) == "safety-lever-engaged"


def test_a_disengaged_lever_is_not_in_the_way(monkeypatch: pytest.MonkeyPatch) -> None:
    answering(monkeypatch, ("disengaged", ""))
    assert engaged_lever(SYSTEM, "ap-northeast-1") == []


def test_a_lever_that_may_not_be_read_is_left_to_fis(monkeypatch: pytest.MonkeyPatch) -> None:
    """A role that may start experiments need not be allowed to read it; FIS cancels the experiment then."""
    answering(monkeypatch, error("AccessDeniedException"))
    assert engaged_lever(SYSTEM, "ap-northeast-1") == []


def test_a_lever_that_cannot_be_read_is_not_taken_for_disengaged(monkeypatch: pytest.MonkeyPatch) -> None:
    answering(monkeypatch, error("InternalServerException"))
    with pytest.raises(ClientError):
        engaged_lever(SYSTEM, "ap-northeast-1")
