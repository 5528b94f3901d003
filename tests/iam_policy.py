"""What IAM would say to the calls of a drill: a policy, and what the calls in the lab's log need."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from chaosdrill.aws.guard import changes_something
from chaosdrill.lab.aws import policies

ACCOUNT = "123456789012"
# the undo of disabling a rule that CloudTrail's management events reach, too, which no experiment of ours does:
# tests/contract/test_automatic_failover_activities.py
IN_EXPERIMENTS_OF_OTHERS = {"events:PutRule"}


@dataclass(frozen=True)
class Wanted:
    """One thing that IAM is asked: may this action be done on this resource, in this region?

    :param keys: the other condition keys of the request, each with its values.
    """

    action: str
    resource: str
    region: str
    keys: tuple[tuple[str, tuple[str, ...]], ...] = field(default=(), kw_only=True)

    @property
    def context(self) -> policies.Context:
        """All condition keys, with their values."""
        return {"aws:RequestedRegion": [self.region], **dict(self.keys)}

    def having(self, keys: policies.Context) -> "Wanted":
        """:returns: the same, with these condition keys."""
        return replace(self, keys=tuple(sorted((key, tuple(values)) for key, values in keys.items())))


def wanted(calls: Iterable[Mapping[str, Any]]) -> set[Wanted]:
    """:returns: what the calls of the lab's log needed from IAM."""
    return {
        Wanted(one["action"], one["resource"], call["region"]).having(one["context"])
        for call in calls
        for one in call["permissions"]
    }


def allows(policy: Mapping[str, Any], asked: Wanted) -> bool:
    """:returns: whether the policy allows it."""
    return policies.allows([policy], asked.action, asked.resource, asked.context)


def writes(policy: Mapping[str, Any]) -> set[str]:
    """:returns: the actions of a policy that change something."""
    return {action for action in _actions(policy) if changes_something(action.partition(":")[2])}


def not_allowed(policy: str, asked: Iterable[Wanted]) -> list[str]:
    """:returns: what was asked for that the policy does not allow, and wildcards in it."""
    read = json.loads(policy)
    wild = [f"{action} is a wildcard" for action in sorted(_actions(read)) if "*" in action]
    missing = [
        f"{one.action} on {one.resource} in {one.region} is not allowed" for one in asked if not allows(read, one)
    ]
    return [*wild, *sorted(missing)]


def not_done(policy: str, asked: Iterable[Wanted]) -> list[str]:
    """:returns: what the policy allows to change though nobody did."""
    unused = writes(json.loads(policy)) - {one.action for one in asked} - IN_EXPERIMENTS_OF_OTHERS
    return [f"{action} is allowed, and no drill did it" for action in sorted(unused)]


def _actions(policy: Mapping[str, Any]) -> set[str]:
    return {action for statement in policy["Statement"] for action in _listed(statement["Action"])}


def _listed(value: Any) -> list[str]:
    return value if isinstance(value, list) else [value]
