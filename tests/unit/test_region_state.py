from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaosdrill.region.state import verdict

TOKYO, OSAKA = "ap-northeast-1", "ap-northeast-3"


def facts(**different: Any) -> dict[str, Any]:
    at_rest = {
        "flag": {TOKYO: False, OSAKA: True},
        "routing": {TOKYO: "On", OSAKA: "Off"},
        "writer": TOKYO,
        "dns": {"addresses": ["10.100.5.165", "10.100.9.84"], "regions": [TOKYO]},
        "running": [],
    }
    return {**at_rest, **different}


def test_at_rest_home_serves() -> None:
    assert verdict(facts()) == f"serving({TOKYO})"


def test_all_four_facts_make_the_standby_serve() -> None:
    moved = facts(
        flag={TOKYO: True, OSAKA: False},
        routing={TOKYO: "Off", OSAKA: "On"},
        writer=OSAKA,
        dns={"addresses": ["10.101.4.37"], "regions": [OSAKA]},
    )
    assert verdict(moved) == f"serving({OSAKA})"


@pytest.mark.parametrize(
    "different",
    [
        {"flag": {TOKYO: False, OSAKA: False}},
        {"routing": {TOKYO: "On", OSAKA: "On"}},
        {"routing": {TOKYO: "Off", OSAKA: "Off"}},
        {"writer": OSAKA},
        {"writer": "none"},
        {"dns": {"addresses": [], "regions": []}},
        {"dns": {"addresses": ["192.0.2.1"], "regions": ["elsewhere"]}},
    ],
)
def test_one_fact_that_differs_is_a_split_or_moving(different: dict[str, Any]) -> None:
    assert verdict(facts(**different)) == "split"
    assert verdict(facts(**different, running=["arn"])) == "moving"


@pytest.mark.parametrize("regions", [[OSAKA], [TOKYO, OSAKA]])
def test_clients_that_have_not_followed_yet_are_no_split(regions: list[str]) -> None:
    """A resolver may keep the old answer for its whole TTL, long after the state machine has ended."""
    behind = {"addresses": ["10.101.4.37"], "regions": regions}
    assert verdict(facts(dns=behind)) == "moving"
    assert verdict(facts(dns=behind, writer=OSAKA)) == "split"
    assert verdict(facts(dns=behind, flag={TOKYO: False, OSAKA: False})) == "split"


def test_closed_everywhere_is_dark_unless_it_moves() -> None:
    closed = {TOKYO: True, OSAKA: True}
    assert verdict(facts(flag=closed)) == "dark"
    assert verdict(facts(flag=closed, running=["arn"])) == "moving"


def test_an_execution_that_has_nothing_left_to_do_does_not_hide_that_home_serves() -> None:
    assert verdict(facts(running=["arn"])) == f"serving({TOKYO})"


@given(st.sampled_from(["flag", "routing", "writer", "dns", "running"]), st.booleans())
def test_a_fact_that_cannot_be_read_makes_it_unknown(name: str, moving: bool) -> None:
    blind = facts(running=["arn"] if moving else [], **{}) | {name: {"error": "no answer"}}
    assert verdict(blind) == "unknown"


@given(
    st.fixed_dictionaries({TOKYO: st.booleans(), OSAKA: st.booleans()}),
    st.fixed_dictionaries({TOKYO: st.sampled_from(["On", "Off"]), OSAKA: st.sampled_from(["On", "Off"])}),
    st.sampled_from([TOKYO, OSAKA, "none", "several"]),
    st.lists(st.sampled_from([TOKYO, OSAKA, "elsewhere"]), unique=True),
    st.lists(st.just("arn"), max_size=1),
)
def test_serving_means_that_nothing_contradicts(
    flag: dict[str, bool], routing: dict[str, str], writer: str, regions: list[str], running: list[str]
) -> None:
    state = verdict(
        {"flag": flag, "routing": routing, "writer": writer, "dns": {"regions": regions}, "running": running}
    )
    for region, other in ((TOKYO, OSAKA), (OSAKA, TOKYO)):
        agrees = (
            (flag[region], flag[other], routing[region], routing[other]) == (False, True, "On", "Off")
            and writer == region
            and regions == [region]
        )
        assert (state == f"serving({region})") == agrees
    assert state != "dark" or (all(flag.values()) and not running)
