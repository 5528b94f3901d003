"""The regions of a run and their colours: home first, then standby."""

from collections.abc import Sequence

from chaosdrill.analysis.region_observations import facts_changes
from chaosdrill.analysis.untrusted_json import mapping, text
from chaosdrill.report.palette import REGIONS
from chaosdrill.report.view.inputs import ReportInputs

_STATES = {"moving": "neutral", "dark": "dark", "split": "bad", "several": "bad", "none": "dark", "unknown": "warn"}


def regions_of(given: ReportInputs) -> tuple[str, ...]:
    """Return home, standby, and every other region in the run."""
    configuration = mapping(given.opened.get("configuration"))
    known = [text(configuration.get(name)) for name in ("home_region", "standby_region")]
    known += [name for look in facts_changes(given.run) for name in look.regions]
    for records in (given.run.beats, given.run.requests):
        known += records.regions if records is not None else ()
    return tuple(dict.fromkeys(name for name in known if name))


def region_role(value: str, regions: Sequence[str]) -> str:
    """Return the role of the colour for a region, or for a region state such as ``serving(R)``."""
    name = serving_region(value) or value
    if name in regions:
        return f"region-{min(list(regions).index(name), REGIONS - 1) + 1}"
    word = value.partition(" ")[0].partition("(")[0]
    return _STATES.get(word, "bad" if "," in value else "neutral")


def serving_region(state: str) -> str:
    """Return the region that serves in a state such as ``serving(R)``; empty for any other."""
    return state[len("serving(") : -1] if state.startswith("serving(") and state.endswith(")") else ""
