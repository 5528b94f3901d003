"""Records and clocks: one timeline, whatever the order, the sources and the readings."""

import numpy
import pytest

from chaosdrill.analysis.clocks import Offset, offset_of
from chaosdrill.analysis.columns import operations
from chaosdrill.analysis.expected_beats import MOST_MISSING, SERVED, UNKNOWN, UNSERVED, slots_of, span_of, states
from chaosdrill.analysis.outage_detection import unavailability
from chaosdrill.analysis.records import beats_of, is_served
from tests.unit.records_rig import BEAT, HEADER, MEASURED, NS, RATE, T0, at, beats, columns_of, requests, same


def reading(source: str, at_s: float, offset_s: float, uncertainty_s: float) -> dict[str, object]:
    values = {"at_ns": at_s, "offset_ns": offset_s, "uncertainty_ns": uncertainty_s}
    return {"event": "clock-measured", "source": source} | {name: round(one * NS) for name, one in values.items()}


def test_of_two_that_differ_the_worse_beat_counts():
    good, bad = columns_of({"read": "ooo"}), columns_of({"read": "oxo"})
    for parts in ([good, bad], [bad, good]):
        columns = {name: numpy.concatenate([part[0][name] for part in parts]) for name in good[0]}
        assert is_served(beats_of([HEADER], columns, good[1], MEASURED)).tolist() == [True, False, True]


def test_two_heartbeats_are_merged_in_any_order():
    here, there = columns_of({"read": "ooxxxxxoo"}), columns_of({"read": "ooooooooo"})
    there[0]["source"] = there[0]["source"] + 1
    columns = {name: numpy.concatenate([here[0][name], there[0][name]]) for name in here[0]}
    headers = [
        {**HEADER, "operations": HEADER["operations"][:1], "source": source} for source in ("heartbeat", "other")
    ]
    names = {**here[1], "source": ["heartbeat", "other"]}
    offsets = {"heartbeat": Offset(0, 5), "other": Offset(3 * NS, 7)}
    made = beats_of(headers, columns, names, offsets, watermarks={"heartbeat": T0 + 9, "other": T0 + 4 * NS})
    turned = {name: column[::-1] for name, column in columns.items()} | {"source": 1 - columns["source"][::-1]}
    other = beats_of(headers[::-1], turned, names | {"source": ["other", "heartbeat"]}, offsets,
                     watermarks={"other": T0 + 4 * NS, "heartbeat": T0 + 9})  # fmt: skip
    assert same(made, other)
    assert [(one.name, one.source) for one in made.operations] == [("read", "heartbeat"), ("read", "other")]
    assert (made.watermark_ns, made.clock_uncertainty_ns, at(int(made.due_ns[0]))) == (T0 + 9, 7, -3.0)
    assert len(unavailability(made).by_operation["read"]) == 1


def test_an_operation_without_a_beat_is_an_operation():
    assert [one.name for one in beats("ooo", "").operations] == ["read", "write"]


def test_a_clock_that_was_never_compared_is_known_as_such():
    assert beats_of([HEADER], *columns_of({"read": "ooo"})).clock_uncertainty_ns is None
    assert requests([("a", 0, 1, 0)]).clock_uncertainty_ns is None
    assert requests([("a", 0, 1, 0)], {"a": Offset(0, 5)}).clock_uncertainty_ns == 5


def test_each_worker_goes_by_its_own_clock():
    made = requests([("a", 10, 1, 0), ("b", 5, 1, 0)], {"a": Offset(6 * NS, 1), "b": Offset(0, 1)})
    assert [
        (made.sources[source], at(int(start))) for source, start in zip(made.source, made.start_ns, strict=True)
    ] == [
        ("a", 4.0),
        ("b", 5.0),
    ]


def test_readings_that_agree_give_one_offset_within_all_of_them():
    events = [reading("heartbeat", at_s, 5 + off, 0.2) for at_s, off in ((0, 0.1), (10, -0.1), (20, 0.0))]
    offset = offset_of(events, "heartbeat")
    assert (offset.offset_ns, offset.knots, offset.measured) == (5 * NS, (), True)
    assert offset.uncertainty_ns == round(0.102 * NS)  # 0.1, and what clocks may drift apart in 20 s
    assert offset.to_recorder(T0 + 5 * NS) == T0


def test_readings_that_disagree_are_joined_by_a_line_and_known_no_better():
    events = [reading("heartbeat", 100, 1.0, 0.001), reading("heartbeat", 200, 3.0, 0.001)]
    offset = offset_of(reversed(events), "heartbeat")
    assert offset.uncertainty_ns == 2 * NS
    times = numpy.array([101, 152, 203, 999], numpy.int64) * NS
    assert (offset.to_recorder(times) / NS).tolist() == [100, 150, 200, 996]
    assert offset.to_recorder(152 * NS) == 150 * NS


