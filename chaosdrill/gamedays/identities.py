"""Who approves or starts a drill: an STS principal on AWS, else the user of this machine, or the owner of an SSH key.

===========================  ==================================================================================
principal                    who vouches for it
===========================  ==================================================================================
``arn:…:iam::…:user/…``      STS, when the approval is written
``arn:…:iam::…:role/…``      STS; everyone who assumes the role is one principal: the session name is free text
``arn:…:sts::…/…SSO_…/…``    STS; IAM Identity Center sets the session name, so each of its users is a principal
``uid:NUMBER``               the kernel of the machine on which it was written
``ssh:SHA256:…``             the signature, at any time
===========================  ==================================================================================
"""

import os
import re
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError

from chaosdrill.aws import system_of
from chaosdrill.errors import CannotSee
from chaosdrill.topology import load_topology

SSH, UID = "ssh:", "uid:"
_ASSUMED = re.compile(r"arn:([^:]+):sts::([0-9]+):assumed-role/([^/]+)/.+")
_ROLE = re.compile(r"arn:([^:]+):iam::([0-9]+):role/(?:.*/)?([^/]+)")
# https://docs.aws.amazon.com/singlesignon/latest/userguide/permissionsetsconcept.html
_IDENTITY_CENTER = "AWSReservedSSO_"


def principal_of_process(topology: Path | None) -> str:
    """Return who this process is.

    :param topology: of the system that is drilled; without one, or with that of a lab, the user of this machine counts.
    :raises BadInput: when the topology cannot be used.
    :raises CannotSee: ``principal-unreadable``: STS does not say whose the credentials are.
    """
    if topology is None or load_topology(topology).target != "aws":
        return f"{UID}{os.getuid()}"
    system = system_of({"topology": str(topology)})
    try:
        response = system.client("sts", system.topology.client.region).get_caller_identity()
        return normalized(str(response["Arn"]))
    except (BotoCoreError, ClientError, KeyError) as error:
        why = f"STS does not say whose the AWS credentials are ({error}): renew them, or choose another profile"
        raise CannotSee(why, code="principal-unreadable") from error


def normalized(principal: str) -> str:
    """Return a principal without what its bearer may choose: of an assumed role, the role.

    :source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html#identifiers-arns
    """
    if (assumed := _ASSUMED.fullmatch(principal)) and not assumed[3].startswith(_IDENTITY_CENTER):
        return _role(*assumed.groups())
    return _role(*role.groups()) if (role := _ROLE.fullmatch(principal)) else principal


def is_allowed(principal: str, allowed: tuple[str, ...]) -> bool:
    """Tell whether a list of principals has one, itself or by the role that it has assumed."""
    names = {normalized(one) for one in allowed}
    assumed = _ASSUMED.fullmatch(principal)
    return normalized(principal) in names or (assumed is not None and _role(*assumed.groups()) in names)


def is_same(principal: str, other: str) -> bool:
    """Tell whether two principals are one."""
    return normalized(principal) == normalized(other)


def _role(partition: str, account: str, name: str) -> str:
    return f"arn:{partition}:iam::{account}:role/{name}"
