"""The pages against axe-core's rules (WCAG 2 and best practices), in a real Chromium."""

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from chaosdrill.gamedays.history_page import history_page
from chaosdrill.report.build import write_report
from chaosdrill.time_zones import ONLY_UTC
from tests.chromium import needs_chromium
from tests.report.conftest import Seen
from tests.report.test_comparison_page import GROUPS, page, run_id, runs
from tests.report.test_japanese import RUNS
from tests.unit.test_gameday_history import WHOLE

pytestmark = [needs_chromium, pytest.mark.long]
__all__ = ["runs"]  # a fixture

WIDE, TELEPHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
STATES = ("passed", "failed", "without records", "refused", "interrupted", "imported")
COMPARISONS: dict[str, Any] = {
    "two runs": ("compare", run_id(1), run_id(9)),
    "many runs": ("compare", "--last", "5"),
    "groups": GROUPS,
    "runs that cannot be compared": ("compare", run_id(1), run_id(3)),
    "trend": ("trend", "--all"),
}
# in full; of what passes one element each: describing every one of them took most of the time
ONLY_VIOLATIONS = {"resultTypes": ["violations"]}
LANGUAGES = pytest.mark.parametrize("language", ["en", "ja"])


# contrast, which takes most of the time, depends on scheme and width (colours, what is folded away), all else on width
# alone, and only what is not contrast on the language
CONTRAST = {"runOnly": {"type": "rule", "values": ["color-contrast", "link-in-text-block"]}}
NO_CONTRAST = {"rules": {"color-contrast": {"enabled": False}}}
VIEWS: dict[str, list[tuple[str, dict[str, int], dict[str, Any]]]] = {
    "en": [("light", WIDE, {}), ("light", TELEPHONE, {}), ("dark", WIDE, CONTRAST), ("dark", TELEPHONE, CONTRAST)],
    "ja": [("light", WIDE, NO_CONTRAST), ("dark", TELEPHONE, NO_CONTRAST)],
}


def violations(seen: Seen, language: str) -> list[tuple[str, list[str]]]:
    """Run axe-core on a page in both colour schemes, wide and narrow, with everything unfolded: see ``VIEWS``.

    :returns: each rule that is violated with the elements that violate it.
    """
    from axe_playwright_python.sync_playwright import Axe

    found = []
    seen.run("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    for scheme, size, options in VIEWS[language]:
        seen.page.emulate_media(color_scheme=scheme)
        seen.page.set_viewport_size(size)
        seen.until("(dark) => document.getElementById('theme').ariaPressed === dark",
                                    arg=str(scheme == "dark").lower())  # fmt: skip
        response = Axe().run(seen.page, options={**ONLY_VIOLATIONS, **options}).response
        rules = {one["id"] for one in response["passes"] + response["violations"] + response["incomplete"]}
        assert ("color-contrast" in rules, len(rules) > 15) == (options is not NO_CONTRAST, options is not CONTRAST)
        found += [(one["id"], [str(node["target"]) for node in one["nodes"]]) for one in response["violations"]]
    return found


@LANGUAGES
@pytest.mark.parametrize("state", STATES)
def test_the_page_of_a_run(tmp_path: Path, see: Callable[..., Seen], state: str, language: str) -> None:
    path = write_report(RUNS[state](tmp_path), language)
    assert violations(see(path, drawn=state != "imported"), language) == []


@LANGUAGES
@pytest.mark.parametrize("name", COMPARISONS)
def test_the_page_of_a_comparison(runs: Path, see: Callable[..., Seen], name: str, language: str) -> None:
    seen = see(page(runs, *COMPARISONS[name], "--lang", language), drawn=False)
    if seen.run("document.getElementById('trend') !== null"):
        seen.page.wait_for_selector("#trend .main-svg .bars")
    assert violations(seen, language) == []


@LANGUAGES
def test_the_history_of_game_days(tmp_path: Path, see: Callable[..., Seen], language: str) -> None:
    path = tmp_path / "history.html"
    path.write_text(history_page([WHOLE], date(2026, 6, 1), 400, language, ONLY_UTC))
    assert violations(see(path, drawn=False), language) == []
