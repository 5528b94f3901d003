"""Environment for activities of other extensions (mainly chaostoolkit-aws), so that they use the drilled system.

They read ``aws_profile_name`` and ``aws_region`` from the configuration, and otherwise the environment, where a user's
own ``AWS_ENDPOINT_URL`` or keys would override the lab's profile.
"""

import os
from collections.abc import Callable, MutableMapping
from typing import Any

import boto3

from chaosdrill.topology import Topology


def configure_chaosaws(topology: Topology, configuration: MutableMapping[str, Any]) -> Callable[[], None]:
    """Fill in missing values of the configuration, and set this process's environment.

    :param configuration: gets ``aws_profile_name`` (the topology's) and ``aws_region`` (home) unless it has its own.
    :returns: a function that restores the environment.
    """
    before = {name: value for name, value in os.environ.items() if name.startswith("AWS_")}
    if topology.aws.profile and (topology.target == "lab" or not configuration.get("aws_profile_name")):
        configuration["aws_profile_name"] = topology.aws.profile
    if not configuration.get("aws_region"):
        configuration["aws_region"] = topology.regions.home
    if topology.target == "lab":
        _set({"AWS_SHARED_CREDENTIALS_FILE": os.devnull, "AWS_EC2_METADATA_DISABLED": "true"})
    if topology.aws.config_file:
        os.environ["AWS_CONFIG_FILE"] = str(topology.aws.config_file)
    if topology.aws.endpoint_url:
        os.environ["AWS_ENDPOINT_URL"] = topology.aws.endpoint_url
    boto3.DEFAULT_SESSION = None  # chaostoolkit-aws creates it once for the whole process

    def put_back() -> None:
        _set(before)
        boto3.DEFAULT_SESSION = None

    return put_back


def _set(variables: dict[str, str]) -> None:
    """Set these environment variables of AWS, and remove all others."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
    os.environ.update(variables)
