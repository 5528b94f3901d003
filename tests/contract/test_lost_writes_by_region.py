"""Lost writes of one region: as the answers named it, else by the addresses that the writes were sent to."""

from typing import Any

import pytest

from chaosdrill.analysis.ledger import Write
from chaosdrill.analysis.losses import Losses
from chaosdrill.aws import system_of
from chaosdrill.heartbeat.probes import _accepted_by
from chaosdrill.records.ledger import ACCEPTED
from tests.contract.activities_rig import OSAKA, TOKYO, Rig
from tests.failing import fails_with

TOKYO_S, OSAKA_S, NOBODY_S = "10.100.5.165", "10.101.4.37", "192.0.2.7"


def lost(*writes: dict[str, str]) -> Losses:
    kept = [Write(seq, "account", None, 1, 2, ACCEPTED, f"id-{seq}", **one) for seq, one in enumerate(writes)]
    return Losses("after-failover", lost=tuple(kept))


def test_a_region_is_known_by_its_name_or_by_the_address_that_answered(rig: Rig) -> None:
    found = lost(
        {"address": TOKYO_S}, {"region": OSAKA, "address": TOKYO_S}, {"address": TOKYO_S}, {"address": OSAKA_S}
    )
    system = system_of(rig.configuration)
    assert (_accepted_by(system, TOKYO, found), _accepted_by(system, OSAKA, found)) == (2, 2)


@pytest.mark.parametrize("unknown", [{}, {"address": NOBODY_S}])
def test_a_write_of_nobody_knows_which_region_makes_the_number_unknown(rig: Rig, unknown: Any) -> None:
    with fails_with("lost-writes-region-unknown"):
        _accepted_by(system_of(rig.configuration), TOKYO, lost({"address": TOKYO_S}, unknown))
