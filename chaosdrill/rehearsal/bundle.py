"""Recorded responses of a real account in one file that can be shared: redacted, and replayable in tests."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from chaosdrill.aws.recorder import RecordedCall
from chaosdrill.bounded_yaml import load_yaml
from chaosdrill.errors import BadInput, problem
from chaosdrill.history.whole_files import write_whole
from chaosdrill.rehearsal.redaction import Redaction
from chaosdrill.topology import Topology

VERSION = 1
_HARMLESS = ("{account}", "{id}", "application/json")  # header values that are no secrets
_TIME = "$time"  # JSON has no times, but AWS's responses do


def export(
    path: Path, topology: Topology, calls: Sequence[RecordedCall], settlement: Mapping[str, Any] | None = None
) -> None:
    """Write a bundle: the topology and the calls, redacted.

    :param path: the file; it must not exist.
    :param settlement: the measurement of `chaosdrill topology check --conformance --settlement`; None: none.
    :raises BadInput: when the file exists.
    """
    if path.exists():
        raise BadInput([problem("file-exists", f"{path} exists already: give another name, or remove it")])
    redaction = Redaction(topology.domain)
    raw = load_yaml(topology.path.read_text(encoding="utf-8"))
    raw.pop("aws", None)  # the name of the profile is private
    bundle = {
        "version": VERSION,
        "topology": redaction.value(_without_headers(raw)),
        "calls": [redaction.value(_as_json(vars(call))) for call in calls],
    }
    if settlement is not None:
        bundle["settlement"] = redaction.value(settlement)
    write_whole(path, json.dumps(bundle, indent=1, ensure_ascii=False) + "\n", private=False)


def _without_headers(topology: Mapping[str, Any]) -> dict[str, Any]:
    """Remove the values of the heartbeat's headers, except harmless ones: any other may be a secret."""
    heartbeat = topology.get("heartbeat")
    if not isinstance(heartbeat, Mapping):
        return dict(topology)
    hidden = {
        name: {**one, "headers": {key: text if text in _HARMLESS else "redacted" for key, text in headers.items()}}
        for name, one in heartbeat.items()
        if isinstance(one, Mapping) and isinstance(headers := one.get("headers"), Mapping)
    }
    return {**topology, "heartbeat": {**heartbeat, **hidden}}


def load(path: Path) -> tuple[Mapping[str, Any], list[RecordedCall]]:
    """Read a bundle.

    :returns: its topology as in a file, and its calls, for :func:`chaosdrill.aws.recorder.playing`.
    :raises BadInput: when it is not a bundle.
    """
    try:
        bundle = json.loads(path.read_text(encoding="utf-8"))
        version = bundle["version"]
        if version != VERSION:
            why = f"{path}: a bundle of version {version}, and this chaosdrill reads version {VERSION}"
            raise BadInput([problem("bundle-version", why)])
        return bundle["topology"], [RecordedCall(**_from_json(call)) for call in bundle["calls"]]
    except OSError as error:
        raise BadInput([f"{path}: cannot be read ({error.strerror}): correct the path"]) from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        why = f"{path}: is not a bundle of `chaosdrill rehearse --export`: {error}"
        raise BadInput([problem("bundle-invalid", why)]) from error


def _as_json(value: Any) -> Any:
    if isinstance(value, datetime):
        return {_TIME: value.astimezone(UTC).isoformat()}
    if isinstance(value, Mapping):
        return {str(key): _as_json(item) for key, item in value.items()}
    return [_as_json(item) for item in value] if isinstance(value, (list, tuple)) else value


def _from_json(value: Any) -> Any:
    if isinstance(value, list):
        return [_from_json(item) for item in value]
    if isinstance(value, dict):
        if set(value) == {_TIME}:
            return datetime.fromisoformat(value[_TIME])
        return {key: _from_json(item) for key, item in value.items()}
    return value
