"""Assumptions on the permissions of the caller and of the experiment's role, by IAM's policy simulator."""

import json
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from chaosdrill.aws import System, permission_simulation
from chaosdrill.conformance.assumptions import Assumption, Observed
from chaosdrill.packet_loss import role, role_documents
from chaosdrill.packet_loss.host import host_of
from chaosdrill.packet_loss.plan import DOCUMENT

MOST_SHOWN = 8


def assumptions(system: System, policy: str) -> Iterator[Assumption]:
    """Yield the assumptions on permissions.

    :param policy: the policy of the experiment, rendered, as JSON.
    """
    advice = (
        "attach the policy that `chaosdrill iam` prints; if it could not be read, allow "
        "iam:SimulatePrincipalPolicy and iam:GetRole"
    )
    yield Assumption(
        "permissions of these credentials",
        "every action of the printed policy is allowed",
        partial(_of_caller, system, json.loads(policy)),
        advice,
    )
    yield Assumption(
        f"permissions of the role {role_documents.NAME}",
        "if it exists, it allows what FIS needs",
        partial(_of_role, system),
        f"let an administrator run `{role.MAKES_IT}`, or allow the denied actions",
    )


def _of_caller(system: System, policy: Mapping[str, Any]) -> Observed:
    return _simulated(system, permission_simulation.principal(system), policy)


def _of_role(system: System) -> Observed:
    arn = role.role_arn(system, role_documents.NAME)
    if arn is None:
        return Observed(f"does not exist yet: `{role.MAKES_IT}` creates it", True)
    host = host_of(system, DOCUMENT)
    return _simulated(system, arn, role.for_packet_loss(host.document_arn, host.arn).allows)


def _simulated(system: System, principal: str, policy: Mapping[str, Any]) -> Observed:
    results = [permission_simulation.simulated(system, principal, statement) for statement in policy["Statement"]]
    denied = [one for _, some in results for one in some]
    if not denied:
        return Observed(f"{principal}: {sum(count for count, _ in results)} allowed", True)
    more = f" and {len(denied) - MOST_SHOWN} more" if len(denied) > MOST_SHOWN else ""
    return Observed(f"{principal}: denied: {', '.join(denied[:MOST_SHOWN])}{more}", False)
