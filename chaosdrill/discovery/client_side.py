"""Parts of a topology that no account contains: name resolution on this machine, Locust's address, the heartbeat."""

from collections.abc import Mapping
from typing import Any, Final

import dns.exception
import dns.resolver

from chaosdrill.client.load_generator import LoadGenerator
from chaosdrill.client.locust_page import credentials_of
from chaosdrill.discovery.findings import Candidate, Note, ToFillIn, TopologyFinding
from chaosdrill.errors import CannotSee

LOCUST_PORT: Final = 8089
LOOKUP_S: Final = 3.0
PRIVATE: Final = (
    "The domain is in a private zone, which resolves in its VPCs only: it is resolved on the "
    "client host. If this machine is in such a VPC, or uses a Resolver inbound endpoint, remove `seen_from`."
)
Known = Mapping[str, Any]  # values from the caller, by name; each becomes a candidate


def find_dns(domain: Any, private: bool, known: Known) -> TopologyFinding:
    """Check whether this machine's own resolver resolves the domain; if it does not, a name server is left to fill in.

    :param domain: the discovered domain; a value other than text means that it was not found.
    :param private: whether it is in a private zone, so that it is resolved on the client host.
    """
    if not isinstance(domain, str):
        return TopologyFinding(Note("Whether `dns:` is needed is known when the domain is."), "")
    if private:
        return TopologyFinding(
            {"seen_from": "client"} | _own_name_server(known), f"{domain}: in a private zone", PRIVATE
        )
    try:
        answer = dns.resolver.Resolver().resolve(domain, "A", lifetime=LOOKUP_S, search=False)
        addresses = ", ".join(sorted(str(record.address) for record in answer))
        return TopologyFinding(
            Note(f"No `dns:` is needed: this machine resolves {domain} to {addresses}."), f"{domain}: {addresses}"
        )
    except (dns.exception.DNSException, OSError) as error:
        why = f"this machine cannot resolve {domain} ({type(error).__name__})"
        how = (
            "the address of a name server that can, such as the VPC's resolver or a Route 53 inbound endpoint, "
            "written as dns: {nameserver: 10.0.0.2}"
        )
        return TopologyFinding(
            ToFillIn(why, how, _candidates("dns", known)), f"the resolver of this machine for {domain}"
        )


def _own_name_server(known: Known) -> dict[str, Any]:
    """Return the lab's name server, which alone resolves the names of the lab's load balancers; empty without a lab."""
    return {name: value for name, value in known.get("dns", {}).items() if name != "seen_from"}


def find_locust(known: Known) -> str | ToFillIn:
    """Return the URL of a Locust with chaosdrill's plugin: at the address from the caller, else on this machine at the
    usual port, which is often forwarded.

    With an address from the caller the usual port is not tried: it may be another system's Locust.
    """
    url = str(known.get("url") or f"http://127.0.0.1:{LOCUST_PORT}")
    try:
        LoadGenerator(url, credentials_of(None)).state()
    except CannotSee as error:
        why = f"no Locust with chaosdrill's plugin responds at {url}"
        if error.code == "locust-plugin-missing":
            why = f"the Locust at {url} runs without chaosdrill's plugin, as the public sample's does"
        how = (
            "the address of Locust's web page; or replace `run: attach` by `run: ssm`, and the drill starts its own "
            "Locust on the client host"
        )
        return ToFillIn(why, how, _candidates("url", known))
    return url


def find_heartbeat(known: Known) -> TopologyFinding:
    """Return the heartbeat's section, which is always left to fill in."""
    why = "no account knows which requests do no harm"
    how = "`chaosdrill init` writes this section for the reference application, as a comment in topology/aws.yaml"
    return TopologyFinding(ToFillIn(why, how, _candidates("heartbeat", known)), "no account")


def _candidates(name: str, known: Known) -> tuple[Candidate, ...]:
    return (Candidate(known[name], "of the lab that this profile leads to"),) if name in known else ()
