"""The global database's activities on real servers: the lag of the replica, and what an unplanned failover loses."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chaosdrill.database.actions import fail_over_database, switch_over_database
from chaosdrill.database.probes import replica_lag_s, writer_region
from chaosdrill.history import OpenDrill
from tests.contract.activities_rig import OSAKA, TOKYO, drill
from tests.lab.conftest import SCALE
from tests.running_lab import RunningLab
from tests.waiting import wait_for

pytestmark = pytest.mark.long

SERVERS = {TOKYO: "10.100.1.10", OSAKA: "10.101.1.10"}
MINUTE_S = 60 * SCALE


class Accounts:
    """The bank's accounts, past the application."""

    def __init__(self, lab: RunningLab) -> None:
        self._lab = lab

    def sql(self, region: str, *statements: str) -> str:
        """Run statements on a region's server; what the last one printed."""
        commands = [part for statement in statements for part in ("-c", statement)]
        return self._lab.on_client("psql", "-qAtX", "-h", SERVERS[region], *commands).stdout.strip()

    def open(self, name: str) -> None:
        """Make one, on the home region's server."""
        self.sql(TOKYO, f"insert into account (account_id) values ('{name}')")

    def there(self, region: str) -> set[str]:
        """Those of this test that a region's server has."""
        return set(self.sql(region, "select account_id from account where account_id like 'lag-%'").split())


@pytest.fixture
def configuration(lab: RunningLab) -> dict[str, Any]:
    return {"topology": str(lab.home / "lab" / "topology.yaml")}


@pytest.fixture
def accounts(lab: RunningLab, configuration: dict[str, Any]) -> Iterator[Accounts]:
    made = Accounts(lab)
    yield made
    switch_over_database("home", timeout_s=60, configuration=configuration)
    made.sql(TOKYO, "delete from account where account_id like 'lag-%'")


@pytest.fixture
def one_drill(tmp_path: Path) -> Iterator[OpenDrill]:
    with drill(tmp_path) as one:
        yield one


def test_a_failover_loses_what_the_lag_announced(
    accounts: Accounts, configuration: dict[str, Any], one_drill: OpenDrill
) -> None:
    wait_for(lambda: replica_lag_s(within_s=60, configuration=configuration) < 1)
    accounts.open("lag-kept")
    wait_for(lambda: accounts.there(OSAKA) == {"lag-kept"})

    # the standby receives nothing any more, and the writer writes on
    accounts.sql(OSAKA, "alter system set primary_conninfo = ''", "select pg_reload_conf()")
    wait_for(lambda: accounts.sql(OSAKA, "select count(*) from pg_stat_wal_receiver") == "0")
    accounts.open("lag-lost")
    wait_for(lambda: replica_lag_s(configuration=configuration) > 1)
    assert accounts.there(OSAKA) == {"lag-kept"}

    done = fail_over_database("standby", data_loss="allowed", timeout_s=60, configuration=configuration)
    assert (done["done"], done["was"], done["region"]) == (True, TOKYO, OSAKA)
    assert writer_region(configuration=configuration) == OSAKA
    assert accounts.sql(OSAKA, "select pg_is_in_recovery()") == "f", "it really writes"
    assert accounts.there(OSAKA) == {"lag-kept"}
    assert one_drill.history.events("undo")[0]["arguments"] == {"region": TOKYO}

    # the old writer follows again, and what it alone had is gone
    undone = switch_over_database("home", timeout_s=60, configuration=configuration)
    assert undone["done"] is True
    assert accounts.there(TOKYO) == {"lag-kept"}
    wait_for(lambda: replica_lag_s(within_s=60, configuration=configuration) < 1)
