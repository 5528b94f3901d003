"""What is seen of one transition: when the facts turned, when clients noticed it, and what a fault is compared with."""

import dataclasses
from datetime import UTC, datetime
from typing import Any

import numpy
import pytest

from chaosdrill.analysis.client_observations import Served, served
from chaosdrill.analysis.effect import LANDED, NO_EFFECT, fault_effect
from chaosdrill.analysis.metrics import effect, latencies, without_service
from chaosdrill.analysis.records import Beats
from chaosdrill.analysis.region_observations import FactsChange, Span, at, during, facts_changes, turned
from chaosdrill.analysis.run import Run
from chaosdrill.analysis.transitions import Leg, TransitionStep
from chaosdrill.messages import NOTHING
from tests.unit.records_rig import NS, T0, beats, requests, simulated

HOME, STANDBY = "ap-northeast-1", "ap-northeast-3"
LOSSY: dict[str, Any] = {"event": "fault-injecting", "fault": {"percent": 30}}


def facts(picture: str) -> list[FactsChange]:
    """A change of the facts each 10 s, seen last 9 s later: ``t`` true, ``f`` false, ``?`` not readable."""
    return [
        FactsChange(number * 10 - 1 if number else None, number * 10, "", {"it": {"t": True, "f": False}.get(mark)})
        for number, mark in enumerate(picture)
    ]


def span(picture: str, since: int = 0, until: int = 1000) -> tuple[int | None, int] | None:
    found = turned(facts(picture), since, until, lambda look: look.facts["it"])
    return (found.after_ns, found.by_ns) if found else None


@pytest.mark.parametrize(
    ("picture", "since", "turned_at"),
    [
        ("ft", 0, (9, 10)),
        ("fft", 0, (19, 20)),
        ("t", 0, (None, 0)),
        ("?t", 0, (None, 10)),
        ("f?t", 0, (9, 20)),  # between when it was last seen to be false and when it was seen to be true
        ("ff", 0, None),
        ("??", 0, None),
        ("tt", 5, None),  # it was true before already
        ("t?t", 5, None),  # it was not readable between, and nobody saw it become false
        ("ft?t", 15, None),
        ("tft", 5, (19, 20)),
        ("tftft", 25, (39, 40)),
        ("ftftf", 15, (29, 30)),  # the first of several that begins there
    ],
)
def test_something_turns_when_it_is_seen_true_and_was_not_seen_true_last(picture, since, turned_at):
    assert span(picture, since) == turned_at


def test_what_turns_at_either_end_of_the_time_turns_in_it_and_beyond_it_does_not() -> None:
    assert [span("ft", *times) for times in ((10, 10), (0, 10), (10, 20))] == [(9, 10)] * 3
    assert [span("ft", *times) for times in ((0, 9), (11, 20))] == [None, None]


def test_the_facts_at_a_moment_are_the_last_ones_read_until_then() -> None:
    seen = facts("fft")
    assert [at(seen, moment) for moment in (-1, 0, 9, 10, 99)] == [None, seen[0], seen[0], seen[1], seen[2]]
    assert during(seen, 0, 10) == (seen[0], seen[1])
    assert during(seen, 5, 19) == (seen[0], seen[1])
    assert during(seen, -5, -1) == ()


def test_a_look_that_does_not_say_what_was_before_it_follows_the_one_that_was_written_before() -> None:
    rows: list[dict[str, Any]] = [
        {"event": "region-facts", "ended_ns": 10, "facts": {}},
        {"event": "region-facts", "ended_ns": 15},  # without facts it is no look
        {"event": "region-facts", "ended_ns": 20, "facts": {}},
        {"event": "region-facts", "ended_ns": 30, "facts": {}, "previous_ns": 29},
        {"event": "region-facts", "ended_ns": "later", "facts": {}},  # and was written nobody knows when
    ]
    assert [(look.before_ns, look.by_ns) for look in facts_changes(Run(rows))] == [(None, 10), (10, 20), (29, 30)]


def leg(since_s: float, until_s: float) -> Leg:
    return Leg("fail-over", T0 + round(since_s * NS), T0 + round(until_s * NS), HOME, STANDBY, "SUCCEEDED", ())


def noticed_s(made: Beats, movement: Leg, fault: Span | None = None) -> float | None:
    found: Served = served(Run([], made), movement, fault, None, NOTHING)
    return (found.noticed.after_ns - T0) / NS if found.noticed and found.noticed.after_ns is not None else None


