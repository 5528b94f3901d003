"""The page of a comparison: what it says, in both languages, and as Chromium shows it."""

import re
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from chaosdrill.analysis.measurement import Measured
from chaosdrill.cli import cli
from chaosdrill.messages import as_it_is
from chaosdrill.paths import RUNS_VARIABLE
from chaosdrill.report.figures.objectives import near
from chaosdrill.report.palette import DARK, LIGHT
from chaosdrill.report.texts import Words
from tests.chromium import needs_chromium
from tests.compared_runs import figure, judgement, movement, probe, write_run
from tests.waiting import wait_for

HOSTILE = "<img src=x onerror=alert(1)>\x1b[31m\u202e</script>"
SHOWN = "document.getElementById('trend')._fullLayout"


def run_id(day: int) -> str:
    return f"202605{day:02}T020000Z-failover-{day:04x}"


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Twelve nights: from the seventh on the database takes longer, in one the steady state is not regained."""
    store = tmp_path / "runs"
    monkeypatch.setenv(RUNS_VARIABLE, str(store))
    for day in range(1, 13):
        slow = 4.0 if day > 6 else 0.0
        told = judgement(
            9.3 + day % 3 / 10 + slow, availability=figure(0.84 - slow / 100 + day % 4 / 1000, "ratio", 0.0)
        )
        moved = [movement(database_switched=slow + day % 5 / 10), movement("fail-back")]
        hypothesis = [probe(during=[0, 3, 0]), probe("one-region-serves", "serving", "serving", [],
                                                     "dark" if day == 9 else "serving")]  # fmt: skip
        write_run(
            store, run_id(day), ["slow" if slow else "before"], judgement={**told, "movements": moved},
            hypothesis=hypothesis, verdict={3: "invalid", 9: "failed"}.get(day, "passed"),
            circumstances={"git commit": "cd34" if slow else "ab12"},
        )  # fmt: skip
    return tmp_path


def page(directory: Path, *arguments: str) -> Path:
    path = directory / "page.html"
    done = CliRunner().invoke(cli, [*arguments, "--html", str(path)])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    assert done.output == f"{path}\n", done.output
    return path


GROUPS = ("compare", "--baseline", "tag:before", "--candidate", "tag:slow")


def text_of(path: Path) -> str:
    body = path.read_text().partition("<main")[2].partition("</main>")[0]
    return " ".join(re.sub(r"<[^>]*>", " ", body).split())


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (GROUPS, ["worse Failover: Database switched", "measurements were looked at", "its verdict is invalid",
                  "Baseline", "large +1.00"]),
        (("compare", run_id(1), run_id(9)), ["One run against one", "met, then missed", "+3.9 s ± 0.8 s",
                                             "more than both uncertainties", "git commit ab12 cd34"]),
        (("compare", "--last", "5"), ["Median", "Range", "one-region-serves, after: met, then missed", "✗ failed"]),
        (("trend", "--all"), ["its verdict is invalid", "Recovery time recovery_time_s", "Over time"]),
        ((*GROUPS, "--lang", "ja"), ["悪化", "切替: DB 切替", "測定値", "対象外"]),
    ],
)  # fmt: skip
def test_it_says_what_was_compared(runs: Path, arguments: Any, words: list[str]) -> None:
    text = text_of(page(runs, *arguments))
    assert [one for one in words if one not in text] == []


def test_runs_that_cannot_be_compared_say_why(runs: Path) -> None:
    text, t = text_of(page(runs, "compare", run_id(1), run_id(3))), Words("en")
    assert [one for one in (t("compare.cannot"), run_id(3), t("verdict.invalid")) if one not in text] == []


def test_a_file_that_cannot_be_written_is_one_message(runs: Path) -> None:
    done = CliRunner().invoke(cli, ["compare", "--last", "3", "--html", str(runs / "nowhere" / "page.html")])
    assert (done.exit_code, "[output-not-writable]" in done.output) == (2, True)
    gate = CliRunner().invoke(cli, ["compare", "--gate", "error_s < 1", "--html", str(runs / "page.html")])
    assert (gate.exit_code, "[options-invalid]" in gate.output, " --html," in gate.output) == (2, True, True)


def test_hostile_text_is_shown_and_not_obeyed(runs: Path) -> None:
    store = runs / "runs"
    for day in (20, 21):
        told = {**judgement(9.0, **{HOSTILE: figure(1.0 * day)}), "movements": [movement()]}
        hypothesis = [probe(HOSTILE, HOSTILE, HOSTILE, [f"{HOSTILE}{day}"], f"{HOSTILE}{day}")]
        write_run(store, run_id(day), judgement=told, hypothesis=hypothesis, circumstances={HOSTILE: f"{HOSTILE}{day}"})
    for arguments in (("compare", run_id(20), run_id(21)), ("compare", "--last", "4"), ("trend",)):
        text = page(runs, *arguments).read_text().partition("<body>")[2].partition("<script>")[0]
        assert "<img" not in text
        assert "\x1b" not in text
        assert "\u202e" not in text
        assert "&lt;img src=x" in text


def see_trend(see: Any, path: Path, **media: Any) -> Any:
    seen = see(path, drawn=False, **media)
    seen.page.wait_for_selector("#trend .main-svg .bars")
    return seen


@pytest.mark.long
@needs_chromium
@pytest.mark.parametrize("language", ["en", "ja"])
@pytest.mark.parametrize("arguments", [GROUPS, ("compare", run_id(1), run_id(9)), ("trend", "--all")])
def test_it_is_drawn_without_an_error_and_asks_nobody(runs: Path, see: Any, arguments: Any, language: str) -> None:
    path = page(runs, *arguments, "--lang", language)
    seen = see_trend(see, path)
    seen.page.wait_for_timeout(200)  # whatever else it might still want
    assert (seen.said, seen.asked) == ([], [path.as_uri()])
    count = 2 if len(arguments) == 3 else 11
    bars = seen.run("document.querySelectorAll('#trend .barlayer .point path').length")
    assert bars == count * (6 + 1) * 2  # each run, each phase, and the one with a budget once more; there and back
    lines = seen.run("document.querySelectorAll('#trend .scatterlayer path.js-line').length")
    assert lines == 4  # the objectives: of the recovery there and back, the budget, the lost writes
    assert seen.run("document.documentElement.lang") == language


LIMITS: dict[str, Any] = {"rto_s": 15.0, "rpo_writes": 0, "rpo_s": 1.0, "availability_ratio": 0.82,
          "budgets": {"database-switched": 3.0, "dns-changed": 9.0}}  # fmt: skip
# where the line of an objective is drawn in its row, and where its values should be
LINES = """() => {
  const shown = document.getElementById('trend')._fullLayout;
  return [...document.querySelectorAll('#trend .cartesianlayer .subplot')].map(plot => {
    const name = plot.classList[1].replace('xy', 'yaxis'), axis = shown[name];
    const box = plot.querySelector('path.js-line').getBoundingClientRect();
    const from = document.querySelector('#trend .main-svg').getBoundingClientRect().top + axis._offset;
    return {name: name, top: axis.p2l(box.top - from), bottom: axis.p2l(box.bottom - from)};
  });
}"""
# texts of the figure that lie over each other
OVER_EACH_OTHER = """() => {
  const named = ['.annotation-text', '[class$=tick] text', '[class^=y][class*=title]', '.legendtext'];
  const texts = [...document.querySelectorAll(named.map(one => '#trend ' + one).join(', '))]
    .filter(one => !one.closest('.xtick'));
  const boxes = texts.map(one => [one.textContent, one.getBoundingClientRect()]).filter(one => one[1].width);
  const found = [];
  for (const [number, [mine, a]] of boxes.entries())
    for (const [other, b] of boxes.slice(number + 1))
      if (a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - 1 && b.top < a.bottom - 1)
        found.push(mine + ' | ' + other);
  return {found: found, texts: boxes.map(one => one[0]),
          right: Math.max(...boxes.map(one => one[1].right)), width: document.documentElement.clientWidth};
}"""


@pytest.fixture
def held(runs: Path) -> Path:
    """Six more nights, with every kind of objective; from the fourth on one has another budget."""
    store = runs / "runs"
    for day in range(21, 27):
        availability, lost = figure(0.85 - day % 4 / 50, "ratio", 0.001), figure(2.0 * (day == 25), "writes", 0.0, 1.0)
        told = judgement(
            9.3, availability=availability, lost_writes_after_failover=lost, lost_s_after_failover=figure(0.2)
        )
        moved = [movement(database_switched=0.5), movement("fail-back")]
        objectives = {**LIMITS, "budgets": {**LIMITS["budgets"], "database-switched": 3.0 if day < 24 else 1.0}}
        write_run(store, run_id(day), judgement={**told, "movements": moved}, objectives=objectives, scale=1)
    return runs


@pytest.mark.long
@needs_chromium
@pytest.mark.parametrize(
    ("language", "scheme", "width"), [("en", "light", 1280), ("ja", "dark", 1280), ("ja", "light", 390)]
)
def test_every_objective_is_a_line_at_its_height_and_nothing_overlaps(
    held: Path, see: Any, language: str, scheme: str, width: int
) -> None:
    seen = see_trend(see, page(held, "trend", "--lang", language), color_scheme=scheme)
    seen.page.set_viewport_size({"width": width, "height": 900})
    seen.until(f"document.documentElement.scrollWidth <= {width}")
    seen.page.wait_for_timeout(200)
    heights = {
        "yaxis": (15, 15), "yaxis2": (15, 15), "yaxis3": (3, 1), "yaxis4": (9, 9), "yaxis5": (82, 82), "yaxis6": (0, 0),
        "yaxis7": (1, 1),
    }  # fmt: skip
    lines = {one["name"]: (one["top"], one["bottom"]) for one in seen.run(LINES)}
    spans = {name: seen.run(f"{SHOWN}.{name}.range") for name in lines}
    for name, (top, bottom) in heights.items():
        blur = 0.03 * (spans[name][1] - spans[name][0])  # a line is almost two pixels wide
        assert lines[name] == (pytest.approx(top, abs=blur), pytest.approx(bottom, abs=blur)), name
    told = seen.run(OVER_EACH_OTHER)
    assert told["found"] == []
    assert told["right"] <= told["width"]
    words = {"en": ["Budget: Database switched", "Availability (availability_ratio)", "at most"],
             "ja": ["時間枠: DB 切替", "稼働率 (availability_ratio)", "以内"]}[language]  # fmt: skip
    assert [one for one in words[:2] if one not in told["texts"]] == []
    assert any(words[2] in one for one in seen.run("document.getElementById('trend').data.at(-1).hovertext"))
    beyond = "document.getElementById('trend').data.filter(one => one.legendgroup == 'beyond').map(one => one.x.length)"
    assert seen.run(beyond) == [3, 3, 1]  # of the database's budget, the availability, the lost writes
    assert seen.said == []


@pytest.mark.long
@needs_chromium
def test_zoom_moves_both_rows_and_double_click_shows_all(runs: Path, see: Any) -> None:
    seen = see_trend(see, page(runs, "trend", "--all"))
    seen.page.set_viewport_size({"width": 1280, "height": 3000})
    whole = seen.run(f"{SHOWN}.xaxis.range")
    box = seen.page.locator("#trend .draglayer .xy rect.nsewdrag").bounding_box()
    seen.page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + 40)
    seen.page.mouse.down()
    seen.page.mouse.move(box["x"] + box["width"] * 0.8, box["y"] + 60, steps=8)
    seen.page.mouse.up()
    seen.until(f"{SHOWN}.xaxis.range[0] > 3")
    zoomed = seen.run(f"{SHOWN}.xaxis.range")
    assert whole[0] < zoomed[0] < zoomed[1] < whole[1]

    def all_is_shown() -> bool:
        """A busy browser may take the two clicks for single ones."""
        seen.page.mouse.dblclick(box["x"] + box["width"] * 0.5, box["y"] + 40)
        return bool(seen.run(f"{SHOWN}.xaxis.range[0] < 0"))

    wait_for(all_is_shown)


@pytest.mark.long
@needs_chromium
def test_it_follows_the_reader_s_theme_and_fits_a_telephone(runs: Path, see: Any) -> None:
    path = page(runs, *GROUPS)
    for scheme, palette in (("light", LIGHT), ("dark", DARK)):
        seen = see_trend(see, path, color_scheme=scheme)
        ink = seen.run("document.getElementById('trend')._fullLayout.font.color")
        assert ink == palette["ink"]
    seen.page.set_viewport_size({"width": 390, "height": 800})
    seen.until("document.documentElement.scrollWidth <= 390")
    assert seen.said == []


# Several runs of one day, an objective that is far off, and reasons that are long ------------------------------------

LONG = "not one of 500 beats that were due was recorded, since the machine that sends them was asleep"


@pytest.fixture
def one_day(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three runs of one day with a recovery of 5 s, and objectives far from everything that was measured."""
    store = tmp_path / "runs"
    monkeypatch.setenv(RUNS_VARIABLE, str(store))
    objectives = {"rto_s": 300.0, "availability_ratio": 0.5, "rpo_writes": 40, "budgets": {"database-switched": 120.0}}
    unknown = Measured(None, "s", as_it_is("heartbeat"), why=as_it_is(LONG)).as_json()
    for minute in (1, 2, 3):
        told = judgement(
            5.0,
            availability=figure(0.98 + minute / 1000, "ratio", 0.0),
            degraded_s=unknown if minute == 2 else figure(1.0),
        )
        moved = [movement(sustained=-0.1), movement("fail-back")]
        write_run(store, f"20260601T02{minute:02}00Z-failover-{minute:04x}", judgement={**told, "movements": moved},
                  verdict="failed" if minute == 2 else "passed", objectives=objectives)  # fmt: skip
    return tmp_path


