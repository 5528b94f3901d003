"""Puts the reference system into the endpoint: each file makes the resources of one concern, through moto's backends.

The order matters only in that later parts name what earlier ones made.
"""

from chaosdrill.lab.aws.provision.everything import Provisioned, provision

__all__ = ["Provisioned", "provision"]
