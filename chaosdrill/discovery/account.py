"""Read-only access to an account, with errors that name the missing permission."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from chaosdrill.aws.access import Reach
from chaosdrill.aws.credential_errors import CredentialsUnusable
from chaosdrill.aws.sessions import client
from chaosdrill.errors import BadInput, CannotSee, DrillError, problem

T = TypeVar("T")
_DENIED = {"AccessDenied", "AccessDeniedException", "AuthorizationError", "UnauthorizedOperation", "NotAuthorized"}
MOST = 500  # limit on the items of a listing; an account may have any number


@dataclass(frozen=True)
class Listing:
    """The items of a listing, and whether there are more that were not read."""

    items: tuple[Any, ...]
    more: bool

    def count(self, what: str) -> str:
        """Return the number in words, such as ``the first 500 tables`` or ``3 tables``."""
        return f"the first {len(self.items)} {what}" if self.more else f"{len(self.items)} {what}"


class Account:
    """The account of a profile. The guard of its clients refuses every call that changes something.

    :param profile: a profile of the AWS config file; None: boto3's default credentials.
    """

    def __init__(self, profile: str | None) -> None:
        self.profile = profile
        self._reach = Reach(
            target="aws",
            accounts=(),
            profile=profile,
            config_file=None,
            endpoint_url=None,
            role_arn=None,
            role_session_name="chaosdrill",
            keys=None,
        )

    def number(self, region: str) -> str:
        """Return the account number.

        :raises BadInput: when there is no such profile.
        :raises DrillError: when the credentials are missing or expired, so that nothing else can be read either.
        :raises CannotSee: when the account number cannot be read.
        """
        try:
            sts = client(self._reach, "sts", region)
        except BadInput as error:
            if error.codes != ("profile-missing",):
                raise
            there = ", ".join(boto3.Session().available_profiles) or "none"
            why = f"--profile {self.profile}: is not in your AWS config file; there are: {there}"
            raise BadInput([problem("profile-missing", why)]) from error
        except CredentialsUnusable as error:
            raise DrillError(f"nothing was read: {error}", code=error.code) from error
        try:
            return str(sts.get_caller_identity()["Account"])
        except CannotSee as error:  # the credentials are missing or expired
            raise DrillError(f"nothing was read: {error}", code=error.code) from error
        except (ClientError, BotoCoreError) as error:
            raise _unseen(sts, "get_caller_identity", region, error) from error

    def ask(self, service: str, region: str, operation: str, **given: Any) -> dict[str, Any]:
        """Return the response to one call.

        :raises CannotSee: when the call fails; it names the permission that is missing.
        """
        one = client(self._reach, service, region)
        answer: dict[str, Any] = _tried(one, operation, region, lambda: getattr(one, operation)(**given))
        return answer

    def listed(self, service: str, region: str, operation: str, key: str, most: int = MOST, **given: Any) -> Listing:
        """Return the items of a listing, page by page, up to ``most``.

        :param key: key of the items in a response.
        :raises CannotSee: when a page cannot be read; it names the permission that is missing.
        """
        one = client(self._reach, service, region)

        def read() -> Listing:
            found: list[Any] = []
            for page in one.get_paginator(operation).paginate(**given):
                found += page.get(key, [])
                if len(found) > most:
                    return Listing(tuple(found[:most]), True)
            return Listing(tuple(found), False)

        return _tried(one, operation, region, read)


def _tried(one: Any, operation: str, region: str, read: Callable[[], T]) -> T:
    try:
        return read()
    except (ClientError, BotoCoreError) as error:
        raise _unseen(one, operation, region, error) from error


def _unseen(one: Any, operation: str, region: str, error: Exception) -> CannotSee:
    service = one.meta.service_model.signing_name  # IAM's name of the service
    name = f"{service}:{one.meta.method_to_api_mapping[operation]}"
    if isinstance(error, ClientError) and error.response["Error"]["Code"] in _DENIED:
        return CannotSee(f"{name} is not permitted in {region}: allow it for these credentials ({error})")
    return CannotSee(f"{name} failed in {region}: {error}")