def heads(seen: Any, section: str) -> list[str]:
    return seen.run(
        f"[...document.querySelectorAll('section[aria-labelledby={section}] thead th')].map((one) => one.innerText)"
    )


@pytest.mark.long
@needs_chromium
@pytest.mark.parametrize("arguments", [("compare", "--last", "3"), ("trend", "--all")])
def test_runs_of_one_day_are_told_apart_and_the_verdicts_come_first(one_day: Path, see: Any, arguments: Any) -> None:
    seen = see_trend(see, page(one_day, *arguments))
    for section in ("matrix", "measured"):
        columns = [one for one in heads(seen, section) if "06-01" in one]
        assert [one.split()[0] for one in columns] == ["✓", "✗", "✓"]
        assert len(set(columns)) == 3
    assert len(set(seen.run(f"{SHOWN}.xaxis.ticktext"))) == 3
    first = seen.run("document.querySelector('main section').innerText")
    assert "passed: 2" in first
    assert "failed: 1" in first
    ids = seen.run(
        "[...document.querySelectorAll('#content section code.run')].filter((one) => one.innerText.startsWith('2026'))"
        ".map((one) => [one.innerText, one.getClientRects().length])"
    )
    assert len(ids) >= 3
    assert {lines for _, lines in ids} == {1}  # no id is broken


