"""The calendar in docs/gamedays.md is right, and shows every key there is."""

import json
import re
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml

from chaosdrill.gamedays.loading import load_calendar
from tests.small_drills import REPOSITORY

GUIDE = REPOSITORY / "docs" / "gamedays.md"
IN_THE_TEXT = {"month_end_days", "preflight", "categories", "subdivision", "ledger"}


def example() -> str:
    (found,) = re.findall(r"^```yaml\n(.*?)^```", GUIDE.read_text(), re.MULTILINE | re.DOTALL)
    return str(found)


def test_the_calendar_of_the_guide_is_right(tmp_path: Path) -> None:
    for name in ("experiments/failover.yaml", "experiments/failback.yaml", "topology.yaml", "freezes/releases.ics"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    ics = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//test//EN\r\nEND:VCALENDAR\r\n"
    (tmp_path / "freezes/releases.ics").write_text(ics)
    path = tmp_path / "gamedays.yaml"
    path.write_text(example())
    calendar = load_calendar(path)
    assert (list(calendar.game_days), calendar.warnings) == (["monthly-failover", "failback"], ())


def test_the_guide_shows_every_key() -> None:
    schema = json.loads(files("chaosdrill.gamedays").joinpath("schema.json").read_text())
    shown = set(_keys(yaml.safe_load(example())))
    assert set(_named(schema)) - shown == IN_THE_TEXT
    text = GUIDE.read_text()
    assert [key for key in IN_THE_TEXT if f"`{key}" not in text] == []


def _keys(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [key for name, one in value.items() for key in (name, *_keys(one))]
    return [key for one in value for key in _keys(one)] if isinstance(value, list) else []


def _named(schema: Any) -> list[str]:
    if isinstance(schema, dict):
        own = list(schema.get("properties", ()))
        return own + [key for one in schema.values() for key in _named(one)]
    return [key for one in schema for key in _named(one)] if isinstance(schema, list) else []
