"""What is wrong with a document of game days, and what is right and probably not meant. Pure: it reads no files."""

import json
from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime, time
from functools import cache
from importlib.resources import files
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from jsonschema import Draft202012Validator, FormatChecker

from chaosdrill.analysis import objectives
from chaosdrill.gamedays.calendar import HolidaySource
from chaosdrill.gamedays.holiday_dates import DEFAULT_CATEGORIES, holidays_of
from chaosdrill.gamedays.instants import parsed_cron
from chaosdrill.gamedays.notifications.settings import SETTINGS
from chaosdrill.secret_text import hide_secrets_in, is_about_a_secret, names_a_secret
from chaosdrill.topology.consistency import TopologyProblem, suggestion
from chaosdrill.topology.schema_errors import problems_of_error, validator_of
from chaosdrill.topology.yaml_positions import Place

_DAY_MIN = 24 * 60
_formats = FormatChecker(formats=())
_NOT_ONE = (ValueError, ZoneInfoNotFoundError, OSError)


@cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())


def _is_format(name: str, read: Callable[[str], Any]) -> None:
    """Make a format of the schema: texts that ``read`` takes. What is no text has no format."""

    def check(value: Any) -> bool:
        return not isinstance(value, str) or read(value) is not None

    _formats.checks(name, raises=_NOT_ONE)(check)


_is_format("date", date.fromisoformat)
_is_format("time-of-day", time.fromisoformat)
_is_format("local-time", datetime.fromisoformat)
_is_format("zone", lambda name: ZoneInfo(name) if name in _zones() else None)


@cache
def _validator() -> Draft202012Validator:
    schema = json.loads(files("chaosdrill.gamedays").joinpath("schema.json").read_text(encoding="utf-8"))
    return validator_of(schema, _formats)


def problems_of(value: Any) -> list[TopologyProblem]:
    """List everything that is wrong with a document: its form, and what contradicts itself where it has its form."""
    errors, definitions = _validator().iter_errors(value), _validator().schema["$defs"]
    found = {problem: None for error in errors for problem in problems_of_error(error, definitions)}
    if isinstance(value, dict):
        wrong = [problem.place for problem in found]
        for places, check in _CHECKS:
            for place, part in _parts(value, places):
                if not any(_overlap(place, one) for one in wrong):
                    found |= dict.fromkeys(check(value, place, part))
    return list(found)


def warnings_of(value: Mapping[str, Any]) -> list[TopologyProblem]:
    """List what is right in a document without problems, and probably not meant."""
    found = []
    for name, game_day in value["game_days"].items():
        fields = game_day["schedule"].get("cron", "* * * * *").split()
        if not fields[2].startswith("*") and not fields[4].startswith("*"):
            what = f"names days of the month ({fields[2]}) and of the week ({fields[4]}): cron plans all of either"
            fix = "write * for one of them; for the second Sunday of a month write `* * SUN#2`"
            found.append(TopologyProblem(("game_days", name, "schedule", "cron"), what, fix))
    return found


_Check = Callable[[Mapping[str, Any], Place, Any], Iterator[TopologyProblem]]


def _parts(value: Mapping[str, Any], place: str) -> Iterator[tuple[Place, Any]]:
    """Each part of a document at a dotted place, in which ``*`` stands for every key."""
    found: list[tuple[Place, Any]] = [((), value)]
    for key in place.split(".") if place else ():
        found = [
            ((*before, one), part[one])
            for before, part in found
            if isinstance(part, Mapping)
            for one in (part if key == "*" else [key])
            if one in part
        ]
    yield from found


def _overlap(one: Place, other: Place) -> bool:
    shared = min(len(one), len(other))
    return one[:shared] == other[:shared]


