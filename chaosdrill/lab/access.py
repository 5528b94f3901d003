"""Who may use a lab: keys and a token that are random in each lab and stand in its files of mode 0600 only."""

import secrets
import string
from dataclasses import dataclass, field

_ID_CHARACTERS = string.ascii_uppercase + "234567"


@dataclass(frozen=True)
class KeyPair:
    """Keys with which requests to the lab's AWS endpoint are signed.

    :param id: the access key's id; not secret.
    """

    id: str
    secret: str = field(repr=False)

    @classmethod
    def random(cls) -> "KeyPair":
        """:returns: a pair in the form of AWS's long-term keys."""
        return cls("AKIA" + "".join(secrets.choice(_ID_CHARACTERS) for _ in range(16)), secrets.token_urlsafe(30))


@dataclass(frozen=True)
class Access:
    """What opens one lab.

    :param user: the keys of the profile ``chaosdrill-lab``.
    :param parts: those of the lab's own parts: state machines, region proxy, application.
    :param token: what the lab's own pages (``/chaosdrill/``) want in ``Authorization: Bearer``.
    """

    user: KeyPair
    parts: KeyPair
    token: str = field(repr=False)

    @classmethod
    def random(cls) -> "Access":
        """:returns: keys and a token that nobody knows yet."""
        return cls(KeyPair.random(), KeyPair.random(), secrets.token_urlsafe(32))
