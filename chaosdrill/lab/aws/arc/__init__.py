"""Route 53 ARC, which moto 5.2.5 lacks: routing controls, their control plane and five cluster endpoints."""

from chaosdrill.lab.aws.arc.cluster_api import RecoveryClusterResponse
from chaosdrill.lab.aws.arc.config_api import RecoveryControlConfigResponse
from chaosdrill.lab.aws.arc.state import ENDPOINT_REGIONS, STATE

OWN_SERVICES = {
    "route53-recovery-cluster": RecoveryClusterResponse,
    "route53-recovery-control-config": RecoveryControlConfigResponse,
}

__all__ = ["ENDPOINT_REGIONS", "OWN_SERVICES", "STATE"]