@pytest.mark.long
@needs_chromium
@pytest.mark.parametrize("width", [1280, 1024])
def test_a_long_reason_pushes_no_column_off_the_page(one_day: Path, see: Any, width: int) -> None:
    seen = see_trend(see, page(one_day, "compare", "--last", "3"))
    seen.page.set_viewport_size({"width": width, "height": 900})
    assert LONG in seen.run("document.querySelector('section[aria-labelledby=measured]').innerText")
    over = "[...document.querySelectorAll('.table')].filter((one) => one.scrollWidth > one.clientWidth).length"
    assert seen.run(over) == 0


@pytest.mark.long
@needs_chromium
@pytest.mark.parametrize("arguments", [("compare", "--last", "3"), ("trend", "--all")])
def test_on_a_telephone_only_tables_are_scrolled(one_day: Path, see: Any, arguments: Any) -> None:
    seen = see_trend(see, page(one_day, *arguments))
    seen.page.set_viewport_size({"width": 390, "height": 844})
    seen.until("document.getElementById('trend')._fullLayout.width < 390")
    assert seen.run("document.documentElement.scrollWidth") <= 390
    right = "Math.max(...[...document.querySelectorAll('#trend text')].map((one) => one.getBoundingClientRect().right))"
    assert seen.run(right) <= 390  # no label of an objective is cut off


