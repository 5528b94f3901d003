"""Provisioning of the reference system in the endpoint, one module per concern, through moto's backends.

Later modules refer to the resources of earlier ones; otherwise the order does not matter.
"""

from chaosdrill.lab.aws.provision.everything import Provisioned, provision

__all__ = ["Provisioned", "provision"]
