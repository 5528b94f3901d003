"""Roles that an administrator created before the first drill: FIS assumes them, within their boundary."""

import json
from typing import Any

from moto.iam.models import iam_backends

from chaosdrill.lab.aws.fis import permissions
from chaosdrill.lab.aws.fis.packet_loss import DOCUMENT
from chaosdrill.lab.aws.iam import make_fis_role
from chaosdrill.lab.aws.provision import automation
from chaosdrill.lab.plan import MAIN_TABLE, LabPlan
from chaosdrill.packet_loss import role_documents as documents

PARTITION = "aws"
OF_ADMINISTRATORS = "fis-experiments"


def roles(plan: LabPlan, instance_id: str) -> None:
    """Create the roles of ``chaosdrill iam --make-roles``, and a role that administrators use for their own
    experiments.

    :param instance_id: the client host.
    """
    iam, account = iam_backends[plan.account]["aws"], plan.account
    make_fis_role(account)
    bounds = json.dumps(documents.boundary(PARTITION, account, DOCUMENT, MAIN_TABLE))
    iam.create_policy("", "/", bounds, documents.BOUNDARY, [])
    arns = (
        f"arn:{PARTITION}:ssm:{plan.home.name}::document/{DOCUMENT}",
        f"arn:{PARTITION}:ec2:{plan.home.name}:{account}:instance/{instance_id}",
    )
    _role(plan, documents.NAME, documents.POLICY, documents.permissions(*arns))
    _role(plan, documents.ISOLATION, "region-isolation", documents.isolation_permissions(PARTITION, account))
    tables = [f"arn:{PARTITION}:dynamodb:{region.name}:{account}:table/{MAIN_TABLE}" for region in plan.regions]
    _role(plan, documents.PAUSE, documents.PAUSE_POLICY, documents.pause_permissions(*tables))
    automation.role(plan, OF_ADMINISTRATORS, documents.FIS)
    iam.put_role_policy(OF_ADMINISTRATORS, "fis", _everything_fis_needs())


def _role(plan: LabPlan, name: str, policy: str, allows: dict[str, Any]) -> None:
    iam, account = iam_backends[plan.account]["aws"], plan.account
    trust = json.dumps(documents.trust(PARTITION, account))
    tags = [{"Key": documents.CREATED_BY, "Value": documents.CHAOSDRILL}]
    iam.create_role(name, trust, "/", documents.boundary_arn(PARTITION, account), "", tags, "3600")
    iam.put_role_policy(name, policy, json.dumps(allows))


def _everything_fis_needs() -> str:
    of_tables = [*permissions.PAUSE, *permissions.TABLES, *permissions.TAGS]
    actions = [*permissions.SEND, *permissions.COMMANDS, *permissions.ISOLATION, *of_tables]
    return json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": actions, "Resource": "*"}]})
