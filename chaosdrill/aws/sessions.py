"""boto3 clients for the drilled system only: the topology overrides the user's environment."""

import os
import threading
from typing import Any

import boto3
import botocore.session
from botocore.config import Config
from botocore.credentials import AssumeRoleCredentialFetcher, DeferredRefreshableCredentials

from chaosdrill import __version__
from chaosdrill.aws import deadlines, recorder
from chaosdrill.aws.access import Reach
from chaosdrill.aws.calls import log_calls
from chaosdrill.aws.changes import record_changes
from chaosdrill.aws.credential_errors import (
    NO_KEYS,
    CredentialsUnusable,
    Settings,
    configuration_needed,
    credentials_needed,
)
from chaosdrill.aws.credentials import SigningKeys, install_refresh
from chaosdrill.aws.guard import guard_account, learn_accounts
from chaosdrill.aws.lease_guard import MARGIN_S, guard_lease
from chaosdrill.aws.retries import TRIES, retry_always
from chaosdrill.errors import BadInput, Refused, problem
from chaosdrill.topology.loopback import is_loopback

_SHORT: dict[str, Any] = {"connect_timeout": 2, "read_timeout": 5}
_QUICK: dict[str, dict[str, Any]] = {
    "s3": {"signature_version": "s3v4"},  # for presigned URLs, too: some regions do not support version 2
    # one try per ARC endpoint: the next of the five endpoints is the retry (see aws/arc.py)
    "route53-recovery-cluster": {**_SHORT, "retries": {"mode": "standard", "total_max_attempts": 1}},
    # ARC's control plane may be down during a recovery, and no caller waits long for it
    "route53-recovery-control-config": {**_SHORT, "retries": {"mode": "standard", "total_max_attempts": 2}},
}
# Presigned URLs name the region: botocore's default is the global host, which redirects while a bucket is young, and
# the region's host refuses requests that were signed for another host. See:
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingRouting.html
_REGIONAL = {"addressing_style": "virtual"}
# Six tries survive five failures in a row. A call that never succeeds ends after 90 s at most, or at the deadline of
# its caller (see aws/deadlines.py).
_USUAL: dict[str, Any] = {
    "connect_timeout": deadlines.CONNECT_S,
    "read_timeout": deadlines.READ_S,
    "retries": {"mode": "standard", "total_max_attempts": TRIES},
}
# Leases and owed undos: the keeper repeats a renewal that gets no response soon, and the drill waits for it.
_COORDINATION = Config(connect_timeout=2, read_timeout=3, retries={"mode": "standard", "total_max_attempts": 2})
# A lab: a part that does not respond soon never will, and no proxy may carry the calls off this machine.
_ON_THIS_MACHINE: dict[str, Any] = {"connect_timeout": 2, "read_timeout": 5, "proxies": {}}

_lock = threading.RLock()
_sessions: dict[Reach, boto3.Session] = {}
_clients: dict[tuple[Reach, str, str, str | None], Any] = {}


def client(reach: Reach, service: str, region: str, endpoint_url: str | None = None) -> Any:
    """Return a boto3 client of the drilled system. It is cached and safe to use from several threads.

    Before its first changing call it checks that the account is one of the topology's; before each attempt of a
    changing call, that enough of the run's lease remains, if there is one.

    :param service: boto3's name of the service.
    :param region: AWS region.
    :param endpoint_url: only for services whose endpoint differs per call, such as an ARC cluster.
    :raises BadInput: when the profile does not exist, or the AWS config file cannot be used.
    :raises CredentialsUnusable: when the profile has no credentials, or they cannot be fetched.
    :raises Refused: when the topology is a lab's and does not name the lab's endpoint.
    :source: https://docs.aws.amazon.com/sdkref/latest/guide/feature-ss-endpoints.html
    """
    key = (reach, service, region, endpoint_url)
    with _lock:
        if key not in _clients:
            _clients[key] = _new_client(reach, service, region, endpoint_url)
        return _clients[key]


