"""From a file of game days (``gamedays.yaml``) to a :class:`Calendar`."""

import os
from collections.abc import Iterator, Mapping
from datetime import date, datetime, time
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import yaml

from chaosdrill.bounded_yaml import LONGEST_TEXT, load_yaml
from chaosdrill.errors import BadInput, problem
from chaosdrill.gamedays.calendar import (
    ApprovalRule,
    Blackout,
    Budget,
    Calendar,
    Channel,
    Dependency,
    FreezeCalendar,
    GameDay,
    Guards,
    Schedule,
    Window,
)
from chaosdrill.gamedays.freezes import LONGEST_FILE, UnreadableFreezes, check_freezes
from chaosdrill.gamedays.problems import problems_of, source_of, warnings_of
from chaosdrill.runs.documents import read_regular
from chaosdrill.topology.yaml_positions import Document, Place, read_document

VARIABLE = "CHAOSDRILL_GAMEDAYS"
DEFAULT_NAME = "gamedays.yaml"
_TIMES_OF_DAY = ("from", "to", "earliest", "latest_end")  # YAML 1.1 reads 22:00 as 22 * 60


def calendar_path(named: Path | str | None = None) -> Path:
    """Return the file of game days: the one named, else that of ``CHAOSDRILL_GAMEDAYS``, else ./gamedays.yaml."""
    return Path(named or os.environ.get(VARIABLE) or DEFAULT_NAME).expanduser().absolute()


def load_calendar(named: Path | str | None = None) -> Calendar:
    """Read and check a file of game days, and the freeze calendars that it names.

    A freeze calendar that cannot be read is no error: it forbids every drill of its blackouts, and is in ``warnings``.

    :param named: the file, YAML; default: see :func:`calendar_path`.
    :raises BadInput: with every problem found: its line, key and fix.
    """
    path = calendar_path(named)
    document = _read(path)
    if problems := sorted(set(_problems(path, document))):
        raise BadInput([problem("gamedays-invalid", f"{path}:{line}: {text}") for line, text in problems])
    return _calendar(path, document)


def _read(path: Path) -> Document:
    try:
        with open(path, encoding="utf-8") as file:
            document = read_document(file.read(LONGEST_TEXT + 1))
    except OSError as error:
        fix = f"write it, or name another one with --calendar or {VARIABLE}"
        why = f"{path}: the game days cannot be read ({error.strerror}): {fix}"
        raise BadInput([problem("gamedays-unreadable", why)]) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f":{mark.line + 1}" if mark else ""
        what = getattr(error, "problem", None) or str(error)
        raise BadInput([problem("gamedays-invalid", f"{path}{where}: this is not YAML: {what}")]) from error
    return Document(_as_texts(document.value), document.lines, document.repeated, document.not_text)


def _as_texts(value: Any, key: str = "") -> Any:
    """Dates and times of the day as texts: YAML makes values of its own of them, when they are not in quotes."""
    if isinstance(value, dict):
        return {name: _as_texts(one, name) for name, one in value.items()}
    if isinstance(value, list):
        return [_as_texts(one) for one in value]
    if isinstance(value, date):
        return value.isoformat()
    if key in _TIMES_OF_DAY and isinstance(value, int) and not isinstance(value, bool) and 60 <= value < 24 * 60:
        return f"{value // 60:02}:{value % 60:02}"
    return value


def _problems(path: Path, document: Document) -> Iterator[tuple[int, str]]:
    for place, line in document.repeated:
        yield line, f"{place[-1]}: stands here twice: remove one"
    for place, line in document.not_text:
        yield line, f"{place[-1]}: this key is not a text: remove it, or put it in quotes if you mean it"
    for found in problems_of(document.value):
        yield document.line(found.place), f"{found.key}: {found.what}: {found.fix}"
    for place, text in _problems_of_experiments(path, document.value):
        yield document.line(place), f"{'.'.join(map(str, place))}: {text}"
    for place, named in _files(document.value):
        if not (path.parent / Path(named).expanduser()).is_file():
            key = ".".join(map(str, place))
            yield (
                document.line(place),
                f"{key}: there is no file {named!r}: correct the path; it begins at {path.parent}",
            )


def _problems_of_experiments(path: Path, value: Any) -> Iterator[tuple[Place, str]]:
    """Yield the experiments that cannot be read, and the variables that they do not declare."""
    for place, named in _files(value):
        file = path.parent / Path(named).expanduser()
        if place[-1] != "experiment" or not file.is_file():
            continue
        try:
            experiment = load_yaml(read_regular(file, LONGEST_TEXT).decode())
        except (OSError, ValueError, yaml.YAMLError) as error:
            yield place, f"{named} cannot be read ({str(error).splitlines()[0]}): correct it"
            continue
        if not isinstance(experiment, dict):
            continue  # the preflight says what is missing of an experiment
        declared = experiment.get("configuration") or {}
        variables = value["game_days"][place[1]].get("variables")
        for name in variables if isinstance(variables, dict) else ():
            if name not in declared:
                known = ", ".join(declared) or "none"
                what = "the experiment declares no such variable"
                yield (*place[:-1], "variables", name), f"{what}: correct the name; it declares: {known}"


