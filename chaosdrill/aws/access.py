"""Access to an account: topology, configuration and secrets combined into one value. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chaosdrill.topology import Topology


@dataclass(frozen=True)
class Reach:
    """Everything that decides which account a client calls. Two equal values share their session.

    :param keys: access key, secret key and session token given as secrets, when no profile is named.
    :param sts_region: where roles are assumed: a region of the same partition that a loss of the home region does not
        affect.
    :param environment: whether the user's ``AWS_*`` variables have an effect.
    """

    target: str
    accounts: tuple[str, ...]
    profile: str | None
    config_file: Path | None
    endpoint_url: str | None
    role_arn: str | None
    role_session_name: str
    keys: tuple[str, str, str | None] | None = field(repr=False)
    sts_region: str = "us-east-1"

    @property
    def environment(self) -> bool:
        """Whether ``AWS_*`` variables may decide which endpoint is called: never when the topology does."""
        return self.target != "lab" and not (self.profile or self.endpoint_url)

    def __str__(self) -> str:
        parts = [f"profile {self.profile}" if self.profile else "", f"role {self.role_arn}" if self.role_arn else ""]
        return ", ".join(part for part in parts if part) or ("the keys given as secrets" if self.keys else "default")


def reach_of(topology: Topology, configuration: Mapping[str, Any] | None, secrets: Mapping[str, Any] | None) -> Reach:
    """Combine the topology with chaostoolkit-aws's configuration keys and secrets; the topology takes precedence."""
    configuration = configuration or {}
    profile = topology.aws.profile or configuration.get("aws_profile_name") or None
    return Reach(
        target=topology.target,
        accounts=topology.accounts,
        profile=profile,
        config_file=topology.aws.config_file,
        endpoint_url=topology.aws.endpoint_url,
        role_arn=configuration.get("aws_assume_role_arn") or None,
        role_session_name=configuration.get("aws_assume_role_session_name") or "chaosdrill",
        sts_region=topology.failover.region,
        keys=None if topology.aws.profile else _keys(secrets or {}),
    )


def _keys(secrets: Mapping[str, Any]) -> tuple[str, str, str | None] | None:
    access, secret = secrets.get("aws_access_key_id"), secrets.get("aws_secret_access_key")
    return (str(access), str(secret), secrets.get("aws_session_token")) if access and secret else None
