"""The configuration of a heartbeat, checked as a whole before anything is sent."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chaosdrill.heartbeat.operation import Operation
from chaosdrill.heartbeat.target import BeatTarget
from chaosdrill.heartbeat.validation import Checker

FILES = ("beats.jsonl", "ledger.jsonl")
LONGEST_S = 7 * 24 * 3600.0
_OPERATION = {"method", "path", "headers", "status"}
_WORDS = {
    "read": ("account",),
    "write": ("account", "quantity"),
    "settled": ("account", "id"),
    "balance": ("account",),
}


class BadConfig(Exception):
    """An unusable configuration. Carries every problem found, each with its fix."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        super().__init__("\n".join(problems))


@dataclass(frozen=True)
class SettlementFields:
    """The request that finds a write by its id, and the meaning of the response's ``field``."""

    operation: Operation
    field: str
    settled: tuple[str, ...]
    rolled_back: tuple[str, ...]
    pending: tuple[str, ...]
    missing_status: frozenset[int]


@dataclass(frozen=True)
class Balance:
    """The request that reads an account's balance."""

    operation: Operation
    field: str


@dataclass(frozen=True)
class Config:
    """The configuration of a heartbeat.

    :param nameserver: ``IP:port``; None: those of /etc/resolv.conf.
    :param deadline_s: for judging; the heartbeat itself waits ``timeout_s`` for a response.
    :param rate_per_s: beats a second of the read; ``write_rate_per_s``: of the write.
    :param burst_per_s: the raised rate of the writes around a transition; None: it is constant.
    :param page_fd: an inherited listening socket; None: a port of its own.
    :param lifeline_fd: an inherited pipe; when its other end is closed, the heartbeat ends.
    :param max_s: after how many seconds it ends by itself.
    :param write_id: the field of a write's response that identifies it.
    """

    run: str
    target: BeatTarget
    nameserver: tuple[str, int] | None
    deadline_s: float
    timeout_s: float
    rate_per_s: float
    write_rate_per_s: float
    burst_per_s: float | None
    region_header: str
    directory: Path
    page_fd: int | None
    lifeline_fd: int | None
    max_s: float
    read: Operation
    write: Operation | None
    write_id: str
    settled: SettlementFields | None
    balance: Balance | None
    accounts: tuple[str, ...]

    @property
    def most_writes_per_s(self) -> float:
        """The rate of the writes when it is highest."""
        return max(self.write_rate_per_s, self.burst_per_s or 0.0)

    @property
    def operations(self) -> list[Operation]:
        """The operations that are sent: the read, and the write if there is one."""
        return [self.read] if self.write is None else [self.read, self.write]


def read_config(path: Path) -> Config:
    """Read the configuration from a JSON file.

    :raises BadConfig: with every problem.
    """
    try:
        raw = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise BadConfig(
            [f"{path}: cannot be read as JSON ({error}): give the path of a heartbeat's settings"]
        ) from error
    if not isinstance(raw, dict):
        raise BadConfig([f"{path}: is a {type(raw).__name__}: write a JSON object"])
    return config_of(raw)


def config_of(raw: Mapping[str, Any]) -> Config:
    """Read the configuration from JSON values.

    :raises BadConfig: with every problem.
    """
    check = Checker(raw)
    write, write_id = _write(check)
    config = Config(
        run=check.text("run"),
        target=check.url("url"),
        nameserver=check.nameserver("nameserver"),
        deadline_s=check.number("deadline_s", 0.01, 600, 1.0),
        timeout_s=check.number("timeout_s", 0.01, 600, 5.0),
        rate_per_s=(rate_per_s := check.number("rate_per_s", 0.01, 1000, 20.0)),
        write_rate_per_s=check.number("write_rate_per_s", 0.01, 1000, rate_per_s),
        burst_per_s=check.number("burst_per_s", 0.01, 1000, 1.0) if check.given("burst_per_s") else None,
        region_header=check.text("region_header", "X-Region"),
        directory=_directory(check),
        page_fd=check.descriptor("page_fd"),
        lifeline_fd=check.descriptor("lifeline_fd"),
        max_s=check.number("max_s", 0.1, LONGEST_S, LONGEST_S),
        read=_operation(check.part("read", _OPERATION), "read"),
        write=write,
        write_id=write_id,
        settled=_settled(check),
        balance=_balance(check),
        accounts=check.accounts("accounts"),
    )
    _check_sense(check, config)
    check.no_others()
    if check.problems:
        raise BadConfig(check.problems)
    return config


def _directory(check: Checker) -> Path:
    directory = Path(check.text("directory"))
    if not check.problem_with("directory"):
        if not directory.is_dir() or not os.access(directory, os.W_OK):
            check.add("directory", f"{directory} cannot be written to", "give a directory that exists")
        for name in FILES:
            if (directory / name).exists():
                check.add(
                    "directory", f"{directory} has a {name} already", "give each heartbeat a directory of its own"
                )
    return directory


def _operation(check: Checker, name: str) -> Operation:
    return Operation(
        name,
        check.method("method"),
        check.path("path"),
        check.headers("headers"),
        check.statuses("status", [200]),
        check.body("body"),
    )


def _write(check: Checker) -> tuple[Operation | None, str]:
    if not check.given("write"):
        return None, ""
    part = check.part("write", _OPERATION | {"body", "id"})
    return _operation(part, "write"), part.text("id", "")


def _settled(check: Checker) -> SettlementFields | None:
    if not check.given("settled"):
        return None
    names = {"field", "settled", "rolled_back", "pending", "missing_status"}
    part = check.part("settled", _OPERATION | names)
    return SettlementFields(
        _operation(part, "settled"),
        part.text("field"),
        part.texts("settled", required=True),
        part.texts("rolled_back"),
        part.texts("pending"),
        part.statuses("missing_status", [404]),
    )


def _balance(check: Checker) -> Balance | None:
    if not check.given("balance"):
        return None
    part = check.part("balance", _OPERATION | {"field"})
    return Balance(_operation(part, "balance"), part.text("field"))


def _check_sense(check: Checker, config: Config) -> None:
    """Report values that have the right form but contradict each other."""
    if config.deadline_s > config.timeout_s:
        why = f"{config.timeout_s:g} is shorter than deadline_s ({config.deadline_s:g})"
        check.add("timeout_s", why, "wait at least as long as a response may take")
    if config.write is not None and not config.accounts:
        check.add("accounts", "are missing, and `write` needs some", "name accounts that exist for drills only")
    if config.settled is not None and not config.write_id:
        check.add(
            "write.id", "is missing, and `settled` needs it", "name the field of the response that identifies a write"
        )
    for operation in (*config.operations, *(one.operation for one in (config.settled, config.balance) if one)):
        for word in sorted(operation.words - {*_WORDS[operation.name]}):
            known = ", ".join(f"{{{one}}}" for one in _WORDS[operation.name])
            check.add(operation.name, f"names {{{word}}}", f"known there: {known}")
        if "account" in operation.words and not config.accounts:
            check.add(operation.name, "names {account}, and there are no accounts", "add `accounts`")