def _new_client(reach: Reach, service: str, region: str, endpoint_url: str | None) -> Any:
    session: Any = _session(reach)  # untyped: boto3's type packages know literal service names only
    url = _endpoint(session, reach, service, endpoint_url)
    keys = signing_keys(reach)
    with configuration_needed(reach):
        made = session.client(service, region_name=region, endpoint_url=url, config=_config(service, url))
    log_calls(made, region)
    record_changes(made, region)
    retry_always(made)
    install_refresh(made, keys)
    recorder.attach(made, region)
    if service == "sts":
        learn_accounts(made, keys)
    else:
        guard_account(made, keys, lambda: client(reach, "sts", region))
        guard_lease(made, MARGIN_S[reach.target])
    deadlines.install_deadline(made)
    return made


def coordination_client(reach: Reach, region: str) -> Any:
    """Return a DynamoDB client for the table of leases and owed undos. It is cached and safe to use from several
    threads.

    It differs from :func:`client` in its short timeouts, and its calls do not change the drilled system: they are not
    recorded in the history, and need no lease.

    :param region: AWS region of the table.
    :raises BadInput: as :func:`client` does, which raises the other errors, too.
    """
    key = (reach, "coordination", region, None)
    with _lock:
        if key not in _clients:
            _clients[key] = _new_coordination_client(reach, region)
        return _clients[key]


def _new_coordination_client(reach: Reach, region: str) -> Any:
    session: Any = _session(reach)
    url = _endpoint(session, reach, "dynamodb")
    keys = signing_keys(reach)
    config = _config("dynamodb", url).merge(_COORDINATION)
    with configuration_needed(reach):
        made = session.client("dynamodb", region_name=region, endpoint_url=url, config=config)
    log_calls(made, region)
    retry_always(made)
    install_refresh(made, keys)
    recorder.attach(made, region)
    guard_account(made, keys, lambda: client(reach, "sts", region))
    deadlines.install_deadline(made)
    return made


def presigning_client(reach: Reach, region: str) -> Any:
    """Return an S3 client that presigns URLs of AWS's own hosts, also where the lab replaces AWS. It sends nothing."""
    with _lock:
        session: Any = _session(reach)
        made = session.client("s3", region_name=region, config=_config("s3", None))
        guard_account(made, signing_keys(reach), lambda: client(reach, "sts", region))
        return made


def signing_keys(reach: Reach) -> SigningKeys:
    """Return the credentials that sign the requests of all clients of ``reach``.

    :raises CredentialsUnusable: when they cannot be fetched.
    """
    with _lock:
        session: Any = _session(reach)
        settings = _settings(session)
        try:
            with credentials_needed(reach, settings):
                held = session.get_credentials()  # the session keeps them, so later failures have other causes
        except CredentialsUnusable:
            # botocore's providers keep their state after a failure, and would report another cause next time
            _sessions.pop(reach, None)
            raise
    return SigningKeys(reach, held, lambda: _new_session(reach).get_credentials(), settings)


def _config(service: str, url: str | None) -> Config:
    settings: dict[str, Any] = {**_USUAL, **_QUICK.get(service, {})}
    settings["user_agent_extra"] = f"chaosdrill/{__version__}"
    if service == "s3" and not url:
        settings["s3"] = _REGIONAL
    if url and is_loopback(url):
        settings |= _ON_THIS_MACHINE
    return Config(**settings)


def _session(reach: Reach) -> boto3.Session:
    if reach not in _sessions:
        _sessions[reach] = _new_session(reach)
    return _sessions[reach]


