"""Environment variables of the lab's processes."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

import chaosdrill
from chaosdrill.lab.namespaces import CLIENT_USER
from chaosdrill.lab.plan import LabPlan
from chaosdrill.lab.postgres.binaries import binary

_KEPT = frozenset({"COLORTERM", "LANG", "LANGUAGE", "TERM", "TZ"})
_SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_FOREIGN = ("AWS_", "BOTO", "CHAOSDRILL_", "GEVENT", "LOCUST_", "MOTO_", "PG", "RES_OPTIONS")


def clean_environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return this process's environment without variables that would redirect a part of the lab (``AWS_PROFILE``, a
    proxy, …).
    """
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(_FOREIGN) and not name.lower().endswith("_proxy")
    }
    return {**kept, **(extra or {})}


def past_proxies() -> dict[str, str]:
    """Return the variables that keep programs on this machine from using the user's proxy for its own ports."""
    exempt = [part for name in ("no_proxy", "NO_PROXY") for part in os.environ.get(name, "").split(",") if part]
    value = ",".join(dict.fromkeys([*exempt, "127.0.0.1", "localhost"]))
    return {"no_proxy": value, "NO_PROXY": value}


def client_pythonpath(plan: LabPlan) -> str:
    """Return the PYTHONPATH of the client host: of this process's entries only the one with chaosdrill itself."""
    package = Path(chaosdrill.__file__).parent
    given = [Path(one) for one in os.environ.get("PYTHONPATH", "").split(os.pathsep) if one]
    brings_us = [str(one) for one in given if (one / package.name).resolve() == package.resolve()]
    return os.pathsep.join([str(plan.client_python), *brings_us])


def client_environment(plan: LabPlan) -> dict[str, str]:
    """Return the environment of a program on the client host: its AWS endpoint, PostgreSQL's clients, this Python.

    Of this process's own environment it contains only language, time zone and terminal.
    """
    directories = [
        str(plan.client_programs),
        str(binary("psql").parent),
        str(Path(sys.executable).parent),
        _SYSTEM_PATH,
    ]
    kept = {name: value for name, value in os.environ.items() if name in _KEPT or name.startswith("LC_")}
    return {
        **kept,
        "PATH": os.pathsep.join(directories),
        "HOME": str(plan.directory / "home"),
        **{"USER": CLIENT_USER, "LOGNAME": CLIENT_USER, "SHELL": "/bin/sh", "TMPDIR": "/tmp"},
        "PYTHONPATH": client_pythonpath(plan),
        "AWS_CONFIG_FILE": str(plan.aws_config_file),
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_PROFILE": "chaosdrill-lab",
        "AWS_ENDPOINT_URL": plan.aws_url_inside,
        "PGUSER": "app",
        "PGDATABASE": "postgres",
    }
