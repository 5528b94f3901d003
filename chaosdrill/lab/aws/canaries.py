"""The reference system's canaries, which send the domain a client's request once a minute from other regions.

Each resolves the domain in its own VPC, which is associated with the domain's private hosted zone, as in the reference
system. As in CloudWatch Synthetics, the result is published as SuccessPercent 100 or 0 in the canary's own region.
Canaries write nothing: for an unknown transaction, an open application responds with 404 and a closed one with 503.
Their requests are not in Locust's figures.
"""

import http.client
import random
import threading
import time
from ipaddress import IPv4Network

from moto.cloudwatch.models import cloudwatch_backends

from chaosdrill.lab.aws.provision.automation import canary_of
from chaosdrill.lab.aws.route53 import lookup
from chaosdrill.lab.aws.runtime import scaled
from chaosdrill.lab.plan import OBSERVER, LabPlan

EVERY_REFERENCE_S = 60
LONGEST_ANSWER_S = 3.0
ADDRESS_IN_VPC = 10
PATH = "/transaction/00000000-0000-4000-8000-000000000000"
HEADERS = {"X_ACCOUNT_ID": "canary", "Connection": "close"}
NAMESPACE, METRIC = "CloudWatchSynthetics", "SuccessPercent"


def start(plan: LabPlan) -> None:
    """Start the canaries of both regions."""
    networks = {plan.standby.name: plan.standby.cidr, OBSERVER: plan.observer_cidr}
    for region, cidr in networks.items():
        source = str(IPv4Network(cidr).network_address + ADDRESS_IN_VPC)
        threading.Thread(target=_run, args=(plan, region, source), name=f"canary-{region}", daemon=True).start()


def _run(plan: LabPlan, region: str, source: str) -> None:
    while not answers(plan.domain, source, LONGEST_ANSWER_S):  # the start of the application is no outage
        time.sleep(0.5)
    while True:
        every_s = scaled(EVERY_REFERENCE_S)
        time.sleep(every_s - time.time() % every_s)  # one request in each of the alarm's periods
        ok = answers(plan.domain, source, min(LONGEST_ANSWER_S, every_s / 2))
        datum = {
            "MetricName": METRIC,
            "Dimensions": [{"Name": "CanaryName", "Value": canary_of(region)}],
            "Value": 100.0 if ok else 0.0,
            "Unit": "Percent",
        }
        cloudwatch_backends[plan.account][region].put_metric_data(NAMESPACE, [datum])


def answers(domain: str, source: str, within_s: float) -> bool:
    """Return whether the application serves, with a new lookup and a new connection.

    :param source: the address from which the domain is resolved.
    """
    addresses = [value for record in lookup(domain, "A", source).records for value in record.values]
    if not addresses:
        return False
    connection = http.client.HTTPConnection(random.choice(addresses), 80, timeout=within_s)
    try:
        connection.request("GET", PATH, headers={**HEADERS, "Host": domain})
        return connection.getresponse().status == http.HTTPStatus.NOT_FOUND
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
