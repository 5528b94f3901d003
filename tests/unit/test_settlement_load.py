"""From what the settlement load has measured to its row of the conformance table."""

from collections.abc import Callable
from typing import Any

import pytest

from chaosdrill.conformance.assumptions import AS_ASSUMED, DIFFERS, UNREADABLE
from chaosdrill.conformance.settlement import SettlementLoad, judged, row_of
from chaosdrill.errors import CannotSee


def load(lag_s: Callable[[float], float], every_s: float = 0.05, **others: Any) -> SettlementLoad:
    """20 writes a second for a minute.

    :param lag_s: accept→settled of a write, by when it was accepted.
    :param every_s: between two accepted writes.
    """
    accepted_s = [number * every_s for number in range(round(60 / every_s))]
    facts = {"seconds": 60.0, "rate_per_s": 20.0, "keeps_up": True, "capacity_per_s": 20.0, "settled_per_s": 20.0}
    return SettlementLoad(**facts | {"lags": [(at_s, lag_s(at_s)) for at_s in accepted_s]} | others)


@pytest.mark.parametrize(
    ("measured", "state"),
    [
        (load(lambda at_s: 0.8), AS_ASSUMED),
        (load(lambda at_s: 0.8 + 0.08 * at_s), AS_ASSUMED),  # less than a burst of 2 s can tell apart
        (load(lambda at_s: 20.0 if 10 < at_s < 12 else 0.8), AS_ASSUMED),  # a stall that is over
        (load(lambda at_s: 0.8 + 0.27 * at_s, settled_per_s=15.7), DIFFERS),  # as the sample: 16 s a minute
        (load(lambda at_s: 0.8, every_s=0.1), DIFFERS),  # half of the writes were refused
        (load(lambda at_s: 0.8, keeps_up=False, capacity_per_s=3.0), DIFFERS),
        (load(lambda at_s: 0.8 + 0.5 * at_s, keeps_up=False, capacity_per_s=None), DIFFERS),
        (load(lambda at_s: 0.8, keeps_up=False, capacity_per_s=None, lags=[]), UNREADABLE),
        (CannotSee("no answer", code="heartbeat-unreachable"), UNREADABLE),
    ],
)
def test_settlement_is_flat_or_differs_or_is_unknown(measured: Any, state: str) -> None:
    assert row_of(measured).state == state, row_of(measured)


@pytest.mark.parametrize(
    ("measured", "texts"),
    [
        (load(lambda at_s: 0.8 + 0.27 * at_s, settled_per_s=15.7), ("20/s", "16 s a minute", "15.7/s")),
        (load(lambda at_s: 0.8, keeps_up=False, capacity_per_s=4.0), ("20/s", "240 s a minute", "4/s")),
        (load(lambda at_s: 0.8, every_s=0.1), ("600 of 1190",)),
    ],
)
def test_what_differs_is_told_with_its_growth_and_both_rates(measured: SettlementLoad, texts: tuple[str, ...]) -> None:
    observed = judged(measured)
    assert all(text in observed.text for text in texts), observed.text
