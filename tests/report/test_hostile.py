"""Runs that somebody has written with malice, or by accident: shown safely, whatever stands in them."""

import json
import re
from html.parser import HTMLParser

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from chaosdrill.report.build import report_of, write_report
from chaosdrill.report.embedding import data_block
from chaosdrill.report.sanitizing import escape_invisible, in_figure
from chaosdrill.report.texts import Words
from tests.chromium import needs_chromium
from tests.further import first_of
from tests.synthetic_run import events, make_run, write_history

BAD = [
    "<script>window.theirs = 1</script>",
    "</script><script>window.theirs = 1</script>",
    "</title><img src=x onerror='window.theirs = 1'>",
    '"><svg onload=window.theirs=1>',
    "<!--<script>",
    "]]><a href='javascript:window.theirs=1'>click</a>",
    "{{ 7 * 7 }}{% include 'base.html.j2' %}",
    "\x1b[2J\x1b]0;owned\x07",
    "\u2028window.theirs = 1\u2029",
    "\u202egnp.exe",
    "\ud800",
    "%{y}<extra></extra>",
    "theme:bad",
    "&lt;b&gt;<b>bold</b>",
    "\x00nul",
    "../../etc/passwd",
]
TEXTS = st.one_of(st.sampled_from(BAD), st.text(max_size=30))
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)


class Page(HTMLParser):
    """A page as a parser sees it: its elements and attributes, and the text of its scripts."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.handlers: list[str] = []
        self.addresses: list[str] = []
        self.scripts: list[tuple[dict[str, str | None], str]] = []
        self._script: dict[str, str | None] | None = None
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.handlers += [name for name, _ in attrs if name.startswith("on")]
        self.addresses += [value or "" for name, value in attrs if name in ("href", "src", "action", "data")]
        if tag == "script":
            self._script = dict(attrs)
            self.scripts.append((self._script, ""))

    def handle_data(self, data: str) -> None:
        if self._script is not None:
            self.scripts[-1] = (self._script, self.scripts[-1][1] + data)

    def handle_endtag(self, tag: str) -> None:
        if tag == "script":
            self._script = None


def assert_safe(text: str) -> Page:
    page = Page(text)
    assert [dict(attributes) for attributes, _ in page.scripts] == [{"type": "application/json", "id": "told"}, {}, {}]
    json.loads(page.scripts[0][1])
    assert page.handlers == []
    assert not {"iframe", "object", "embed", "img", "link", "base", "form", "svg"} & set(page.tags)
    assert all(address.startswith("#") for address in page.addresses), page.addresses
    visible = text[: text.index('<script type="application/json"')]
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]", visible)
    return page


def poisoned(rows, value):
    """Every event with another text or value where text of others stands."""
    made = []
    for row in rows:
        changed = dict(row)
        for name in (
            "activity",
            "phase",
            "output",
            "error",
            "status",
            "func",
            "module",
            "tolerance",
            "title",
            "experiment",
        ):
            if name in changed:
                changed[name] = value
        made.append(changed)
    made[0] |= {"title": value, "versions": {str(value): value}, "change_ticket": value, "origin": {"operator": value}}
    made.append({"s": 12.0, "event": "aws-call", "service": value, "operation": value, "request_id": value})
    made.append({"s": 12.5, "event": "hypothesis-sampled", "activity": value, "output": value, "tolerance": value})
    return made


@pytest.mark.parametrize("text", first_of(BAD, 5), ids=range(len(BAD)))
def test_a_hostile_text_everywhere_is_shown_and_does_nothing(tmp_path, text):
    run = make_run(tmp_path, events_of=lambda rows: poisoned(rows, text))
    (run / "topology.yaml").write_bytes(f"domain: {text}\n".encode("utf-8", "surrogatepass"))
    page = write_report(run).read_text()
    assert_safe(page)


@pytest.mark.long
@needs_chromium
def test_in_a_browser_no_script_but_ours_runs(tmp_path, see):
    text = "".join(BAD)
    run = make_run(tmp_path, events_of=lambda rows: poisoned(rows, text))
    (run / "summary.json").write_text(
        json.dumps({"version": 3, "verdict": "passed", "title": text, "broken": [text], "source": text})
    )
    seen = see(write_report(run))
    for details in seen.page.locator("details").all():
        details.evaluate("(one) => one.open = true")
    assert seen.run("window.theirs") is None
    assert len(seen.asked) == 1
    assert seen.said == []
    links = seen.run("[...document.querySelectorAll('a')].map((a) => a.getAttribute('href'))")
    assert all(link.startswith("#") for link in links)
    assert seen.run("document.querySelectorAll('#waterfall a').length") == 0


@pytest.mark.parametrize("text", first_of(BAD, 5), ids=range(len(BAD)))
def test_the_reason_why_a_figure_is_not_known_is_text_of_others(tmp_path, text):
    def why(rows):
        return [{**row, "why": text} if row.get("row") == "read-back-ended" else row for row in rows]

    def unread(rows):
        return [{**row, "converged": False} for row in why(rows)]

    assert_safe(report_of(make_run(tmp_path, ledger_of=unread)))


@pytest.mark.long
# a failing run is not made smaller: that would take longer than looking at it
@settings(max_examples=25, phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(values=st.lists(ANYTHING, min_size=3, max_size=8), data=st.data())
def test_whatever_stands_in_a_history_it_is_shown_safely(tmp_path_factory, values, data):
    directory = tmp_path_factory.mktemp("run")
    rows = []
    for row in events():
        changed = dict(row)
        names = [name for name in row if name not in ("s", "event")]
        for name in data.draw(st.lists(st.sampled_from(names), max_size=2)) if names else ():
            changed[name] = data.draw(st.sampled_from(values))
        rows.append(changed)
    write_history(directory, rows)
    (directory / "summary.json").write_text(json.dumps(data.draw(st.sampled_from(values))))
    page = report_of(directory).encode("utf-8", "backslashreplace").decode()
    assert_safe(page)
    assert Words("en")("note.problem").rpartition("}")[2] not in page


@given(ANYTHING)
def test_a_data_block_is_json_that_no_parser_of_html_takes_for_markup(value):
    text = data_block({"value": value})
    assert not re.search(r"[<>&\u2028\u2029]", text)
    assert json.loads(text) == {"value": json.loads(json.dumps(value))}


@given(st.text())
def test_what_is_shown_holds_nothing_that_cannot_be_seen(text):
    assert not re.search(
        r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\ud800-\udfff\ue000-\uf8ff]", escape_invisible(text)
    )
    assert "\n" not in in_figure(text)
    assert not re.search(r"[<>]", in_figure(text))


def test_text_that_people_write_stays_as_it_is():
    for text in ("復旧時間 9.3 秒\n\tã é ß", "全角　スペース", "naïve → 🎉"):
        assert escape_invisible(text) == text
