"""Anything as JSON values, without secrets."""

import json
from datetime import UTC, datetime

import pytest

from chaosdrill.history import read_history, secret_texts, secrets_within, to_json_safe
from chaosdrill.history.log import History

MOMENT = datetime(2026, 5, 1, 9, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({1: (2, 3), None: {4}}, {"1": [2, 3], "None": [4]}),
        (b"text", "text"),
        (b"\xff", "base64:/w=="),
        (float("inf"), "inf"),
        (MOMENT, "2026-05-01 09:30:00+00:00"),
        ({"said": "my pin is 4711!", "n": 4711, "ok": True}, {"said": "my pin is ***!", "n": "***", "ok": True}),
        ({"n": 47.11, "m": 47.12}, {"n": "***", "m": 47.12}),
        (
            {"db_password": "x", "tokens": ["a"], "nextToken": "t"},
            {"db_password": "***", "tokens": ["a"], "nextToken": "***"},
        ),
    ],
)
def test_it_becomes_json_without_secrets(value, expected):
    assert to_json_safe(value, hide=["4711", "47.11", "x"]) == expected  # "x" is too short to be hidden everywhere
    json.dumps(to_json_safe(value), allow_nan=False)


def test_a_circle_ends():
    circle: list = []
    circle.append(circle)
    assert json.dumps(to_json_safe(circle))


def test_secrets_are_found_however_deep():
    assert secret_texts({"aws": {"key": "AKIA", "more": ["s", {"pin": 4711}]}, "none": None}) == {"AKIA", "s", "4711"}


def test_the_history_hides_secrets_and_takes_anything(tmp_path):
    history = History(tmp_path / "history.jsonl", hide=["swordfish"])
    history.append("said", words={"a swordfish", 1}, half="\ud800")
    history.close()
    (row,) = read_history(tmp_path / "history.jsonl")
    assert row["words"] == [1, "a ***"]
    assert row["half"] == "\ud800"


def test_passwords_in_urls_are_found_however_deep():
    url = "http://driller:p%40ss-word@127.0.0.1:8089/a"
    assert secrets_within({"a": [{"b": f"see {url}"}], "c": "http://host/x:y@z", "d": 8089}) == {
        "p%40ss-word",
        "p@ss-word",
    }