@pytest.mark.long
@needs_chromium
def test_an_objective_that_is_far_off_leaves_the_bars_their_height(one_day: Path, see: Any) -> None:
    seen = see_trend(see, page(one_day, "trend", "--all"))
    names = seen.run(f"Object.keys({SHOWN}).filter((one) => /^yaxis/.test(one))")
    ends = {name: seen.run(f"{SHOWN}.{name}.range") for name in names}
    assert all(high < 40 for low, high in list(ends.values())[:3]), ends  # the transitions, and the budget of 120 s
    arrows = [one for one in seen.run(f"{SHOWN}.annotations.map((one) => one.text)") if one[0] in "↑↓"]
    assert arrows == ["↑ 300 s", "↑ 300 s", "↑ 120 s", "↓ 50 %"]
    bars = "[...document.querySelectorAll('#trend .subplot.xy .barlayer path')].map((one) => one.getBBox().height)"
    assert max(seen.run(bars)) > 0.1 * seen.run(f"{SHOWN}.yaxis._length")
    assert seen.said == []


@pytest.mark.parametrize(
    ("values", "limits", "from_zero", "ends"),
    [
        ([5.0, 4.0], [300.0], True, (0.0, 5.75)),
        ([5.0, 4.0], [15.0], True, None),  # still drawn: the values keep a third of the height
        ([5.0, 4.0], [300.0, 6.0], True, (0.0, 6.75)),  # one that is near stays
        ([0.0, 0.0], [40.0], True, None),
        ([], [300.0], True, None),
        ([5.0], [], True, None),
        ([98.1, 98.2], [50.0], False, (97.95, 98.35)),
        ([98.1, 98.2], [97.0], False, None),
    ],
)
def test_which_objective_is_far(values: Any, limits: Any, from_zero: bool, ends: Any) -> None:
    assert near(values, limits, from_zero) == (ends if ends is None else pytest.approx(ends))


def test_local_times_stand_beside_utc_on_a_comparison(one_day: Path) -> None:
    text = text_of(page(one_day, "compare", "--last", "3", "--tz", "Asia/Tokyo"))
    assert "2026-06-01 02:01:00 UTC (11:01:00 JST)" in text
    done = CliRunner().invoke(cli, ["trend", "--html", "x.html", "--tz", "Mars/Olympus"])
    assert (done.exit_code, "[time-zone-unknown]" in done.output) == (2, True)
