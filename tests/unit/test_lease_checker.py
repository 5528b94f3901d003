"""The checker of the lease race finds what is planted in a log, and nothing in a log that is right."""

from typing import Any

import pytest

from tests.lease_race.checker import Bound, check

BOUND = Bound(lease_s=10, attempt_s=7, forward=("DisableRule",), reversal=("EnableRule",))
Call = dict[str, Any]


def call(at_s: float, app: str, operation: str, *keys: str, status: int = 200) -> Call:
    needed = [{"action": "dynamodb:UpdateItem", "context": {"dynamodb:LeadingKeys": [key]}} for key in keys]
    return {"at_s": at_s, "app": app, "operation": operation, "permissions": needed, "status": status}


def take(at_s: float, app: str, run: str, *over: str) -> Call:
    return call(at_s, app, "TransactWriteItems", "resource#bank", *(f"run#{one}" for one in (run, *over)))


def renewal(at_s: float, app: str, run: str) -> Call:
    return call(at_s, app, "UpdateItem", f"run#{run}")


def numbered(*calls: Call) -> list[Call]:
    return [{**one, "number": number} for number, one in enumerate(calls, start=1)]


RIGHT = (
    take(0, "a", "a1"),
    call(1, "a", "TransactWriteItems", "run#a1"),  # an undo is owed
    call(2, "a", "DisableRule"),
    renewal(3, "a", "a1"),
    call(12, "a", "DisableRule"),
    take(21.5, "b", "b1", "a1"),
    call(22, "b", "EnableRule"),
    call(23, "b", "TransactWriteItems", "resource#bank", "run#b1"),  # released
    take(24, "c", "c1"),
    call(25, "c", "DisableRule"),
    call(26, "c", "EnableRule"),
)


def found(*calls: Call) -> list[tuple[str, str, float]]:
    return [(one.kind, one.run, round(one.by_s, 3)) for one in check(numbered(*calls), BOUND).violations]


def test_a_log_that_is_right() -> None:
    checked = check(numbered(*RIGHT), BOUND)
    assert checked.violations == ()
    assert [(one.app, one.run, one.over) for one in checked.takes] == [
        ("a", "a1", ""),
        ("b", "b1", "a1"),
        ("c", "c1", ""),
    ]
    assert (checked.changes, checked.repairs, len(checked.take_overs)) == (3, 1, 1)
    assert checked.slack_s == (1.5,)
    assert checked.gaps_s == (10.0,)


PLANTED = {
    "a change of the stale run after the take-over": (
        (*RIGHT[:7], call(22.5, "a", "DisableRule"), call(22.7, "b", "EnableRule"), *RIGHT[7:]),
        [("after-take-over", "a1", 1.0)],
    ),
    "its reversal after the take-over": (
        (*RIGHT[:7], call(22.5, "a", "EnableRule"), *RIGHT[7:]),
        [("after-take-over", "a1", 1.0)],
    ),
    "a change after the lease has ended": (
        (*RIGHT[:5], call(13.5, "a", "DisableRule"), *RIGHT[5:]),
        [("after-expiry", "a1", 0.5)],
    ),
    "a take-over while a request may be under way": (
        (*RIGHT[:5], take(19, "b", "b1", "a1"), *RIGHT[6:]),
        [("taken-over-too-early", "b1", 1.0)],
    ),
    "a change before any lease": ((call(0, "c", "EnableRule"), *RIGHT), [("without-lease", "c", 0.0)]),
    "a taker that repairs nothing": ((*RIGHT[:6], *RIGHT[7:]), [("not-repaired", "a1", 0.0)]),
    "a repair that was refused": (
        (*RIGHT[:6], call(22, "b", "EnableRule", status=503), *RIGHT[7:]),
        [("not-repaired", "a1", 0.0)],
    ),
    "a change that stays at the end": (RIGHT[:-1], [("not-repaired", "c1", 0.0)]),
}


@pytest.mark.parametrize("planted", PLANTED)
def test_what_is_planted_is_found(planted: str) -> None:
    calls, violations = PLANTED[planted]
    assert found(*calls) == violations


def test_a_transaction_that_failed_takes_no_lease() -> None:
    failed = {**take(21.4, "c", "c0", "a1"), "status": 400}
    assert found(*RIGHT[:5], failed, *RIGHT[5:]) == []
