"""The last DNS lookup that a heartbeat recorded, as far as it has been fetched."""

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

from chaosdrill.client.heartbeat_records import BEATS, HeartbeatFiles

FRESH_S = 60.0


def lookup(*addresses: str, error: str = "") -> bytes:
    return line(["d", 1, list(addresses), 60, error])


def line(row: Any) -> bytes:
    return json.dumps(row, separators=(",", ":")).encode() + b"\n"


BEAT = line(["b", 1, 0, 2, 3, 4, 0, 200, "", "", "10.0.0.1"])


@pytest.fixture
def kept(tmp_path: Path) -> HeartbeatFiles:
    return HeartbeatFiles(tmp_path, (BEATS,))


def test_the_last_one_counts_however_it_arrives(kept: HeartbeatFiles) -> None:
    assert kept.last_lookup(FRESH_S) is None, "nothing was fetched"
    kept.append(BEATS, line({"chaosdrill": "beats"}) + BEAT)
    assert kept.last_lookup(FRESH_S) is None, "nothing was looked up"
    second = lookup("10.0.0.3")
    kept.append(BEATS, lookup("10.0.0.2", "10.0.0.1") + second[:10])
    assert kept.last_lookup(FRESH_S) == ("10.0.0.1", "10.0.0.2")
    kept.append(BEATS, second[10:] + BEAT)
    assert kept.last_lookup(FRESH_S) == ("10.0.0.3",)
    assert kept.last_lookup(FRESH_S) == ("10.0.0.3",)


@pytest.mark.parametrize(
    ("error", "found"),
    [("lookup-nxdomain", ()), ("lookup-no-address", ()), ("lookup-timeout", None), ("lookup-servfail", None)],
)
def test_that_a_name_has_no_address_is_an_answer_and_a_failure_is_none(
    kept: HeartbeatFiles, error: str, found: Any
) -> None:
    kept.append(BEATS, lookup("10.0.0.1") + lookup(error=error))
    assert kept.last_lookup(FRESH_S) == found


def test_what_has_not_been_fetched_for_long_is_not_used(kept: HeartbeatFiles, tmp_path: Path) -> None:
    kept.append(BEATS, lookup("10.0.0.1"))
    then = time.time() - FRESH_S - 1
    os.utime(tmp_path / BEATS, (then, then))
    assert kept.last_lookup(FRESH_S) is None
