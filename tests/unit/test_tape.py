"""What a tape answers: what was recorded to the same question, in its order."""

from chaosdrill.aws.recorder import RecordedCall, Tape
from tests.failing import fails_with


def started(token: str, state: str) -> RecordedCall:
    return RecordedCall("fis", "r", "StartExperiment", {"clientToken": token, "id": "EXT1"}, {"state": state})


def test_answers_to_one_question_come_in_their_order_and_the_last_goes_on() -> None:
    tape = Tape(
        [started("a", "pending"), RecordedCall("fis", "r", "GetExperiment", {"id": "1"}, {}), started("b", "running")]
    )
    asked = [tape.answer("fis", "r", "StartExperiment", {"clientToken": "other", "id": "EXT1"}) for _ in range(3)]
    assert [call.answer["state"] for call in asked] == ["pending", "running", "running"]


def test_what_was_never_asked_has_no_answer() -> None:
    with fails_with("recording-incomplete"):
        Tape([started("a", "pending")]).answer("fis", "r", "StartExperiment", {"clientToken": "a", "id": "EXT2"})