def _new_session(reach: Reach) -> boto3.Session:
    core = botocore.session.Session(profile=reach.profile)
    if reach.config_file is not None:
        core.set_config_variable("config_file", str(reach.config_file))
    if reach.target == "lab" and reach.config_file is not None:
        # a profile of the same name in the user's own credentials file would override the lab's
        core.set_config_variable("credentials_file", os.devnull)
    if not reach.environment:
        core.set_config_variable("ignore_configured_endpoint_urls", True)
    with configuration_needed(reach):
        core.get_scoped_config()
    if reach.keys is not None:
        core.set_credentials(*reach.keys)
    session = boto3.Session(botocore_session=core)
    return _assuming(session, reach) if reach.role_arn else session


class _Forgetful(dict[str, Any]):
    """A cache that stores nothing: credentials are fetched again only when the present ones are rejected."""

    def __setitem__(self, key: str, value: Any) -> None:
        pass


def _assuming(source: Any, reach: Reach) -> boto3.Session:
    """Return a session with the credentials of the role, fetched at the first call and refreshed before they expire."""

    with credentials_needed(reach, _settings(source)):
        own = source.get_credentials()
    if own is None:
        why = f"aws_assume_role_arn: there are no credentials to take on {reach.role_arn} with: {NO_KEYS}"
        raise BadInput([problem("credentials-missing", why)])

    def sts(service: str, **kwargs: Any) -> Any:
        url = _endpoint(source, reach, service)
        made = source.client(
            service, **{**kwargs, "region_name": reach.sts_region, "endpoint_url": url, "config": _config(service, url)}
        )
        log_calls(made, reach.sts_region)
        deadlines.install_deadline(made)
        return made

    fetcher = AssumeRoleCredentialFetcher(
        client_creator=sts,
        source_credentials=own,
        role_arn=reach.role_arn or "",
        extra_args={"RoleSessionName": reach.role_session_name},
        cache=_Forgetful(),
    )
    core: Any = botocore.session.Session(profile=reach.profile)
    for name in ("config_file", "credentials_file", "ignore_configured_endpoint_urls"):
        core.set_config_variable(name, source._session.get_config_variable(name))
    core._credentials = DeferredRefreshableCredentials(fetcher.fetch_credentials, "assume-role")
    return boto3.Session(botocore_session=core)


def _settings(session: boto3.Session) -> Settings:
    """Return the settings of the profile, with those from its source profiles."""
    core: Any = session._session
    profiles = core.full_config.get("profiles", {})
    found: dict[str, Any] = dict(core.get_scoped_config())
    seen: set[str] = set()
    source = str(found.get("source_profile"))
    while source in profiles and source not in seen:
        seen.add(source)
        found = {**profiles[source], **found}
        source = str(profiles[source].get("source_profile"))
    return found


def _endpoint(session: Any, reach: Reach, service: str, given: str | None = None) -> str | None:
    """Return the endpoint of a service; None: AWS's own.

    :param given: the endpoint of this one call.
    :raises Refused: when a lab's topology does not name one, or names one on another machine.
    """
    url = given or reach.endpoint_url or _profile_endpoint(session, reach, service)
    if reach.target == "lab" and not url:
        raise Refused(
            f"the lab's topology has no endpoint for {service}; without one the call would go to AWS: "
            "write `aws: {endpoint_url: ...}` in the topology",
            code="lab-endpoint-missing",
        )
    if reach.target == "lab" and not is_loopback(str(url)):
        raise Refused(
            f"the topology has target lab, but {service} would be called at {url}: a lab runs on this machine "
            "only; write its address on 127.0.0.1, or target aws",
            code="lab-endpoint-elsewhere",
        )
    return url


def _profile_endpoint(session: boto3.Session, reach: Reach, service: str) -> str | None:
    """Return the endpoint that the profile itself names; the environment's variables are ignored."""
    if reach.environment:
        return None
    core: Any = session._session
    profile = core.get_scoped_config()
    services = core.full_config.get("services", {}).get(profile.get("services"), {})
    section = core.get_service_model(service).service_id.hyphenize().replace("-", "_")
    own = services.get(section, {})
    url = own.get("endpoint_url") or profile.get("endpoint_url")
    return str(url) if url else None
