"""The lab's plan: scaled times, and the same plan after it was written and read."""

import dataclasses
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaosdrill.lab.plan import SMALLEST_SCALE, LabPlan


def plan(scale: float, directory: Path = Path("/lab")) -> LabPlan:
    return LabPlan(directory, scale, aws_port=1, dns_port=2, load_port=3)


@pytest.mark.parametrize(("scale", "ttl_s", "flag_cache_s", "settle_s"), [(1, 60, 10, 1), (0.2, 12, 2, 0.2)])
def test_waits_are_scaled(scale, ttl_s, flag_cache_s, settle_s):
    scaled = plan(scale)
    assert (scaled.ttl_s, scaled.flag_cache_s, scaled.settle_s) == (ttl_s, flag_cache_s, settle_s)


@given(st.floats(SMALLEST_SCALE, 10))
def test_the_ttl_is_a_whole_number_of_seconds_and_never_0(scale):
    assert plan(scale).ttl_s >= 1
    assert abs(plan(scale).ttl_s - 60 * scale) <= 1


def test_a_plan_survives_being_written_and_read(tmp_path):
    written = dataclasses.replace(plan(0.2, tmp_path), lenient=("public-zone",))
    written.save(tmp_path / "plan.json")
    assert LabPlan.load(tmp_path / "plan.json") == written


def test_regions_are_found_by_name():
    assert plan(1).region("ap-northeast-3").city == "osaka"
    with pytest.raises(KeyError):
        plan(1).region("eu-west-1")
