"""What an export is made of: the game days with their expressions in an engine, what they read, and their secrets."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import yaml

from chaosdrill.bounded_yaml import load_yaml
from chaosdrill.errors import BadInput, Problem, problem
from chaosdrill.gamedays.calendar import Calendar, GameDay
from chaosdrill.gamedays.exports.agreement import SPAN_MS, Agreement, agreement_of, difference_of
from chaosdrill.gamedays.exports.engines import ENGINES, Engine
from chaosdrill.gamedays.instants import planned_instants
from chaosdrill.gamedays.named_files import named_files
from chaosdrill.topology import load_topology

MARK = "# Written by chaosdrill gameday export"  # begins each file of an export
SHORTEST_S = 60  # to start within; Kubernetes may miss a Job that has less than ten seconds


@dataclass(frozen=True)
class ExportedGameDay:
    """A game day in an engine.

    :param expressions: in the engine's language, all in the game day's zone.
    :param start_within_s: seconds after a planned instant within which the whole drill still fits into its window.
    """

    game_day: GameDay
    expressions: tuple[str, ...]
    start_within_s: int

    @property
    def worst_case_s(self) -> int:
        """How long the drill lasts at most, rollbacks included, in seconds."""
        return round(self.game_day.worst_case_min * 60)


@dataclass(frozen=True)
class Export:
    """Everything that an engine's files are made of.

    :param topologies: of the game days, each once: their systems are rescued.
    :param files: that the game days read, the calendar among them.
    :param secrets: the environment variables that hold secrets.
    """

    calendar: Calendar
    game_days: tuple[ExportedGameDay, ...]
    topologies: tuple[Path, ...]
    files: tuple[Path, ...]
    secrets: tuple[str, ...]


def plan_export(calendar: Calendar, names: Sequence[str], engine: str, now_ms: int) -> Export:
    """Compare the game days with an engine, and list what their drills need.

    :param names: ids of game days that the calendar has; empty: all.
    :param engine: one of :data:`ENGINES`.
    :param now_ms: from when on to compare, for ten years, in milliseconds.
    :raises BadInput: when a topology or an experiment cannot be used; with each game day that the engine would start at
        other instants, or has no expression for.
    """
    days = [day for day in calendar.game_days.values() if not names or day.id in names]
    found = [_exported(day, ENGINES[engine], now_ms) for day in days]
    if problems := [one for one in found if isinstance(one, Problem)]:
        raise BadInput(problems)
    topologies = tuple(dict.fromkeys(day.topology for day in days if day.topology))
    secrets = tuple(sorted(set(_secrets(calendar, days))))  # every experiment can be read
    return Export(
        calendar,
        tuple(one for one in found if isinstance(one, ExportedGameDay)),
        topologies,
        tuple(dict.fromkeys(_files(calendar, days))),
        secrets,
    )


def _exported(game_day: GameDay, engine: Engine, now_ms: int) -> ExportedGameDay | Problem:
    planned = planned_instants(game_day.schedule, now_ms, now_ms + SPAN_MS)
    found = agreement_of(engine, game_day, planned, now_ms)
    if not isinstance(found, Agreement):
        return found
    difference = difference_of(engine, game_day, found)
    return difference or ExportedGameDay(game_day, found.expressions, start_within_s(game_day, planned))


def start_within_s(game_day: GameDay, planned: Iterable[int]) -> int:
    """Return how many seconds after each planned instant the drill may begin, so that it ends within its window.

    Instants from which it does not fit at all are left out: those are refused when they come.
    """
    worst_ms = game_day.worst_case_min * 60_000
    rest = [_window_end_ms(game_day, at) - worst_ms - at for at in planned]
    return max(SHORTEST_S, int(min((one for one in rest if one >= 0), default=0) / 1000))


def _window_end_ms(game_day: GameDay, at_ms: int) -> int:
    zone, window = game_day.schedule.zone, game_day.window
    local = datetime.fromtimestamp(at_ms / 1000, zone)
    end = datetime.combine(local.date(), window.latest_end, zone)
    if window.latest_end <= window.earliest and local.time() >= window.earliest:
        end = datetime.combine(local.date() + timedelta(days=1), window.latest_end, zone)
    return round(end.timestamp() * 1000)


def _files(calendar: Calendar, days: Iterable[GameDay]) -> Iterator[Path]:
    yield calendar.file
    for day in days:
        yield day.experiment
        yield from (file for _, file in named_files(day, day.experiment.read_bytes()))
        if day.topology:
            yield day.topology
            if config := load_topology(day.topology).aws.config_file:
                yield config
    if calendar.ledger:
        yield calendar.ledger
    for freeze in calendar.freezes.values():
        yield freeze.file


def _secrets(calendar: Calendar, days: Iterable[GameDay]) -> Iterator[str]:
    """List the environment variables with secrets: ``{secret: NAME}``, and ``type: env`` of experiments' secrets."""
    for channel in calendar.channels.values():
        yield from _references(channel.settings)
    for day in days:
        yield from _references(day.variables)
        yield from _of_experiment(day.experiment)


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        if set(value) == {"secret"}:
            yield str(value["secret"])
            return
        value = list(value.values())
    if isinstance(value, list | tuple):
        for one in value:
            yield from _references(one)


def _of_experiment(path: Path) -> Iterator[str]:
    """Yield the environment variables that an experiment reads its secrets from.

    :source: https://chaostoolkit.org/reference/api/experiment/#secrets
    """
    try:
        read = load_yaml(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise BadInput([problem("experiment-invalid", f"{path}: the experiment cannot be read: {error}")]) from error
    for one in _mappings(read.get("secrets") if isinstance(read, Mapping) else None):
        if one.get("type") == "env" and isinstance(one.get("key"), str):
            yield one["key"]


def _mappings(value: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(value, Mapping):
        yield value
        for one in value.values():
            yield from _mappings(one)
