"""The state of the global database, as its part names it."""

from pathlib import Path

import pytest

from chaosdrill.aws.aurora import GlobalCluster
from chaosdrill.database.part import DatabasePart, value_of
from chaosdrill.topology import load_topology
from tests.unit.test_topology import RIGHT, written

HOME, STANDBY = "ap-northeast-1", "ap-northeast-3"
BOTH = {HOME: "arn:home", STANDBY: "arn:standby"}


@pytest.mark.parametrize(
    ("cluster", "expected"),
    [
        (GlobalCluster("available", (HOME,), BOTH), "home-ready"),
        (GlobalCluster("available", (HOME,), {HOME: "arn:home"}), "home-waiting"),
        (GlobalCluster("available", (HOME,), BOTH, {STANDBY: "pending-resync"}), "home-waiting"),
        (GlobalCluster("available", (STANDBY,), BOTH, {HOME: "connected"}), "standby-ready"),
        (GlobalCluster("available", (STANDBY,), BOTH, {HOME: "pending-resync"}), "standby-waiting"),
        (GlobalCluster("switching-over", (HOME,), BOTH), "moving"),
        (GlobalCluster("failing-over", (), BOTH), "moving"),
        (GlobalCluster("available", (), BOTH), "no-writer"),
        (GlobalCluster("available", (HOME, STANDBY), BOTH), "several-writers"),
    ],
)
def test_each_state_has_a_name(tmp_path: Path, cluster: GlobalCluster, expected: str) -> None:
    topology = load_topology(written(tmp_path, RIGHT))
    assert (topology.regions.home, topology.regions.standby) == (HOME, STANDBY)
    assert value_of(cluster, topology) == expected
    assert expected in DatabasePart.facts