def _files(value: Any) -> Iterator[tuple[Place, str]]:
    game_days = value.get("game_days") if isinstance(value, Mapping) else None
    for name, game_day in game_days.items() if isinstance(game_days, Mapping) else ():
        for key in ("experiment", "topology"):
            if isinstance(game_day, Mapping) and isinstance(named := game_day.get(key), str):
                yield ("game_days", name, key), named
    if isinstance(value, Mapping) and isinstance(value.get("ledger"), str):
        yield ("ledger",), value["ledger"]


def _calendar(path: Path, document: Document) -> Calendar:
    raw, folder = document.value, path.parent
    freezes = {name: _freeze(name, folder / Path(one["file"]).expanduser()) for name, one in _of(raw, "freezes")}
    return Calendar(
        file=path,
        game_days={name: _game_day(name, one, folder) for name, one in raw["game_days"].items()},
        blackouts={name: _blackout(name, one) for name, one in _of(raw, "blackouts")},
        holidays={name: source_of(name, one) for name, one in _of(raw, "holidays")},
        freezes=freezes,
        channels={name: _channel(name, one) for name, one in _of(raw, "channels")},
        ledger=_file(folder, raw.get("ledger")),
        warnings=tuple(f"{path}:{line}: {text}" for line, text in sorted(_warnings(document, freezes))),
    )


def _warnings(document: Document, freezes: Mapping[str, FreezeCalendar]) -> Iterator[tuple[int, str]]:
    for found in warnings_of(document.value):
        yield document.line(found.place), f"{found.key}: {found.what}: {found.fix}"
    for one in freezes.values():
        if one.content is None:
            why = f"{one.problem}: no drill runs that it could forbid"
            yield document.line(("freezes", one.name)), f"freezes.{one.name}: {why}"


def _of(raw: Mapping[str, Any], section: str) -> Iterator[tuple[str, Any]]:
    yield from raw.get(section, {}).items()


def _file(folder: Path, named: str | None) -> Path | None:
    return None if named is None else folder / Path(named).expanduser()


def _freeze(name: str, file: Path) -> FreezeCalendar:
    try:
        with open(file, encoding="utf-8-sig", newline="") as opened:
            content = opened.read(LONGEST_FILE + 1)
        if len(content) > LONGEST_FILE:
            raise UnreadableFreezes(f"it has more than {LONGEST_FILE:,} characters")
        check_freezes(content)
    except OSError as error:
        return FreezeCalendar(name, file, None, f"{file}: it cannot be read ({error.strerror})")
    except ValueError as error:  # UnreadableFreezes, or no UTF-8
        return FreezeCalendar(name, file, None, f"{file}: {error}")
    return FreezeCalendar(name, file, content)


def _blackout(name: str, raw: Mapping[str, Any]) -> Blackout:
    gotobi = raw.get("gotobi")
    days = [(one, one) if isinstance(one, str) else (one["from"], one["to"]) for one in raw.get("dates", ())]
    return Blackout(
        name=name,
        dates=tuple((date.fromisoformat(first), date.fromisoformat(last)) for first, last in days),
        weekly=tuple((one["day"], _time(one["from"]), _time(one["to"])) for one in raw.get("weekly", ())),
        month_end_days=raw.get("month_end_days", 0),
        gotobi=gotobi is not None,
        gotobi_shift="none" if gotobi is None else gotobi["shift"],
        holidays=tuple(raw.get("holidays", ()) if gotobi is None else gotobi.get("holidays", ())),
        freezes=tuple(raw.get("freezes", ())),
    )


def _channel(name: str, raw: Mapping[str, Any]) -> Channel:
    settings = {key: value for key, value in raw.items() if key not in ("kind", "language")}
    return Channel(name, raw["kind"], settings, raw.get("language", "en"))


def _game_day(name: str, raw: Mapping[str, Any], folder: Path) -> GameDay:
    schedule, window = raw["schedule"], raw["window"]
    times = tuple(datetime.fromisoformat(one) for one in schedule.get("times", ()))
    return GameDay(
        id=name,
        name=raw.get("name", name),
        owner=raw["owner"],
        experiment=folder / Path(raw["experiment"]).expanduser(),
        topology=_file(folder, raw.get("topology")),
        schedule=Schedule(ZoneInfo(schedule["zone"]), schedule.get("cron", ""), times),
        window=Window(_time(window["earliest"]), _time(window["latest_end"])),
        worst_case_min=float(raw["worst_case_min"]),
        variables=raw.get("variables", {}),
        tags=tuple(raw.get("tags", ())),
        objectives=raw.get("objectives", {}),
        blackouts=tuple(raw.get("blackouts", ())),
        run_missed_within_h=float(raw.get("run_missed_within_h", 0)),
        guards=_guards(raw.get("guards", {})),
        approval=ApprovalRule(tuple(raw["approval"]["by"]), raw["approval"].get("until_min", 0))
        if "approval" in raw
        else None,
        after=Dependency(raw["after"]["game_day"], float(raw["after"]["within_h"])) if "after" in raw else None,
        notify=tuple(raw.get("notify", ())),
        directory=folder,
    )


def _guards(raw: Mapping[str, Any]) -> Guards:
    return Guards(
        preflight=raw.get("preflight", True),
        alarms_quiet=raw.get("alarms_quiet", True),
        probes=tuple(raw.get("probes", ())),
        budget=Budget(**raw.get("budget", {})),
    )


def _time(text: str) -> time:
    return time.fromisoformat(text)
