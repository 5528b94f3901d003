"""Errors of unusable AWS credentials: the profile, the cause in one sentence, and how to fix that cause.

botocore runs programs, reads files and calls other services for credentials. A failure there reaches its caller as an
exception of any kind: ``JSONDecodeError``, ``FileNotFoundError``, ``EOFError``, ``AttributeError``.
"""

import shlex
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from botocore.exceptions import (
    ClientError,
    CredentialRetrievalError,
    HTTPClientError,
    InvalidConfigError,
    InvalidRetryConfigurationError,
    LoginError,
    MetadataRetrievalError,
    MissingDependencyException,
    NoCredentialsError,
    PartialCredentialsError,
    ProfileNotFound,
    RefreshWithMFAUnsupportedError,
    SSOError,
    TokenRetrievalError,
)
from botocore.exceptions import ConnectionError as NoConnection

from chaosdrill.aws.access import Reach
from chaosdrill.errors import BadInput, CannotSee, DrillError, problem

NO_KEYS = "name a profile (`aws: {profile: ...}` in the topology), or set AWS_PROFILE or keys in the environment"
ENDED = frozenset({"ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired"})
WRONG_KEYS = frozenset(
    {
        *("AuthFailure", "InvalidAccessKeyId", "InvalidClientTokenId", "InvalidSignatureException"),
        *("SignatureDoesNotMatch", "UnrecognizedClientException"),
    }
)
_DENIED = frozenset({"AccessDenied", "AccessDeniedException"})
_MOST_CHARACTERS = 300  # limit of a program's output in a message

Settings = Mapping[str, Any]


class CredentialsUnusable(CannotSee):
    """AWS credentials are missing or unusable. They may become usable while a drill waits for them."""


@contextmanager
def credentials_needed(reach: Reach, settings: Settings) -> Iterator[None]:
    """Report every failure of the block, which fetches credentials, as unusable credentials.

    :param settings: the settings of the profile, with those from its source profiles.
    :raises CredentialsUnusable: with profile, cause and advice.
    """
    try:
        yield
    except DrillError:
        raise
    except Exception as error:  # of a program, a file or another service: botocore wraps none of them
        raise unusable(reach, settings, error) from error


@contextmanager
def configuration_needed(reach: Reach) -> Iterator[None]:
    """Report every failure of the block, which reads the AWS config file, as an unusable config file.

    :raises BadInput: with profile, cause and advice.
    """
    try:
        yield
    except DrillError:
        raise
    except ProfileNotFound as error:
        fix = "correct `aws: {profile: ...}` in the topology or add it"
        why = f"profile {reach.profile!r} is not in {_file(reach)}: {fix}"
        raise BadInput([problem("profile-missing", why)]) from error
    except Exception as error:
        why = f"the AWS configuration ({reach}) cannot be used: {_cause(error)}: correct {_file(reach)}"
        raise BadInput([problem("aws-config-invalid", why)]) from error


def unusable(reach: Reach, settings: Settings, error: Exception) -> CredentialsUnusable:
    """Return the error to raise after fetching or using credentials failed with ``error``."""
    cause, advice = _cause_and_advice(reach, settings, error)
    why = f"AWS credentials ({reach}) cannot be used: {cause}: {advice}"
    return CredentialsUnusable(why, code="credentials-unusable")


def error_code(parsed: Any) -> str:
    """Return AWS's error code in a parsed response; empty when it is no error."""
    return str((parsed.get("Error") or {}).get("Code", ""))


def _cause_and_advice(reach: Reach, settings: Settings, error: Exception) -> tuple[str, str]:
    profile = f" --profile {shlex.quote(reach.profile)}" if reach.profile else ""
    look = f"check with `aws sts get-caller-identity{profile}`"
    file = _file(reach)
    match error:
        case SSOError() | TokenRetrievalError():
            return _cause(error), f"run `aws sso login{profile}`; a drill that is waiting continues then"
        case LoginError():
            return _cause(error), f"run `aws login{profile}`; a drill that is waiting continues then"
        case NoCredentialsError() if reach.profile:
            return "the profile has no credentials that are complete", f"add keys, a role or SSO to it in {file}"
        case NoCredentialsError():
            return _cause(error), NO_KEYS
        case RefreshWithMFAUnsupportedError() | EOFError() | Warning():
            keys = f"`aws configure export-credentials{profile}`"
            fix = f"get temporary keys first ({keys}) and name a profile that has them"
            return "the role requires an MFA code, and there is no terminal to enter it", fix
        case MissingDependencyException():
            return _cause(error), "install it beside chaosdrill"
        case ClientError():
            return _of_response(error, profile)
        case HTTPClientError() | NoConnection() | MetadataRetrievalError():
            return f"they could not be fetched: {_cause(error)}", "check the network and the proxy"
        case InvalidConfigError() | PartialCredentialsError() | InvalidRetryConfigurationError():
            return _cause(error), f"correct the profile in {file}"
    return _of_source(settings, error, file, look)


def _of_response(error: ClientError, profile: str) -> tuple[str, str]:
    code = error_code(error.response)
    if code in ENDED:
        renew = f"renew them (with SSO: `aws sso login{profile}`)"
        return f"AWS reports {code}: {error.response['Error'].get('Message')}", renew
    if code in WRONG_KEYS:
        return f"AWS does not know these keys: {_cause(error)}", "replace them where they are kept"
    if code in _DENIED:
        return _cause(error), "let the role's trust policy, and a policy of who takes it on, allow sts:AssumeRole"
    return _cause(error), f"check with `aws sts get-caller-identity{profile}`"


def _of_source(settings: Settings, error: Exception, file: str, look: str) -> tuple[str, str]:
    """Return cause and advice by the profile's source of credentials: the error alone can be of any kind."""
    if command := settings.get("credential_process"):
        program = _program(str(command))
        if isinstance(error, OSError):
            return (
                f"its credential_process {program} cannot be started ({error.strerror})",
                f"install it, or correct {file}",
            )
        fix = "run it by hand: it must print one JSON object with Version 1, keys and an Expiration in the future"
        if isinstance(error, CredentialRetrievalError):
            return f"its credential_process {program} failed: {_cause(error)}", fix
        return f"its credential_process {program} printed no usable credentials ({_cause(error)})", fix
    if isinstance(error, OSError) and error.filename:
        return f"{error.filename} cannot be read ({error.strerror})", f"create it, or correct {file}"
    if isinstance(error, CredentialRetrievalError):
        return _cause(error), f"make them available there, or correct {file}"
    return _cause(error), look


def _program(command: str) -> str:
    """Return the program of a command without its arguments, which may contain a secret."""
    try:
        return (shlex.split(command) or [command])[0]
    except ValueError:
        return command.split()[0]


def _cause(error: Exception) -> str:
    """Return an error as one line, with its type unless it is one of botocore's, whose messages are complete."""
    text = " ".join(str(error).split()).rstrip(".")
    named = text if type(error).__module__.startswith("botocore") else f"{type(error).__name__}: {text}".rstrip(": ")
    return named if len(named) <= _MOST_CHARACTERS else f"{named[:_MOST_CHARACTERS]}…"


def _file(reach: Reach) -> str:
    return str(reach.config_file or "your AWS config file")