def _holiday_source(value: Mapping[str, Any], place: Place, raw: Mapping[str, Any]) -> Iterator[TopologyProblem]:
    if ("country" in raw) == ("market" in raw):
        yield TopologyProblem(place, "names not exactly one of country and market", "write one of them")
        return
    if "market" in raw and (extra := {"categories", "subdivision"} & set(raw)):
        yield TopologyProblem((*place, min(extra)), "does not exist for a market", "remove it")
        return
    source = source_of(str(place[-1]), raw)
    if source.code == "JP" and "bank" in source.categories and "public" not in source.categories:
        fix = "write [public, bank], or leave categories out"
        yield TopologyProblem(
            (*place, "categories"), "is bank without public, which is a few days around the new year only", fix
        )
        return
    try:
        holidays_of(source, source.reviewed_until.year)
    except (NotImplementedError, ValueError) as error:
        fix = "write what it has, or the days themselves as a blackout with `dates:`"
        yield TopologyProblem(place, f"is not in the package holidays: {error}", fix)


def source_of(name: str, raw: Mapping[str, Any]) -> HolidaySource:
    """Return a source of holidays from its part of a document without problems."""
    kind: Any = "market" if "market" in raw else "country"
    default = DEFAULT_CATEGORIES.get(raw[kind], ("public",)) if kind == "country" else ()
    return HolidaySource(
        name,
        kind,
        raw[kind],
        date.fromisoformat(raw["reviewed_until"]),
        tuple(raw.get("categories", default)),
        raw.get("subdivision", ""),
    )


def _blackout_dates(value: Mapping[str, Any], place: Place, raw: list[Any]) -> Iterator[TopologyProblem]:
    for number, one in enumerate(raw):
        if isinstance(one, Mapping) and one["from"] > one["to"]:
            yield TopologyProblem(
                (*place, number, "to"), f"is {one['to']!r}, before from", "write a day that is not before from"
            )


def _names(section: str) -> _Check:
    def check(value: Mapping[str, Any], place: Place, raw: list[str]) -> Iterator[TopologyProblem]:
        known = list(value.get(section, {}))
        for number, name in enumerate(raw):
            if name not in known:
                yield TopologyProblem((*place, number), f"is {name!r}, which is not in {section}", _fix(name, known))

    return check


def _fix(name: str, known: list[str]) -> str:
    return suggestion(name, known) if known else "remove it, or add it there"


def _channel(value: Mapping[str, Any], place: Place, raw: Mapping[str, Any]) -> Iterator[TopologyProblem]:
    settings = {key: one for key, one in raw.items() if key not in ("kind", "language")}
    for error in validator_of(SETTINGS[raw["kind"]], _formats).iter_errors(settings):
        for found in problems_of_error(error, {}):
            yield TopologyProblem((*place, *found.place), found.what, found.fix)


def _schedule(value: Mapping[str, Any], place: Place, raw: Mapping[str, Any]) -> Iterator[TopologyProblem]:
    if ("cron" in raw) == ("times" in raw):
        yield TopologyProblem(place, "has not exactly one of cron and times", "write one of them")
        return
    if "cron" not in raw:
        return
    try:
        parsed_cron(raw["cron"])
    except ValueError as error:
        fix = 'write minute, hour, day of month, month and day of week, such as "0 2 * * SUN#2"'
        yield TopologyProblem((*place, "cron"), f"is {raw['cron']!r}: {error}", fix)
        return
    for name, text in zip(("minute", "hour"), raw["cron"].split(), strict=False):
        if "*" in text:
            what = f"has a wildcard {name} ({text}), which would run twice when clocks are set back"
            yield TopologyProblem(
                (*place, "cron"), what, f"write each {name}, such as {'0,30' if name == 'minute' else '2,14'}"
            )


def _fits(value: Mapping[str, Any], place: Place, raw: Mapping[str, Any]) -> Iterator[TopologyProblem]:
    """The worst case fits into the window, from each planned time, and before the next planned time of the day."""
    if list(_schedule(value, (*place, "schedule"), raw["schedule"])):
        return
    earliest, latest_end = (_minutes(raw["window"][key]) for key in ("earliest", "latest_end"))
    length = (latest_end - earliest) % _DAY_MIN or _DAY_MIN
    worst, window = raw["worst_case_min"], f"{raw['window']['earliest']} to {raw['window']['latest_end']}"
    if worst > length:
        fix = f"make the window longer, or the drill shorter than {length} min"
        yield TopologyProblem(
            (*place, "window"), f"{window} is {length} min, and the drill may last {worst:g} min", fix
        )
        return
    kind = "cron" if "cron" in raw["schedule"] else "times"
    starts = _starts(raw["schedule"])
    for start in starts:
        if (start - earliest) % _DAY_MIN + worst > length:
            what = f"plans {_clock(start)}, from which {worst:g} min do not fit into the window {window}"
            latest = _clock((earliest + int(length - worst)) % _DAY_MIN)
            yield TopologyProblem(
                (*place, "schedule", kind), what, f"plan it from {raw['window']['earliest']} to {latest}"
            )
    for one, following in pairwise(starts):
        if kind == "cron" and following - one < worst:
            what = f"plans {_clock(one)} and {_clock(following)}, and the first drill may last {worst:g} min"
            yield TopologyProblem((*place, "schedule", kind), what, "plan them further apart")


