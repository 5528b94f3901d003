"""Which region answered, where answers do not name it: the one whose address they came from."""

from pathlib import Path
from typing import Any

import pytest

from chaosdrill.analysis.judgement import judge
from chaosdrill.analysis.phases import FIRST_GOOD
from chaosdrill.runs.reading import read_run
from chaosdrill.watch.beats import LiveBeats
from tests.synthetic_run import ADDRESSES, FAIL_OVER_S, HOME, SERVED_S, STANDBY, T0_NS, make_run, ns

NAMED = "heartbeat: the first good answer of every operation from the region that was entered"
ADDRESSED = "heartbeat: the first good answer of every operation from an address of the region that was entered"


def unnamed(rows: list[Any]) -> list[Any]:
    return [[*row[:9], "", *row[10:]] if row[0] == "b" else row for row in rows if isinstance(row, list)]


def without_header(rows: list[Any]) -> list[Any]:
    return [rows[0], *unnamed(rows[1:])]


def moved_elsewhere(rows: list[Any]) -> list[Any]:
    """The region that is entered answers from an address that DNS never gave."""
    return [
        [*row[:10], "192.0.2.7"] if row[0] == "b" and row[10] in ADDRESSES[STANDBY] else row
        for row in without_header(rows)[1:]
    ]


def first_good(run: Path) -> tuple[int | None, str]:
    movement = judge(read_run(run)).as_json()["movements"][0]
    phase = next(one for one in movement["phases"] if one["name"] == FIRST_GOOD)
    return phase["at_ns"], phase["evidence"][0]


@pytest.mark.parametrize("stored", [False, True])
def test_the_first_good_answer_is_the_first_from_an_address_of_the_region_that_was_entered(
    tmp_path: Path, stored: bool
) -> None:
    told_ns, how = first_good(make_run(tmp_path / "told", stored=stored))
    assert how == NAMED
    assert told_ns is not None
    assert told_ns >= ns(FAIL_OVER_S + SERVED_S), "home answered well after the failover had begun"
    run = make_run(tmp_path / "untold", beats_of=without_header, stored=stored)
    assert first_good(run) == (told_ns, ADDRESSED)


def test_an_address_that_no_fact_knows_is_not_the_region_that_was_entered(tmp_path: Path) -> None:
    run = make_run(tmp_path, beats_of=lambda rows: [rows[0], *moved_elsewhere(rows)])
    assert first_good(run)[0] is None


def test_only_answers_have_a_region(tmp_path: Path) -> None:
    """A beat that timed out was sent to an address, and nobody there has answered it."""

    def silent(rows: list[Any]) -> list[Any]:
        return [rows[0], *([*row[:6], 2, 0, "timeout", "", row[10]] if row[0] == "b" else row for row in rows[1:])]

    beats = read_run(make_run(tmp_path, beats_of=silent)).beats
    assert beats is not None
    assert {beats.regions[number] for number in beats.region} == {""}


def test_whoever_watches_sees_it_too() -> None:
    beats = LiveBeats()
    beats.take_facts({"facts": {"dns": {"addresses": ADDRESSES[STANDBY], "regions": [STANDBY]}}})
    beats.take_facts({"facts": {"dns": {"addresses": ADDRESSES[HOME], "regions": [HOME, STANDBY]}}})
    beats.take_facts({"facts": {"dns": {"error": "nobody answers"}}})
    for second, address in enumerate((ADDRESSES[STANDBY][0], ADDRESSES[HOME][0])):
        beats.take(["b", second, 0, T0_NS + second * 10**9, 0, 9_000, 0, 200, "", "", address])
    assert [one.region for one in beats.seconds.values()] == [STANDBY, ""]