@pytest.mark.parametrize(
    ("read", "noticed"),
    [
        ("o" * 60, None),
        ("x" + "o" * 59, None),  # before it began
        ("o" * 19 + "x" + "o" * 40, None),
        ("o" * 20 + "x" + "o" * 39, 1.0),
        ("x" + "o" * 24 + "rx" + "o" * 33, 1.25),
        ("o" * 39 + "x" + "o" * 20, 1.95),
        ("o" * 40 + "x" + "o" * 19, None),  # when the next movement had begun
        ("o" * 59 + "x", None),
    ],
)
def test_clients_notice_a_movement_by_the_first_unserved_beat_while_it_lasts(read, noticed):
    assert noticed_s(beats(read), leg(1, 2)) == noticed


def test_clients_notice_a_movement_from_the_fault_that_it_answers() -> None:
    made = beats("xx" + "o" * 8 + "x" + "o" * 14 + "x" + "o" * 34)
    assert noticed_s(made, leg(1, 2)) == 1.25
    assert noticed_s(made, leg(1, 2), Span(None, T0 + NS // 4)) == 0.5
    assert noticed_s(made, leg(1, 2), Span(None, T0 + 3 * NS // 2)) == 1.25, "a later fault is another one's"


def test_how_soon_they_noticed_it_is_known_to_the_deadline_of_the_beat() -> None:
    refused, given_up = (served(Run([], beats("o" * 20 + mark)), leg(1, 2), None, None, NOTHING) for mark in "rx")
    assert refused.noticed == Span(T0 + NS, T0 + NS + NS // 100)
    assert given_up.noticed == Span(T0 + NS, T0 + 2 * NS), "no later than its deadline"


def before(run: Run, fault: Span | None, *moved: Leg) -> int:
    """How many beats were due before anything was done."""
    times = {one["when"]: one["count"] for one in latencies(run, without_service(run), fault, moved)}
    count: int = times["before"]
    return count


def test_latencies_before_are_those_before_the_fault_or_the_first_movement_whichever_was_first() -> None:
    run = Run([], beats("o" * 600))
    fault = Span(None, T0 + 10 * NS)
    assert before(run, fault) == 200
    assert before(run, fault, leg(20, 30)) == 200
    assert before(run, None, leg(20, 30)) == 400
    assert before(run, Span(None, T0 + 25 * NS), leg(20, 30)) == 400
    assert before(run, None) == 600, "nothing was done: all of it was before"


def step(since_s: float, until_s: float) -> TransitionStep:
    return TransitionStep("", T0 + round(since_s * NS), T0 + round(until_s * NS), {})


@pytest.mark.parametrize(
    ("read", "legs", "fault_s", "expected"),
    [
        ("o" * 600, [(10, 20)], None, {"before": 200, "during": 200, "after": 200}),
        ("o" * 250 + "x" * 250 + "o" * 200, [(10, 20)], None, {"before": 200, "during": 300, "after": 200}),
        ("o" * 250 + "x" * 250 + "o" * 50, [(10, 20)], None, {"before": 200, "during": 350}),  # never sustained again
        ("o" * 600, [], 10, {"before": 200, "after": 400}),
        ("o" * 250 + "x" * 150 + "o" * 200, [], 10, {"before": 200, "during": 200, "after": 200}),
        ("o" * 600, [], None, {"before": 600}),
        ("o" * 600, [], 60, {"before": 600}),
        ("o" * 600, [(-5, 10)], None, {"during": 200, "after": 400}),
        ("o" * 600, [(10, 15), (15, 25)], None, {"before": 200, "during": 300, "after": 100}),
    ],
)
def test_latencies_after_begin_when_all_was_done_and_service_was_sustained(read, legs, fault_s, expected) -> None:
    run, fault = Run([], beats(read)), None if fault_s is None else Span(None, T0 + round(fault_s * NS))
    movements = [dataclasses.replace(leg(*one), steps=(step(*one),)) for one in legs]
    found = latencies(run, without_service(run), fault, movements)
    assert {one["when"]: one["count"] for one in found} == expected


def test_latencies_after_begin_when_the_fault_was_healed() -> None:
    healed = {"event": "activity-ended", "func": "heal_packet_loss", "status": "succeeded", "output": {"done": True}}
    run = Run([{**healed, "at": at_text(15)}], beats("o" * 600))
    found = latencies(run, without_service(run), Span(None, T0 + 10 * NS), ())
    assert {one["when"]: one["count"] for one in found} == {"before": 200, "during": 100, "after": 300}


def at_text(at_s: float) -> str:
    return datetime.fromtimestamp(T0 / NS + at_s, UTC).isoformat()


def window(since_s: float, until_s: float) -> tuple[int, int]:
    return T0 + round(since_s * NS), T0 + round(until_s * NS)


def bad_in(*spans: tuple[float, float]) -> Any:
    """A third of the beats in each of these spans."""

    def failing(at_s: numpy.ndarray[Any, Any]) -> numpy.ndarray[Any, Any]:
        third = numpy.arange(len(at_s)) % 3 == 0
        inside: numpy.ndarray[Any, Any] = third & numpy.any([(at_s >= a) & (at_s < b) for a, b in spans], axis=0)
        return inside

    return failing


def test_the_fault_is_compared_with_the_30_s_before_it() -> None:
    made = simulated(150, bad_in((0, 20), (60, 90)))
    fault = Span(None, T0 + 60 * NS)
    found = effect(Run([LOSSY], made), fault, ())
    assert found is not None
    assert found.as_json() == fault_effect(window(30, 60), window(60, 90), made).as_json()
    assert found.verdict == LANDED
    earlier = simulated(150, bad_in((31, 58), (60, 90)))  # as bad before, but for the last 2 s
    found = effect(Run([LOSSY], earlier), fault, ())
    assert found is not None
    assert found.as_json() == fault_effect(window(30, 60), window(60, 90), earlier).as_json()
    assert found.verdict != LANDED


def test_the_time_under_the_fault_begins_when_it_runs_and_ends_with_what_is_done_next() -> None:
    made = simulated(150, bad_in((60, 70)))
    asked = Span(T0 + 58 * NS, T0 + 60 * NS)
    healed = {"event": "activity-ended", "func": "heal_packet_loss", "status": "succeeded", "output": {"done": True}}
    running = {"event": "fault-running", "at": at_text(62)}

    def compared(*events: dict[str, Any], moved: tuple[Leg, ...] = ()) -> Any:
        found = effect(Run([LOSSY, *events], made), asked, moved)
        assert found is not None
        return found.as_json()  # JSON, because nan, where nobody answered, is not equal to itself

    def expected(since_s: float, until_s: float) -> Any:
        return fault_effect(window(28, 58), window(since_s, until_s), made).as_json()

    assert compared() == expected(60, 90), "the time while it was injected belongs to neither"
    assert compared(running) == expected(62, 90)
    assert compared(running, {**healed, "at": at_text(80)}) == expected(62, 80)
    assert compared(moved=(leg(70, 80), leg(100, 110))) == expected(60, 70)
    assert compared({**healed, "at": at_text(68)}, moved=(leg(70, 80),)) == expected(60, 68)
    assert compared({**healed, "at": at_text(5)}, moved=(leg(10, 20),)) == expected(60, 90), "before the fault"


def test_without_a_fault_lost_packets_or_records_there_is_nothing_to_compare() -> None:
    made, asked = simulated(90), Span(None, T0 + 60 * NS)
    quiet = requests([("a", number / 20, 0.02, 0) for number in range(1800)])
    assert effect(Run([LOSSY], made), None, ()) is None
    assert effect(Run([{"event": "fault-injecting"}], made), asked, ()) is None
    assert effect(Run([LOSSY]), asked, ()) is None
    for run in (Run([LOSSY], made), Run([LOSSY], requests=quiet), Run([LOSSY], made, quiet)):
        found = effect(run, asked, ())
        assert found is not None
        assert found.verdict == NO_EFFECT


@pytest.mark.parametrize(
    ("first_s", "sustained_s", "expected_s"),
    [(12, 11, 12), (12, 12.5, 12.5), (None, 11, 11), (12, None, None)],
)
def test_sustained_service_begins_with_the_first_good_answer_at_the_earliest(first_s, sustained_s, expected_s) -> None:
    """The first good answer is one of the region that was entered; none where it never answered."""
    made = beats("o" * 200 + "x" * round((first_s - 10) * 20) + "o" * 200 if first_s else "o" * 200 + "x" * 200)
    span = None if sustained_s is None else Span(None, T0 + round(sustained_s * NS))
    found = served(Run([], made), dataclasses.replace(leg(10, 100), destination="ap-northeast-1"), None, span, NOTHING)
    took_s = None if found.sustained is None else (found.sustained.by_ns - T0) / NS
    assert took_s == (None if expected_s is None else pytest.approx(expected_s, abs=0.06))
