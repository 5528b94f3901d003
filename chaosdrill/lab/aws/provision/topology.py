"""The lab's topology file and AWS config file for its users."""

import os
import secrets
import sys
from pathlib import Path
from typing import Any

import yaml

from chaosdrill.lab.aws.provision.application import FLAG_KEY
from chaosdrill.lab.aws.provision.automation import FAILBACK, FAILOVER
from chaosdrill.lab.aws.provision.database import ProvisionedDatabase
from chaosdrill.lab.aws.provision.network import ProvisionedLoadBalancer
from chaosdrill.lab.aws.provision.routing import ProvisionedRouting
from chaosdrill.lab.plan import COORDINATION_REGION, COORDINATION_TABLE, MAIN_TABLE, LabPlan

PROFILE = "chaosdrill-lab"
CONFIG = """\
[profile {profile}]
region = {region}
endpoint_url = {url}
aws_access_key_id = {keys.id}
aws_secret_access_key = {keys.secret}
output = json
"""


def topology(
    plan: LabPlan,
    instance_id: str,
    balancers: dict[str, ProvisionedLoadBalancer],
    routing: ProvisionedRouting,
    database: ProvisionedDatabase,
) -> dict[str, Any]:
    """Return the topology, in the form that users write for AWS."""
    reached = {"config_file": str(plan.aws_config_file), "endpoint_url": plan.aws_url_on_host}
    endpoints = [{"region": one["Region"], "url": one["Endpoint"]} for one in routing.endpoints]
    return {
        "version": 1,
        "target": "lab",
        "accounts": [plan.account],
        "aws": {"profile": PROFILE, **reached},
        "regions": {"home": plan.home.name, "standby": plan.standby.name},
        "domain": plan.domain,
        "dns": {**_seen_from(plan), "nameserver": "127.0.0.1", "port": plan.dns_port},
        "client": {
            "instance_id": instance_id,
            "region": plan.home.name,
            "run": "attach",
            "url": f"http://127.0.0.1:{plan.load_port}",
        },
        "load_balancers": {
            region.name: {"arn": balancers[region.name].arn, "cidr": region.cidr} for region in plan.regions
        },
        "stop_flag": {
            "tables": {region.name: region.flag_table for region in plan.regions},
            "key": {"PK": FLAG_KEY},
            "attribute": "value",
        },
        "routing": {"controls": dict(routing.controls), "cluster_endpoints": endpoints},
        "database": {"global_cluster": database.global_cluster, "clusters": dict(database.clusters)},
        "main_table": MAIN_TABLE,
        "coordination": {"table": COORDINATION_TABLE, "region": COORDINATION_REGION, "lease_s": plan.lease_s},
        "failover": {"region": plan.standby.name, "failover_prefix": FAILOVER, "failback_prefix": FAILBACK},
        "packet_loss": {"drop_counter_command": f"{sys.executable} -m chaosdrill.lab.packet_loss dropped"},
        "heartbeat": heartbeat(f"chaosdrill-synthetic-{secrets.token_hex(4)}-"),
        "time_scale": plan.scale,
    }


def _seen_from(plan: LabPlan) -> dict[str, str]:
    """Return where the domain is resolved: the lab's name server on the host resolves it only when its zone is
    public.
    """
    return {} if "public-zone" in plan.lenient else {"seen_from": "client"}


def heartbeat(prefix: str) -> dict[str, Any]:
    """Return the topology's ``heartbeat:`` section for the reference application.

    :param prefix: prefix of the accounts, different in each lab, so that no drill finds the writes of an earlier one.
    """
    account = {"headers": {"X_ACCOUNT_ID": "{account}"}, "status": [200]}
    deposit = {"path": "/transaction/deposit", "body": {"quantity": "{quantity}"}, "id": "transactionId"}
    states = {"settled": ["status#success"], "rolled_back": ["status#success_rollback"], "pending": ["status#pending"]}
    transaction = {"path": "/transaction/{id}", "field": "status", **states, "missing_status": [404]}
    return {
        "run": "ssm",
        "deadline_s": 1,
        "read": {"method": "GET", "path": "/balance", **account},
        "write": {"method": "POST", **deposit, **account},
        "settled": {"method": "GET", **transaction, **account},
        "balance": {"method": "GET", "path": "/balance", "field": "balance", **account},
        "accounts": {"prefix": prefix, "count": 2000},
    }


def write(plan: LabPlan, facts: dict[str, Any]) -> None:
    """Write both files atomically."""
    facts_of_profile = {"profile": PROFILE, "region": plan.home.name, "url": plan.aws_url_on_host}
    plan.aws_config_file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    _write(plan.aws_config_file, CONFIG.format(**facts_of_profile, keys=plan.access.user))
    _write(plan.topology_file, yaml.safe_dump(facts, sort_keys=False))


def _write(path: Path, text: str) -> None:
    unfinished = path.with_name(f"{path.name}.{os.getpid()}")
    unfinished.touch(mode=0o600)
    unfinished.write_text(text)
    unfinished.replace(path)
