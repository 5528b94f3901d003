"""`lost_writes` counts in the method what the judgement counts at the end, and is never 0 where nothing is known."""

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from chaoslib.exceptions import ActivityFailed

from chaosdrill.analysis.ledger import ledger_of
from chaosdrill.analysis.losses import losses
from chaosdrill.heartbeat.actions import start_heartbeat, stop_heartbeat
from chaosdrill.heartbeat.probes import lost_writes
from chaosdrill.history import OpenDrill
from tests.contract.activities_rig import Rig, drill
from tests.contract.heartbeat_rig import READ, WRITES, Bank, bank_beside
from tests.waiting import wait_for

pytestmark = pytest.mark.long

ACCOUNTS = 20


@pytest.fixture
def writing(rig: Rig, tmp_path: Path) -> Iterator[tuple[Bank, dict[str, Any], OpenDrill]]:
    """A heartbeat on this machine that writes to a bank, in a drill."""
    sent = {"read": READ, **WRITES, "accounts": {"prefix": "synthetic-", "count": ACCOUNTS}, "run": "local"}
    configuration = rig.other_topology(tmp_path / "topology.json", heartbeat=sent)
    with bank_beside() as (bank, url), drill(tmp_path) as one:
        start_heartbeat(host=url, configuration=configuration)
        yield bank, configuration, one
        stop_heartbeat(configuration=configuration)


def judged(one: OpenDrill, label: str) -> Any:
    lines = (one.directory / "records" / "ledger.jsonl").read_text().splitlines()
    return losses(ledger_of(map(json.loads, lines)), label)


def test_writes_that_are_settled_and_had_no_effect_are_lost_in_the_method_too(
    writing: tuple[Bank, dict[str, Any], OpenDrill],
) -> None:
    bank, configuration, one = writing
    bank.stale_until = {f"synthetic-{number:05}": math.inf for number in range(3)}  # their balance stays 0
    begun = bank.deposits
    bank.lost = {begun + 20}  # neither settled nor rolled back
    wait_for(lambda: bank.has_old(begun + 20))
    counted = lost_writes("after", 8, configuration=configuration)
    assert counted > 1
    assert [row["lost"] for row in one.history.events("read-back")] == [counted]
    assert judged(one, "after").count.value == counted
    (region,) = {write.region for write in judged(one, "after").lost}
    assert region == "127.0.0.1"


def test_the_number_is_unknown_where_the_stores_have_not_converged(
    writing: tuple[Bank, dict[str, Any], OpenDrill],
) -> None:
    bank, configuration, _ = writing
    begun = bank.deposits
    bank.stuck = set(range(begun + 10, begun + 15))  # pending for ever; a busy machine may be late with one
    wait_for(lambda: bank.has_old(begun + 14))
    with pytest.raises(ActivityFailed) as error:
        lost_writes("open", 1.5, configuration=configuration)
    assert error.value.__cause__.code == "read-back-not-converged"  # type: ignore[union-attr]


def test_soon_after_the_start_it_waits_until_there_are_writes_to_be_read_back(
    writing: tuple[Bank, dict[str, Any], OpenDrill],
) -> None:
    _, configuration, one = writing
    assert lost_writes("early", 10, configuration=configuration) == 0
    assert judged(one, "early").accepted > 0
