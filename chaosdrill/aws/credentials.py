"""Credentials that end during a drill: taken anew where that is possible, else told with the command that renews them.

botocore renews in time what says when it ends. It does not try again when AWS says that they have ended all the same:
a role whose session was revoked, a clock that is wrong, keys that somebody renews in the file.
"""

from collections.abc import Callable
from typing import Any

from botocore.credentials import Credentials, RefreshableCredentials
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    CredentialRetrievalError,
    NoCredentialsError,
    PartialCredentialsError,
    SSOError,
    TokenRetrievalError,
)

from chaosdrill.aws import deadlines
from chaosdrill.aws.reach import Reach
from chaosdrill.aws.retries import TRIES
from chaosdrill.errors import CannotSee
from chaosdrill.history import keep_secret

ENDED = frozenset({"ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired"})
NO_KEYS = "name a profile (`aws: {profile: ...}` in the topology), or set AWS_PROFILE or keys in the environment"
_FIRST_PAUSE_S = 0.05
_LEAST_SECRET = 16  # AWS's are 40 characters and more; the lab's keys are no secret and plain words

Renew = Callable[[], Credentials | None]


def watch(client: Any, reach: Reach, renew: Renew) -> None:
    """Let ``client`` take its credentials anew when AWS says that they have ended, keep them secret, and say clearly
    when there are none.

    :param renew: looks up the credentials from their beginning.
    """
    service = client.meta.service_model.service_id.hyphenize()
    watcher = _Watcher(client, reach, renew)
    client.meta.events.register_first(f"needs-retry.{service}", watcher.needs_retry)
    client.meta.events.register(f"provide-client-params.{service}", watcher.look)
    client.meta.events.register(f"before-sign.{service}", watcher.keep_secret)
    client.meta.events.register(f"after-call.{service}", watcher.refused)
    client.meta.events.register(f"after-call-error.{service}", watcher.failed)


class _Watcher:
    def __init__(self, client: Any, reach: Reach, renew: Renew) -> None:
        self._signer = client._request_signer
        self._reach, self._renew = reach, renew

    def needs_retry(self, attempts: int, response: Any, **_: Any) -> float | None:
        """:returns: seconds until the next try; False: the time is up; None: that is for others to decide."""
        if response is None or _code(response[1]) not in ENDED or attempts >= TRIES:
            return None
        held = self._signer._credentials
        if isinstance(held, RefreshableCredentials):
            # botocore refreshes by the clock alone: a time that has passed makes it do so at the next signature
            held._expiry_time = held._time_fetcher()
        elif (fresh := self._renew()) is not None:
            held.access_key, held.secret_key, held.token = fresh.access_key, fresh.secret_key, fresh.token
        return deadlines.retry_after(_FIRST_PAUSE_S * 2 ** (attempts - 1))

    def look(self, **_: Any) -> None:
        """Fetches the credentials before anything else of a call may need them.

        :raises CannotSee: when there are none that are good.
        """
        try:
            self.keep_secret(self._signer)
        except (BotoCoreError, ClientError) as error:
            self.failed(error)
            raise

    def keep_secret(self, request_signer: Any, **_: Any) -> None:
        """Whatever signs is written nowhere."""
        if (held := request_signer._credentials) is not None:
            keys = held.get_frozen_credentials()
            keep_secret(*(text for text in (keys.secret_key, keys.token) if text and len(text) >= _LEAST_SECRET))

    def refused(self, parsed: Any, **_: Any) -> None:
        """:raises CannotSee: when AWS says that the credentials have ended."""
        if _code(parsed) in ENDED:
            raise CannotSee(_in_words(self._reach, f"AWS says {_code(parsed)}: {parsed['Error'].get('Message')}"))

    def failed(self, exception: Exception, **_: Any) -> None:
        """:raises CannotSee: when there were no credentials to sign with."""
        if is_about_credentials(exception):
            raise CannotSee(_in_words(self._reach, str(exception).rstrip("."), exception)) from exception


def is_about_credentials(error: BaseException) -> bool:
    """:returns: whether the error says that there are no credentials, or none that are good any more."""
    kinds = (NoCredentialsError, PartialCredentialsError, CredentialRetrievalError, SSOError, TokenRetrievalError)
    return isinstance(error, kinds) or (isinstance(error, ClientError) and _code(error.response) in ENDED)


def _code(parsed: Any) -> str:
    return str((parsed.get("Error") or {}).get("Code", ""))


def _in_words(reach: Reach, seen: str, error: BotoCoreError | Exception | None = None) -> str:
    profile = f" --profile {reach.profile}" if reach.profile else ""
    if isinstance(error, (SSOError, TokenRetrievalError)):
        advice = f"run `aws sso login{profile}`; a drill that is waiting goes on by itself then"
    elif isinstance(error, (NoCredentialsError, PartialCredentialsError)):
        advice = NO_KEYS
    else:
        advice = f"renew them (with SSO: `aws sso login{profile}`) and look with `aws sts get-caller-identity{profile}`"
    return f"the credentials ({reach}) are of no use: {seen}: {advice}"
