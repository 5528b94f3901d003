"""Access to a lab: keys and a token that are random for each lab and stored only in its files of mode 0600."""

import secrets
import string
from dataclasses import dataclass, field

_ID_CHARACTERS = string.ascii_uppercase + "234567"


@dataclass(frozen=True)
class KeyPair:
    """Keys that sign requests to the lab's AWS endpoint.

    :param id: the access key ID; not secret.
    """

    id: str
    secret: str = field(repr=False)

    @classmethod
    def random(cls) -> "KeyPair":
        """Return a random pair in the form of AWS's long-term keys."""
        return cls("AKIA" + "".join(secrets.choice(_ID_CHARACTERS) for _ in range(16)), secrets.token_urlsafe(30))


@dataclass(frozen=True)
class Access:
    """Credentials of one lab.

    :param user: the keys of the profile ``chaosdrill-lab``.
    :param parts: the keys of the lab's own parts: state machines, region proxy, application.
    :param token: the token that the lab's own pages (``/chaosdrill/``) require in ``Authorization: Bearer``.
    """

    user: KeyPair
    parts: KeyPair
    token: str = field(repr=False)

    @classmethod
    def random(cls) -> "Access":
        """Return random keys and a random token."""
        return cls(KeyPair.random(), KeyPair.random(), secrets.token_urlsafe(32))
