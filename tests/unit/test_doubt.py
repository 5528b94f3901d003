"""What an error says of what is half done."""

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from chaosdrill.aws.ambiguous_result import both_told, describe_half_done
from chaosdrill.errors import CannotSee, DrillError, TimedOut

REFUSED = ClientError({"Error": {"Code": "InternalServerError", "Message": "no"}}, "SendCommand")


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (CannotSee("blind"), CannotSee),
        (TimedOut("late"), TimedOut),
        (REFUSED, DrillError),
        (EndpointConnectionError(endpoint_url="http://127.0.0.1:9"), DrillError),
    ],
)
def test_an_error_says_what_is_left_behind_and_stays_what_it_is(error: Exception, kind: type[Exception]) -> None:
    with pytest.raises(DrillError, match=r": it may run on$") as told, describe_half_done("it may run on"):
        raise error
    assert told.type is kind
    assert str(told.value).startswith(str(error))


def test_when_ending_fails_too_both_are_told() -> None:
    with (
        pytest.raises(DrillError, match=r"^blind; and ending it failed, too: .*SendCommand"),
        both_told(CannotSee("blind")),
    ):
        raise REFUSED


def test_a_signal_stays_a_signal_though_ending_fails() -> None:
    with pytest.raises(KeyboardInterrupt), both_told(KeyboardInterrupt()):
        raise REFUSED
