"""The settings of a drill in the experiment's configuration; all problems are reported at once."""

import os
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chaosdrill.client.locust_page import problems_of_url
from chaosdrill.controls.junit import junit_problems
from chaosdrill.errors import BadInput, problem
from chaosdrill.history.stop_grace import problems_of_grace
from chaosdrill.lab.plan import DEFAULT_SCALE, LARGEST_SCALE, SMALLEST_SCALE
from chaosdrill.languages import language_from
from chaosdrill.parts.interface import VariableRange
from chaosdrill.parts.registry import variables
from chaosdrill.time_zones import zone_from
from chaosdrill.topology import load_topology

TARGETS = ("lab", "aws")

# the drill's own variables, beside those of its parts; checked and converted when the experiment declares them
NUMBERS: Mapping[str, VariableRange] = {
    "rto_s": VariableRange(float, 0.1, 86_400),
    "rpo_writes": VariableRange(int, 0, 1_000_000_000),
    "rpo_s": VariableRange(float, 0, 86_400),
    "availability_ratio": VariableRange(float, 0.0001, 1),
    "scale": VariableRange(float, SMALLEST_SCALE, LARGEST_SCALE),
}


@dataclass(frozen=True)
class Settings:
    """The settings of a drill.

    :param target: lab or aws.
    :param scale: multiplies the lab's waits; 1 on aws.
    :param topology: the topology file; None on the lab, which writes its own.
    :param locustfile: absolute path of the load script; empty: the reference application's own.
    :param change_ticket: the change under which it runs; empty on the lab.
    :param approver: who allowed it, as the operator states; empty: that is not known.
    """

    target: str
    scale: float
    topology: Path | None
    locustfile: str
    change_ticket: str
    approver: str


def read_settings(configuration: MutableMapping[str, Any], ticket_needed: bool = True) -> tuple[Settings, list[str]]:
    """Read the configuration and write checked values back into it (``--var users=50`` gives a text, not a number).

    :param ticket_needed: whether target aws without a change ticket is a problem.
    :returns: the settings, and every problem found; the settings are valid only without problems.
    """
    problems = _convert_numbers(configuration)
    target = str(configuration.get("target") or "lab")
    if target not in TARGETS:
        problems.append(problem("setting-invalid", f"target: {target!r} is neither lab nor aws"))
    topology, found = _topology(configuration, target)
    locustfile, missing = _locustfile(configuration)
    url = problems_of_url(str(configuration.get("load_generator_url") or ""))
    problems += [problem("setting-invalid", text) for text in url]
    problems += found + missing + _aws_needs(configuration, target, ticket_needed) + _environment_problems()
    scale = configuration.get("scale") or (DEFAULT_SCALE if target == "lab" else 1.0)
    scale = scale if isinstance(scale, float) else 1.0
    ticket, approver = (str(configuration.get(name) or "") for name in ("change_ticket", "approver"))
    return Settings(target, scale, topology, locustfile, ticket, approver), problems


def _convert_numbers(configuration: MutableMapping[str, Any]) -> list[str]:
    problems: list[str] = []
    for name, valid in {**variables(), **NUMBERS}.items():
        if name not in configuration or (name == "scale" and configuration[name] == ""):
            continue
        if valid.has_default and configuration[name] in ("", None):
            configuration[name] = None
            continue
        raw = configuration[name]
        try:
            value = valid.type(raw)
            if isinstance(raw, bool) or float(value) != float(raw) or not valid.smallest <= value <= valid.largest:
                raise ValueError
        except (TypeError, ValueError):
            what = "a whole number" if valid.type is int else "a number"
            limits = f"from {valid.smallest:.4g} to {valid.largest:g}"
            problems.append(problem("setting-invalid", f"{name}: {raw!r} is not {what} {limits}"))
        else:
            configuration[name] = value
    return problems


def _topology(configuration: Mapping[str, Any], target: str) -> tuple[Path | None, list[str]]:
    named = str(configuration.get("topology") or os.environ.get("CHAOSDRILL_TOPOLOGY") or "")
    if target != "aws":
        return None, []
    if not named:
        why = "topology: target aws needs the file that names its parts: --var topology=PATH"
        return None, [problem("topology-missing", why)]
    try:
        found = load_topology(named)
    except BadInput as bad:
        return None, list(bad.problems)
    if found.target != "aws":
        why = f"topology: {named} describes a {found.target}, but the target is aws"
        return None, [problem("topology-mismatch", why)]
    return Path(named).absolute(), []


def _locustfile(configuration: MutableMapping[str, Any]) -> tuple[str, list[str]]:
    named = str(configuration.get("locustfile") or "")
    if not named:
        return "", []
    path = os.path.realpath(os.path.expanduser(named))
    if not os.path.isfile(path):
        return "", [problem("file-missing", f"locustfile: there is no file {path}: correct the path")]
    configuration["locustfile"] = path
    return path, []


def _environment_problems() -> list[str]:
    """Return the problems of environment variables that are used at the end of the drill, before anything is
    changed.
    """
    problems = junit_problems() + problems_of_grace()
    for read in (language_from, zone_from):
        try:
            read()
        except BadInput as bad:
            problems += bad.problems
    return problems


def _aws_needs(configuration: Mapping[str, Any], target: str, ticket_needed: bool) -> list[str]:
    if target != "aws":
        return []
    problems: list[str] = []
    if (configuration.get("scale") or 1.0) != 1.0:
        why = "scale: a real system cannot be scaled: --var scale:float=1 on target aws"
        problems.append(problem("setting-invalid", why))
    if ticket_needed and not configuration.get("change_ticket"):
        why = "change_ticket: needed on target aws: --var change_ticket=ID"
        problems.append(problem("change-ticket-missing", why))
    return problems