def test_a_worker_without_a_reading_goes_by_its_generators():
    events = [reading("locust", 0, 2, 0.1), reading("locust-b", 0, 9, 0.1)]
    assert [offset_of(events, name).offset_ns // NS for name in ("locust-a", "locust-b")] == [2, 9]
    assert not offset_of(events, "heartbeat").measured


def test_missing_beats_stand_where_they_were_due():
    made = beats("oo---oo", "ooooooo")
    (read, _) = slots_of(made, span_of(made) or (0, 0))
    assert [round(at(int(due)), 3) for due in read.due_ns[read.state == UNKNOWN]] == [0.1, 0.15, 0.2]


def test_first_beats_that_are_missing_are_known_by_their_number():
    assert span_of(beats("---ooo")) == (T0, T0 + 5 * BEAT)


@pytest.mark.parametrize("rate", [0, 1e5, -3, "20", None, True])
def test_a_header_that_lies_about_the_rate_does_no_harm(rate):
    operations = [{"name": "read", "rate_per_s": rate}]
    made = beats_of([{**HEADER, "operations": operations}], *columns_of({"read": "ooo" * 1000 + "x" * 20 + "ooo"}))
    found = unavailability(made)
    assert len(found.overall) == 1 or len(found.unknown) > 3000  # were more beats due, nothing is known of most
    assert found.at_most_ns >= 20 * BEAT
    assert len(found.slots[0].due_ns) < 200_000


def test_a_record_with_a_leap_of_years_does_no_harm():
    columns, names = columns_of({"read": "o" * 50})
    columns["due_ns"][25:] += 10**17
    found = unavailability(beats_of([HEADER], columns, names, MEASURED))
    assert found.overall == ()
    assert found.at_most_ns > 10**17 - NS


def test_each_beat_has_the_operation_of_its_own_heartbeat_and_those_without_a_beat_are_told() -> None:
    def header(source: str, *names: str) -> dict[str, object]:
        return {**HEADER, "source": source, "operations": [{"name": name, "rate_per_s": RATE} for name in names]}

    headers = [header("a", "read", "idle"), header("b", "read", "write"), header("c", "idle")]
    pairs = [("write", "b"), ("read", "a"), ("read", "b"), ("odd", "a"), ("write", "b")]
    names = {"operation": ["write", "odd", "read"], "source": ["b", "a", "d"]}
    columns = {
        "operation": numpy.array([names["operation"].index(name) for name, _ in pairs]),
        "source": numpy.array([names["source"].index(source) for _, source in pairs]),
    }
    numbers, found = operations(headers, columns, names)
    assert [(one.name, one.source) for one in found] == [
        ("idle", "a"), ("idle", "c"), ("odd", "a"), ("read", "a"), ("read", "b"), ("write", "b")
    ]  # fmt: skip
    assert [one.rate_per_s for one in found] == [RATE, RATE, 0, RATE, RATE, RATE]
    assert [(found[number].name, found[number].source) for number in numbers] == pairs


def test_operations_of_headers_alone_and_of_one_heartbeat_are_told() -> None:
    none = numpy.zeros(0, numpy.int64)
    for sources in ([], ["heartbeat"], ["heartbeat", "other"]):
        numbers, found = operations([HEADER], {"operation": none, "source": none}, {"operation": [], "source": sources})
        assert [(one.name, one.source) for one in found] == [("read", "heartbeat"), ("write", "heartbeat")]
        assert len(numbers) == 0
    columns, names = columns_of({"write": "oo"})
    numbers, found = operations([HEADER], columns, names)
    assert ([one.name for one in found], numbers.tolist()) == (["read", "write"], [1, 1])


@pytest.mark.parametrize(
    "row",
    [
        {"event": "clock-guessed", "offset_ns": 9 * NS, "uncertainty_ns": 1},
        {"event": "clock-measured"},
        {"event": "clock-measured", "offset_ns": 9 * NS},
        {"event": "clock-measured", "offset_ns": "9", "uncertainty_ns": 1},
        {"event": "clock-measured", "offset_ns": True, "uncertainty_ns": 1},
        {"event": "clock-measured", "offset_ns": 9 * NS, "uncertainty_ns": None},
        {"event": "clock-measured", "offset_ns": 9 * NS, "uncertainty_ns": 1.5},
        {"event": "clock-measured", "offset_ns": 9 * NS, "uncertainty_ns": -1},
    ],
)
def test_an_event_that_is_no_measurement_sets_no_clock(row):
    other = row | {"source": "heartbeat", "at_ns": 50 * NS}
    assert not offset_of([other], "heartbeat").measured
    alone = offset_of([reading("heartbeat", 0, 1, 0.1)], "heartbeat")
    assert (alone.offset_ns, alone.uncertainty_ns) == (NS, NS // 10)
    assert offset_of([reading("heartbeat", 0, 1, 0.1), other], "heartbeat") == alone


def test_a_clock_that_is_the_recorder_s_own_is_known_exactly() -> None:
    assert offset_of([reading("heartbeat", 0, 0, 0)], "heartbeat") == Offset(0, 0)


def test_readings_that_only_just_agree_are_one_offset() -> None:
    touching = offset_of([reading("heartbeat", 0, 1.0, 0.5), reading("heartbeat", 0, 2.0, 0.5)], "heartbeat")
    assert (touching.offset_ns, touching.uncertainty_ns, touching.knots) == (3 * NS // 2, 0, ())
    apart = [reading("heartbeat", 0, 1.0, 0.5), reading("heartbeat", 0, 2.0, 0.499)]
    assert (offset_of(apart, "heartbeat").uncertainty_ns, len(offset_of(apart, "heartbeat").knots)) == (NS, 2)


@pytest.mark.parametrize(
    ("mark", "column", "value", "state"),
    [
        ("o", "duration_us", 1_000_000, SERVED),  # the deadline is 1 s
        ("o", "duration_us", 1_000_001, UNSERVED),
        ("x", "duration_us", 1_000_000, UNSERVED),
        ("x", "duration_us", 999_999, UNKNOWN),  # given up before the deadline
        ("r", "duration_us", 10, UNSERVED),
        ("o", "late_us", 250_000, SERVED),
        ("o", "late_us", 250_001, UNKNOWN),
        ("x", "late_us", 250_001, UNKNOWN),
    ],
)
def test_a_beat_is_judged_by_the_deadline_and_tells_nothing_when_it_was_sent_much_too_late(mark, column, value, state):
    columns, names = columns_of({"read": mark})
    columns[column][:] = value
    assert states(beats_of([HEADER], columns, names, MEASURED)).tolist() == [state]


@pytest.mark.parametrize(("seq", "before"), [(0, 0), (1, 1), (MOST_MISSING - 1, MOST_MISSING - 1), (MOST_MISSING, 0)])
def test_as_many_first_beats_are_missing_as_its_number_tells_unless_it_cannot_be(seq, before):
    columns, names = columns_of({"read": "ooo"})
    columns["seq"] += seq
    assert span_of(beats_of([HEADER], columns, names, MEASURED)) == (T0 - before * BEAT, T0 + 2 * BEAT)


def test_beats_without_a_rate_are_as_far_apart_as_they_were_due() -> None:
    headers = [{**HEADER, "operations": [{"name": "read"}]}]
    for picture, interval_ns in (("---o", NS), ("---oo", BEAT), ("---oooo", BEAT)):
        made = beats_of(headers, *columns_of({"read": picture}), MEASURED)
        span = span_of(made)
        assert span == (T0 + 3 * BEAT, T0 + (len(picture) - 1) * BEAT), "when the first ones were due is not known"
        assert [one.interval_ns for one in slots_of(made, span)] == [interval_ns]


def test_beats_that_are_missing_at_one_end_only_stand_there_too() -> None:
    made = beats("-ooo-")
    for before, after in ((0, 0), (1, 0), (0, 1), (2, 3)):
        (read,) = slots_of(made, (T0 + (1 - before) * BEAT, T0 + (3 + after) * BEAT))
        assert read.state.tolist() == [UNKNOWN] * before + [SERVED] * 3 + [UNKNOWN] * after
        assert numpy.diff(read.due_ns).tolist() == [BEAT] * (2 + before + after)


def test_a_gap_is_filled_as_closely_in_a_long_record_as_in_a_short_one() -> None:
    for length in (50, 60_000):
        made = beats("o" * length + "-" * 100 + "o" * 50)
        (read,) = slots_of(made, span_of(made) or (0, 0))
        assert int((read.state == UNKNOWN).sum()) == 100


def test_a_header_may_name_more_operations_than_a_short_number_counts():
    names = {"operation": ["last"], "source": ["heartbeat"]}
    rates = [{"name": f"operation-{number:05}", "rate_per_s": 1} for number in range(2**15 + 1)]
    header = {"source": "heartbeat", "operations": [{"name": "last", "rate_per_s": 1}, *rates]}
    none = numpy.zeros(3, numpy.int8)
    numbers, found = operations([header], {"operation": none, "source": none}, names)
    assert {found[number].name for number in numbers.tolist()} == {"last"}
    header["operations"][0]["name"] = names["operation"][0] = "z-last"
    numbers, found = operations([header], {"operation": none, "source": none}, names)
    assert {found[number].name for number in numbers.tolist()} == {"z-last"}


def test_many_operations_of_many_heartbeats_are_told_apart():
    names = {"operation": [f"o{n}" for n in range(300)], "source": [f"s{n}" for n in range(200)]}
    columns = {"operation": numpy.array([0, 299], numpy.int16), "source": numpy.array([0, 199], numpy.int16)}
    numbers, found = operations([], columns, names)
    assert [(found[one].name, found[one].source) for one in numbers.tolist()] == [("o0", "s0"), ("o299", "s199")]