def _starts(schedule: Mapping[str, Any]) -> list[int]:
    """The planned times of the day, as minutes since midnight, ascending."""
    if "times" in schedule:
        return sorted({_minutes(datetime.fromisoformat(one).strftime("%H:%M")) for one in schedule["times"]})
    cron: Any = parsed_cron(schedule["cron"])
    return sorted(hour * 60 + minute for hour in cron.hours for minute in cron.minutes)


def _minutes(text: str) -> int:
    hour, minute = map(int, text.split(":"))
    return hour * 60 + minute


def _clock(minutes: int) -> str:
    return f"{minutes // 60:02}:{minutes % 60:02}"


def _objectives(value: Mapping[str, Any], place: Place, raw: Mapping[str, Any]) -> Iterator[TopologyProblem]:
    for text in [*objectives.problems_of_names(raw), *objectives.problems_of_values(raw)]:
        yield TopologyProblem(place, text.removeprefix("objectives: "), "correct it, or remove it")


def _after(value: Mapping[str, Any], place: Place, raw: Mapping[str, Any]) -> Iterator[TopologyProblem]:
    known = list(value["game_days"])
    if raw["game_day"] not in known:
        what = f"is {raw['game_day']!r}, which is not in game_days"
        yield TopologyProblem((*place, "game_day"), what, _fix(raw["game_day"], known))


def _after_cycles(value: Mapping[str, Any], place: Place, raw: Mapping[str, Any]) -> Iterator[TopologyProblem]:
    before = {name: one.get("after", {}).get("game_day") for name, one in raw.items()}
    for name in raw:
        path = [name]
        while (following := before.get(path[-1])) is not None and following not in path:
            path.append(following)
        if following == name:
            what = f"waits for itself: {' after '.join([*path, name])}"
            yield TopologyProblem((*place, name, "after"), what, "remove one of these `after:`")


def _no_secrets(value: Mapping[str, Any], place: Place, raw: Any) -> Iterator[TopologyProblem]:
    for key, one in raw.items() if isinstance(raw, Mapping) else enumerate(raw) if isinstance(raw, list) else ():
        if isinstance(one, str) and _is_secret(str(key), one):
            fix = "write {secret: NAME}, the environment variable that has it"
            yield TopologyProblem(
                (*place, key), "is a secret: it would be in the file, in its history and in reports", fix
            )
        else:
            yield from _no_secrets(value, (*place, key), one)


def _is_secret(key: str, text: str) -> bool:
    named = names_a_secret(key) and not is_about_a_secret(key) and key.lower() not in ("secret", "secrets")
    return (named and not text.startswith("${")) or hide_secrets_in(text) != text


_CHECKS: tuple[tuple[str, _Check], ...] = (
    ("holidays.*", _holiday_source),
    ("blackouts.*.dates", _blackout_dates),
    ("blackouts.*.holidays", _names("holidays")),
    ("blackouts.*.gotobi.holidays", _names("holidays")),
    ("blackouts.*.freezes", _names("freezes")),
    ("channels.*", _channel),
    ("game_days.*.schedule", _schedule),
    ("game_days.*", _fits),
    ("game_days.*.objectives", _objectives),
    ("game_days.*.blackouts", _names("blackouts")),
    ("game_days.*.notify", _names("channels")),
    ("game_days.*.after", _after),
    ("game_days", _after_cycles),
    ("game_days", _no_secrets),
)
