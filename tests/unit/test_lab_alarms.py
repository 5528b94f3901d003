"""When an alarm of the lab is in which state: literal data in, verdict out."""

from typing import Any

import pytest

BAD, GOOD, NONE = True, False, None


def verdict(*arguments: Any) -> str | None:
    from chaosdrill.lab.aws import alarms  # imports moto

    return alarms.verdict(*arguments)


def test_periods_are_whole_and_the_newest_is_first():
    from chaosdrill.lab.aws.alarms import periods

    data = [(100.0, 1.0), (109.9, 3.0), (110.0, 5.0), (129.0, 7.0), (131.0, 9.0)]
    assert periods(data, 10.0, 135.0, 4) == [[7.0], [5.0], [1.0, 3.0], []]


@pytest.mark.parametrize(
    ("breaches", "state"),
    [
        ([BAD, BAD], "ALARM"),
        ([BAD, GOOD], "OK"),
        ([GOOD, BAD], "OK"),
        ([NONE, BAD, BAD], "ALARM"),  # periods without data are passed over
        ([NONE, BAD, GOOD], "OK"),
        ([NONE, NONE, BAD], "ALARM"),  # as the table in CloudWatch's documentation has it
        ([NONE, NONE, NONE], "INSUFFICIENT_DATA"),
    ],
)
def test_two_periods_in_a_row_make_an_alarm(breaches, state):
    assert verdict(breaches, 2, None, None) == verdict(breaches, 2, None, "missing") == state


@pytest.mark.parametrize(
    ("missing", "state"), [("breaching", "ALARM"), ("notBreaching", "OK"), ("ignore", None), ("missing", "ALARM")]
)
def test_missing_data_are_treated_as_the_alarm_says(missing, state):
    assert verdict([NONE, BAD], 2, None, missing) == state


def test_fewer_datapoints_may_be_enough():
    assert verdict([GOOD, BAD, BAD], 3, 2, None) == "ALARM"
    assert verdict([GOOD, GOOD, BAD], 3, 2, None) == "OK"
