"""Route 53 with ARC: health checks of type RECOVERY_CONTROL, and their effect on DNS responses.

Fixes: moto 5.2.5 drops RoutingControlArn, reports Success for every health check, lacks TestDNSAnswer, and shows the
SOA of a zone that it created as a Python dictionary.
"""

from collections.abc import Iterator
from ipaddress import IPv4Network
from typing import Any

import moto.route53.urls as route53_urls
from moto.core.responses import ActionResult
from moto.core.utils import utcnow
from moto.ec2.models import ec2_backends
from moto.elbv2.models import elbv2_backends
from moto.route53.exceptions import InvalidInput
from moto.route53.models import HealthCheck, RecordSet, route53_backends
from moto.route53.responses import Route53

from chaosdrill.lab.aws.arc import STATE
from chaosdrill.lab.aws.patching import replace
from chaosdrill.lab.aws.runtime import plan
from chaosdrill.lab.dns import zone as dns_zone

_moto_config: Any = HealthCheck.health_check_config.fget  # type: ignore[attr-defined]
RECOVERY_CONTROL = "RECOVERY_CONTROL"
ANYWHERE = "192.0.2.1"  # an address that is in no VPC (RFC 5737)


class LabRoute53(Route53):
    """moto's, with health checks that follow routing controls."""

    def create_health_check(self) -> ActionResult:
        """CreateHealthCheck."""
        made: Any = super().create_health_check()
        made.result["HealthCheck"].routing_control_arn = self._get_param("HealthCheckConfig").get("RoutingControlArn")
        return ActionResult(made.result)

    def get_health_check_status(self) -> ActionResult:
        """GetHealthCheckStatus."""
        identifier = self._get_param("HealthCheckId")
        self.backend.get_health_check(identifier)
        status = "Success: routing control On" if is_healthy(identifier) else "Failure: routing control Off"
        report = {"Status": status, "CheckedTime": utcnow()}
        return ActionResult({"HealthCheckObservations": [{"Region": "us-east-1", "StatusReport": report}]})

    def test_dns_answer(self) -> ActionResult:
        """TestDNSAnswer."""
        if self.backend.get_hosted_zone(self._get_param("HostedZoneId")).private_zone:
            raise InvalidInput("TestDNSAnswer supports querying public hosted zones only")
        name, type_ = self._get_param("RecordName"), self._get_param("RecordType")
        found = lookup(name, type_, ANYWHERE)
        values = [value for record in found.records for value in record.values]
        asked = {"RecordName": name, "RecordType": type_, "RecordData": values}
        return ActionResult({"Nameserver": "lab", **asked, "ResponseCode": found.rcode, "Protocol": "UDP"})


def _config(self: Any) -> dict[str, Any]:
    if self.type_ != RECOVERY_CONTROL:
        config: dict[str, Any] = _moto_config(self)
        return config
    facts = {"Type": self.type_, "RoutingControlArn": self.routing_control_arn}
    return {**facts, "Inverted": self.inverted, "Disabled": self.disabled}


def _texts(record: Any) -> list[str]:
    return [value["Value"] if isinstance(value, dict) else value for value in record.records or ()]


def _resource_records(self: Any) -> list[dict[str, str]] | None:
    return [{"Value": text} for text in _texts(self)] or None


def lookup(name: str, type_: str, source: str) -> dns_zone.ZoneAnswer:
    """Return Route 53's current answer.

    :param source: address of the client; a private zone answers in its VPCs only.
    """
    zones = [_zone(zone) for zone in list(_backend().zones.values())]
    return dns_zone.answer([*zones, *_balancers_zones()], name, type_, is_healthy, source)


def is_healthy(health_check_id: str) -> bool:
    """Return whether a health check is healthy. Checks of other types than RECOVERY_CONTROL always are.

    A disabled check counts as healthy; if it is also inverted, as unhealthy.

    :source: https://docs.aws.amazon.com/Route53/latest/APIReference/API_UpdateHealthCheck.html
    """
    check: Any = _backend().health_checks.get(health_check_id)
    if check is None or check.type_ != RECOVERY_CONTROL:
        return True
    if check.disabled:
        return not check.inverted
    return STATE.is_on(check.routing_control_arn) != bool(check.inverted)


def _backend() -> Any:
    return route53_backends[plan().account]["aws"]


def _zone(zone: Any) -> dns_zone.Zone:
    records = tuple(_record_set(record) for record in list(zone.rrsets))
    return dns_zone.Zone(zone.name.lower(), records, tuple(_networks(zone)) if zone.private_zone else None)


def _networks(zone: Any) -> Iterator[IPv4Network]:
    """Yield the CIDR ranges of the VPCs associated with a private zone."""
    for associated in list(zone.vpcs):
        vpc = ec2_backends[plan().account][associated["vpc_region"]].vpcs.get(associated["vpc_id"])
        if vpc is not None:
            yield IPv4Network(vpc.cidr_block)


def _balancers_zones() -> Iterator[dns_zone.Zone]:
    """Yield a zone for the name of each load balancer, which AWS answers in separate zones."""
    for region in plan().regions:
        for balancer in list(elbv2_backends[plan().account][region.name].load_balancers.values()):
            name = f"{balancer.dns_name.lower()}."
            record = dns_zone.RecordSet(name, "A", plan().ttl_s, _addresses(balancer.dns_name))
            yield dns_zone.Zone(name, (record,))


def _record_set(record: Any) -> dns_zone.RecordSet:
    if record.alias_target:
        ttl, values = plan().ttl_s, _addresses(record.alias_target["DNSName"])
    else:
        ttl, values = int(record.ttl), tuple(_texts(record))
    return dns_zone.RecordSet(record.name.lower(), record.type, ttl, values, record.failover, record.health_check_id)


def _addresses(dns_name: str) -> tuple[str, ...]:
    wanted = dns_name.lower().rstrip(".")
    for region in plan().regions:
        balancers = elbv2_backends[plan().account][region.name].load_balancers.values()
        if any(balancer.dns_name.lower() == wanted for balancer in balancers):
            return region.load_balancer_addresses
    return ()


def install() -> None:
    """Use it for every request."""
    route53_urls.url_paths[r"{0}/(?P<api_version>[\d_-]+)/testdnsanswer$"] = LabRoute53.dispatch
    for path in list(route53_urls.url_paths):
        route53_urls.url_paths[path] = LabRoute53.dispatch
    replace(HealthCheck, "health_check_config", property(_config))
    replace(RecordSet, "resource_records", property(_resource_records))
