"""Secrets in the requests that a heartbeat sends, kept apart from its settings.

A heartbeat's settings appear in SSM's command history and in a file on its host. There, a header or body that contains
a secret is replaced by a placeholder. The values are passed over stdin, or in a file that only the heartbeat's user can
read.
"""

import os
import re
from collections.abc import Iterator, Mapping
from typing import Any

from chaosdrill import history
from chaosdrill.errors import BadInput, problem
from chaosdrill.history.secrets import SHORTEST_SECRET
from chaosdrill.secret_text import forms_of, names_a_secret, secrets_in
from chaosdrill.topology import Topology
from chaosdrill.topology.loading import OPERATIONS

PLACEHOLDER = "chaosdrill-secret"  # {PLACEHOLDER: place} stands for the secret of that place
REFERENCE = "secret"  # {secret: NAME} in a topology

Secrets = Mapping[str, Any] | None

_WORDS = re.compile(r"\{(?:account|id|quantity)\}")  # placeholders that a heartbeat fills in

_resolved: dict[str, str] = {}  # secrets by name, as the drill control received them: an activity receives only some


def problems_of_secrets(topology: Topology, secrets: Secrets) -> list[str]:
    """Resolve the secrets that a topology's heartbeat names, for every step that starts it.

    :param secrets: all secrets of the experiment.
    :returns: the problems that keep the heartbeat from being started with them.
    """
    settings = operations_of(topology)
    problems: list[str] = []
    for where, name in references(settings):
        value = secret_named(name, secrets)
        if value is None:
            problems.append(problem("secret-missing", _missing(where, name)))
        elif not _can_be_sent(value):
            problems.append(problem("secret-missing", f"{where}: the secret {name} is no text that a header can have"))
        else:
            _resolved[name] = value
    if not problems and (where := next(iter(separated(settings, secrets)[1]), "")):
        problems += problems_of_way(topology, where)
    return problems


def problems_of_way(topology: Topology, where: str) -> list[str]:
    """Return the problem that a secret can reach the client host only in the text of a command; empty when it has
    another way.

    :param where: where the secret stands in the settings.
    """
    if topology.heartbeat is None or topology.heartbeat.run != "ssm" or topology.client.s3:
        return []
    text = (
        f"{where}: it holds a secret, which would stand in the history of SSM's commands, where everybody with "
        'ssm:ListCommands reads it: name a bucket to bring it there, `client: {s3: "BUCKET/PREFIX"}`, or run the '
        "heartbeat on this machine, `heartbeat: {run: local}`"
    )
    return [problem("secret-in-command", text)]


def operations_of(topology: Topology) -> dict[str, Any]:
    """Return the requests that a topology's heartbeat sends, by operation."""
    return {name: getattr(topology.heartbeat, name, None) for name in OPERATIONS}


def separated(settings: Mapping[str, Any], secrets: Secrets) -> tuple[dict[str, Any], dict[str, str]]:
    """Take the secrets out of a heartbeat's settings.

    :returns: the settings with placeholders, and the secrets by their places in the settings; they are redacted in all
        records.
    :raises BadInput: when a named secret is missing or cannot be sent.
    """
    found: dict[str, str] = {}
    public = {
        name: _separated(value, (f"heartbeat.{name}",), secrets, found) if name in OPERATIONS else value
        for name, value in settings.items()
    }
    return public, found


def put_back(value: Any, found: Mapping[str, str]) -> Any:
    """Return settings with the secrets back in their places."""
    if isinstance(value, Mapping):
        if value.keys() == {PLACEHOLDER}:
            return found[value[PLACEHOLDER]]
        return {name: put_back(one, found) for name, one in value.items()}
    return [put_back(one, found) for one in value] if isinstance(value, list) else value


def references(value: Any, place: tuple[str, ...] = ("heartbeat",)) -> Iterator[tuple[str, str]]:
    """Yield the place and the name of each secret that a header references: ``{secret: NAME}``."""
    if isinstance(value, Mapping):
        for name, one in value.items():
            if place[-1] == "headers" and isinstance(one, Mapping):
                yield ".".join((*place, name)), str(one[REFERENCE])
            else:
                yield from references(one, (*place, name))


def secret_named(name: str, secrets: Secrets) -> str | None:
    """Return a secret by name: from Chaos Toolkit's secrets (of one section or of all), else from the environment
    variable.
    """
    given = secrets or {}
    for part in (given, *(one for one in given.values() if isinstance(one, Mapping))):
        if isinstance(part.get(name), str) and part[name]:
            return str(part[name])
    return _resolved.get(name) or os.environ.get(name) or None


def _separated(value: Any, place: tuple[str, ...], secrets: Secrets, found: dict[str, str]) -> Any:
    where = ".".join(place)
    if isinstance(value, Mapping):
        if len(place) > 1 and place[-2] == "headers":
            secret = secret_named(str(value[REFERENCE]), secrets)
            if secret is None or not _can_be_sent(secret):
                raise BadInput([problem("secret-missing", _missing(where, str(value[REFERENCE])))])
            found[where] = secret
            history.register_secret(*forms_of(secret))
            return {PLACEHOLDER: where}
        return {name: _separated(one, (*place, str(name)), secrets, found) for name, one in value.items()}
    if isinstance(value, list):
        return [_separated(one, (*place, str(number)), secrets, found) for number, one in enumerate(value)]
    if isinstance(value, str) and (_is_secret(place[-1], value) or secrets_in(value)):
        found[where] = value
        history.register_secret(*(forms_of(value) if names_a_secret(place[-1]) else secrets_in(value)))
        return {PLACEHOLDER: where}
    return value


def _is_secret(name: str, value: str) -> bool:
    """Return whether the value of a header or field is a secret by its name; ``{account}`` alone is none."""
    return names_a_secret(name) and len(_WORDS.sub("", value)) >= SHORTEST_SECRET


def _can_be_sent(value: str) -> bool:
    return value.isprintable() and value.isascii()


def _missing(where: str, name: str) -> str:
    return (
        f"{where}: there is no secret {name} that can be sent: declare it under the experiment's `secrets:`, or set "
        f"the environment variable {name}"
    )
