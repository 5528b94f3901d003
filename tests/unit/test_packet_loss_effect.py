import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaosdrill.packet_loss.effect import ClientWindow, Drops, effect
from tests.failing import fails_with


def window(
    mean_ms: float = 3, p90_ms: float = 5, requests: int = 200, complete: bool = True, failures: int = 0
) -> ClientWindow:
    return ClientWindow(requests, failures, mean_ms, 2.5, p90_ms, complete)


CALM = window()
ROSE, STILL, UNREAD = Drops(10, 300), Drops(10, 10), Drops(10, None)


@pytest.mark.parametrize(("mean_ms", "p90_ms"), [(95, 225), (147, 417), (120, 300)])
def test_what_was_measured_at_30_percent_landed(mean_ms: float, p90_ms: float) -> None:
    found = effect(CALM, window(mean_ms, p90_ms), ROSE)
    assert (found.landed, found.p90_rose, found.mean_rose, found.drops_rose) == (True, True, True, True)


@pytest.mark.parametrize(("mean_ms", "p90_ms"), [(2, 2), (4, 7), (8, 30)])
def test_what_was_measured_without_loss_did_not(mean_ms: float, p90_ms: float) -> None:
    assert not effect(CALM, window(mean_ms, p90_ms), ROSE).landed
    assert not effect(CALM, window(mean_ms, p90_ms), UNREAD).landed


def test_the_mean_alone_tells_a_loss_that_few_requests_feel() -> None:
    found = effect(CALM, window(mean_ms=40, p90_ms=6), ROSE)
    assert (found.landed, found.p90_rose, found.mean_rose) == (True, False, True)


def test_slowness_without_a_dropped_packet_is_not_the_fault() -> None:
    assert not effect(CALM, window(147, 417), STILL).landed


def test_where_drops_cannot_be_read_latency_decides() -> None:
    found = effect(CALM, window(147, 417), UNREAD)
    assert (found.landed, found.drops_rose) == (True, None)


def test_errors_that_rose_tell_only_where_drops_were_seen() -> None:
    failing = window(failures=20)
    found = effect(CALM, failing, ROSE)
    assert (found.landed, found.errors_rose, found.p90_rose, found.mean_rose) == (True, True, False, False)
    assert not effect(CALM, failing, STILL).landed, "something else broke"
    assert not effect(CALM, failing, UNREAD).landed, "something else may have broken"
    assert not effect(window(failures=15), failing, ROSE).landed, "it failed before, too"


def test_a_counter_that_was_begun_anew_counts_from_zero() -> None:
    assert Drops(1000, 40).rose is True
    assert Drops(1000, 0).rose is False
    assert Drops(None, 40).rose is None


def test_a_slow_system_must_double() -> None:
    assert not effect(window(150, 400), window(170, 520), ROSE).landed
    assert effect(window(60, 150), window(140, 350), ROSE).landed


@pytest.mark.parametrize(
    ("before", "after", "code"),
    [
        (CALM, window(complete=False), "load-window-incomplete"),
        (window(complete=False), window(147, 417), "load-window-incomplete"),
        (CALM, window(147, 417, requests=9), "too-few-requests"),
        (window(requests=0), window(147, 417), "too-few-requests"),
        (ClientWindow(20, 0, None, None, None, True), CALM, "too-few-requests"),
    ],
)
def test_what_is_blind_or_idle_is_not_judged(before: ClientWindow, after: ClientWindow, code: str) -> None:
    with fails_with(code):
        effect(before, after, ROSE)


latencies = st.floats(0.1, 30_000)


@given(latencies, latencies, latencies, latencies, st.integers(0, 10**9))
def test_never_without_a_dropped_packet(a: float, b: float, c: float, d: float, drops: int) -> None:
    assert not effect(window(a, b), window(c, d), Drops(drops, drops)).landed


@given(latencies, latencies, st.floats(0, 1), st.floats(0, 1))
def test_never_when_clients_feel_nothing(mean_ms: float, p90_ms: float, less: float, lower: float) -> None:
    assert not effect(window(mean_ms, p90_ms), window(mean_ms * less, p90_ms * lower), ROSE).landed


@given(latencies, latencies, latencies, latencies, st.floats(1, 10))
def test_worse_under_the_fault_never_unlands_it(a: float, b: float, c: float, d: float, worse: float) -> None:
    if effect(window(a, b), window(c, d), ROSE).landed:
        assert effect(window(a, b), window(c * worse, d * worse), ROSE).landed
