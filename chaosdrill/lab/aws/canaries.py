"""The reference's canaries: once a minute somebody far away asks the domain for what its clients ask for.

Each resolves the domain in its own VPC, with which the domain's private zone is associated, as in the reference.
What they see is published as CloudWatch Synthetics does it, SuccessPercent 100 or 0, in the place's own region. They
write nothing: an unknown transaction is answered with 404 by an application that serves, and with 503 by one that is
closed. Their requests are not in Locust's figures.
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
    """Begin to look from both places."""
    networks = {plan.standby.name: plan.standby.cidr, OBSERVER: plan.observer_cidr}
    for region, cidr in networks.items():
        source = str(IPv4Network(cidr).network_address + ADDRESS_IN_VPC)
        threading.Thread(target=_run, args=(plan, region, source), name=f"canary-{region}", daemon=True).start()


def _run(plan: LabPlan, region: str, source: str) -> None:
    while not answers(plan.domain, source, LONGEST_ANSWER_S):  # the application starts: that is no outage
        time.sleep(0.5)
    while True:
        every_s = scaled(EVERY_REFERENCE_S)
        time.sleep(every_s - time.time() % every_s)  # one look in each of the alarm's periods
        ok = answers(plan.domain, source, min(LONGEST_ANSWER_S, every_s / 2))
        datum = {
            "MetricName": METRIC,
            "Dimensions": [{"Name": "CanaryName", "Value": canary_of(region)}],
            "Value": 100.0 if ok else 0.0,
            "Unit": "Percent",
        }
        cloudwatch_backends[plan.account][region].put_metric_data(NAMESPACE, [datum])


def answers(domain: str, source: str, within_s: float) -> bool:
    """:returns: whether the application serves: resolved anew, asked on a new connection.

    :param source: the address from which the domain is looked up.
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
