"""Credentials that expire during a drill: renewed where possible, else reported with the command that renews them.

botocore renews credentials before their stated expiry. It does not try again when AWS reports them expired earlier:
after a role's session was revoked, with a wrong clock, or when a person renews keys in a file.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from botocore.credentials import Credentials, RefreshableCredentials
from botocore.exceptions import ClientError, NoCredentialsError

from chaosdrill.aws import deadlines
from chaosdrill.aws.access import Reach
from chaosdrill.aws.credential_errors import (
    ENDED,
    WRONG_KEYS,
    Settings,
    credentials_needed,
    error_code,
    unusable,
)
from chaosdrill.aws.retries import TRIES
from chaosdrill.history import register_secret

_FIRST_PAUSE_S = 0.05
_LEAST_SECRET = 16  # characters; AWS's keys have 40 and more, and the lab's keys are plain words, no secrets


@dataclass(frozen=True)
class SigningKeys:
    """The credentials of one session, which sign the requests of all its clients.

    :param held: botocore's credentials object; None when the session has none.
    :param look_up: fetches the credentials from their source again.
    :param settings: the settings of the profile, for the advice in errors.
    """

    reach: Reach
    held: Credentials | None
    look_up: Callable[[], Credentials | None]
    settings: Settings

    def current(self) -> Credentials | None:
        """Return an immutable copy of the present keys, and register their secrets to be hidden in all output.

        :raises CredentialsUnusable: when they have to be fetched first, and cannot be.
        """
        if self.held is None:
            return None
        with credentials_needed(self.reach, self.settings):
            keys = self.held.get_frozen_credentials()
        register_secret(*(text for text in (keys.secret_key, keys.token) if text and len(text) >= _LEAST_SECRET))
        return Credentials(keys.access_key, keys.secret_key, keys.token)

    def renew(self) -> None:
        """Fetch the credentials from their source again.

        :raises CredentialsUnusable: when they cannot be fetched.
        """
        held = self.held
        if isinstance(held, RefreshableCredentials):
            # botocore refreshes by the clock alone: an expiry in the past makes it refresh at the next signature
            held._expiry_time = held._time_fetcher()
            return
        with credentials_needed(self.reach, self.settings):
            fresh = self.look_up()
        if held is not None and fresh is not None:
            held.access_key, held.secret_key, held.token = fresh.access_key, fresh.secret_key, fresh.token


def install_refresh(client: Any, keys: SigningKeys) -> None:
    """Make ``client`` renew its credentials when AWS reports them expired, hide them in all output, and report
    clearly when there are none.
    """
    service = client.meta.service_model.service_id.hyphenize()
    watcher = _Watcher(keys)
    client.meta.events.register_first(f"needs-retry.{service}", watcher.needs_retry)
    client.meta.events.register(f"provide-client-params.{service}", watcher.fetch)
    client.meta.events.register(f"after-call.{service}", watcher.refused)
    client.meta.events.register(f"after-call-error.{service}", watcher.failed)


class _Watcher:
    def __init__(self, keys: SigningKeys) -> None:
        self._keys = keys

    def needs_retry(self, attempts: int, response: Any, **_: Any) -> float | None:
        """Renew expired credentials and decide about the next attempt.

        :returns: seconds until the next attempt; False: no time is left; None: other handlers decide.
        :raises CredentialsUnusable: when there are none for another attempt.
        """
        if response is None or error_code(response[1]) not in ENDED or attempts >= TRIES:
            return None
        self._keys.renew()
        return deadlines.retry_after(_FIRST_PAUSE_S * 2 ** (attempts - 1))

    def fetch(self, **_: Any) -> None:
        """Fetch the credentials before anything in a call needs them.

        :raises CredentialsUnusable: when there are none that can be used.
        """
        self._keys.current()

    def refused(self, parsed: Any, **_: Any) -> None:
        """Report credentials that AWS rejected.

        :raises CredentialsUnusable: when AWS reports that they have expired, or that the keys are unknown or wrong.
        """
        if error_code(parsed) in ENDED | WRONG_KEYS:
            raise unusable(self._keys.reach, self._keys.settings, ClientError(parsed, "request"))

    def failed(self, exception: Exception, **_: Any) -> None:
        """Report missing credentials.

        :raises CredentialsUnusable: when there were no credentials to sign with.
        """
        if isinstance(exception, NoCredentialsError):
            raise unusable(self._keys.reach, self._keys.settings, exception) from exception
