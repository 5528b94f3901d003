"""The Japanese page is Japanese: nothing of chaosdrill's own is said in English on it, whatever became of the run."""

import ast
import functools
import json
import re
import string
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

import chaosdrill
from chaosdrill.analysis.effect import CANNOT_TELL, LANDED, NO_EFFECT
from chaosdrill.analysis.judgement import judge
from chaosdrill.analysis.ledger import ledger_of
from chaosdrill.analysis.measurement import Measured
from chaosdrill.analysis.run import Run
from chaosdrill.analysis.summary_fields import summary_fields
from chaosdrill.cli import cli
from chaosdrill.controls.record import DrillRecord
from chaosdrill.errors import Refused
from chaosdrill.history import History
from chaosdrill.history.log import read_history
from chaosdrill.messages import (
    Name,
    Sentence,
    as_it_is,
    sentence,
    sentence_at,
    sentences_from_json,
    sentences_to_json,
    together,
)
from chaosdrill.paths import RUNS_VARIABLE
from chaosdrill.report.build import report_of
from chaosdrill.report.comparison_page import circumstance
from chaosdrill.report.messages import MESSAGES, SENTENCES
from chaosdrill.report.texts import Words
from chaosdrill.runs import read_run
from chaosdrill.runs.imports.importing import import_journal
from tests.compared_runs import figure, judgement, movement, probe, write_run
from tests.further import first_of
from tests.synthetic_run import HOME, make_run, ns
from tests.unit.test_runs_import import EXPERIMENT, run_by_chaos_toolkit

JA, EN = Words("ja"), Words("en")
PACKAGE = Path(chaosdrill.__file__).parent
JAPANESE = re.compile(r"[\u3000-\u30ff\u4e00-\u9fff]")
# three words in a row are a sentence, or the better part of one; a name of something has hyphens or underscores
ENGLISH = re.compile(r"(?<![\w.-])[A-Za-z][a-z']+(?:[ ,;:]+[a-z']+){2,}")
SENTENCE, NAME, RULES = "sentence", "Name", ("rule", "known")

# The catalogue against the source -----------------------------------------------------------------------------------


def calls(*names: str) -> Iterator[tuple[Path, ast.Call]]:
    """Every call of one of these functions or methods in the package."""
    for path, node in all_calls():
        if getattr(node.func, "id", getattr(node.func, "attr", "")) in names:
            yield path, node


@functools.cache
def all_calls() -> list[tuple[Path, ast.Call]]:
    """Every call in the files of the package that call one of them: parsed once, and not while tests are collected."""
    names = re.compile(rf"\b({'|'.join((SENTENCE, NAME, *RULES, 'as_it_is', 'Sentence'))})\(")
    texts = ((path, path.read_text()) for path in PACKAGE.rglob("*.py"))
    trees = ((path, ast.parse(text)) for path, text in texts if names.search(text))
    return [(path, node) for path, tree in trees for node in ast.walk(tree) if isinstance(node, ast.Call)]


def literal(node: ast.expr) -> Any:
    return node.value if isinstance(node, ast.Constant) else None


def fields(template: str) -> list[tuple[str, str | None, str | None]]:
    found = [part[1:] for part in string.Formatter().parse(template) if part[1] is not None]
    return sorted(found, key=lambda one: str(one))


def templates() -> set[Any]:
    return {literal(call.args[0]) for _, call in calls(SENTENCE)}


def test_every_sentence_is_a_literal_with_a_japanese_one_and_none_of_those_is_left_over() -> None:
    assert len(templates()) > 200
    assert templates() == set(SENTENCES)


@pytest.mark.parametrize("english", SENTENCES)
def test_a_sentence_tells_the_same_in_both_languages(english: str) -> None:
    japanese = SENTENCES[english]
    assert fields(japanese) == fields(english)
    words = re.sub(r"\{[^}]*\}|Step Functions", "", english)
    assert JAPANESE.search(japanese) or not re.search(r"[a-z]{2}", words), japanese


def test_nothing_of_its_own_is_said_without_the_catalogue() -> None:
    """What is shown as it is, is of others; mypy sees to it that the judgement says nothing else."""
    for path, call in calls("as_it_is", "Sentence"):
        words = [literal(part) for part in ast.walk(call) if isinstance(part, ast.Constant)]
        own = [one for one in words if isinstance(one, str) and re.search(r"[a-z]+ [a-z]+", one)]
        assert own == [], (path.name, call.lineno)
    assert {path.name for path, _ in calls("Sentence")} <= {"messages.py"}


def test_what_is_filled_in_is_given_for_every_brace() -> None:
    for path, call in calls(SENTENCE):
        given = {one.arg for one in call.keywords}
        if None not in given:  # that is **values
            assert {name for name, _, _ in fields(literal(call.args[0]))} == given, (path.name, call.lineno)


def test_every_name_that_stands_in_a_sentence_is_in_the_catalogue() -> None:
    kinds = {literal(call.args[0]) for path, call in calls(NAME) if path.name != "messages.py"}
    known = {key.partition(".")[0] for key in MESSAGES}
    assert kinds <= known, kinds - known
    of_rules = ("judgement.py", "rule_context.py")
    rules = {literal(call.args[0]) for path, call in calls(*RULES) if path.name in of_rules} - {None}
    rules |= {f"the phases of the {what}" for what in ("fail-over", "fail-back")}
    assert {f"rule.{name}" for name in rules} == {key for key in MESSAGES if key.startswith("rule.")}
    assert [one for one in (LANDED, NO_EFFECT, CANNOT_TELL) if f"effect-of-fault.{one}" not in MESSAGES] == []


def test_what_had_not_come_to_rest_is_said_as_the_heartbeat_says_it() -> None:
    source = (PACKAGE / "heartbeat" / "read_back.py").read_text()
    named = [key.partition(".")[2] for key in MESSAGES if key.startswith("unrest.")]
    assert re.findall(r'^ +"([a-z ]+)": ', source.partition("counts = {")[2].partition("}")[0], re.MULTILINE) == named
    rows = [
        {"row": "read-back-begun", "label": "x", "at_ns": 1, "writes_until_ns": 2},
        {"row": "read-back-ended", "label": "x", "at_ns": 3, "converged": False,
         "why": f"after 2.5 s: 3 {named[0]}, 1 {named[1]}"},
    ]  # fmt: skip
    why = ledger_of(rows).read_backs["x"].why
    assert (why, JA.say(why)) == (rows[1]["why"], "2.5 秒経過時点で処理中の書込み 3 件, 読み取れない書込み 1 件")
    rows[1]["why"] = "after all it broke"
    assert not JA.can_say(ledger_of(rows).read_backs["x"].why)


# Pages --------------------------------------------------------------------------------------------------------------


class Read(HTMLParser):
    """What a reader reads of a page, but for data: that is marked as code, as English, or quoted."""

    data = ("code", "pre", "script", "style", "h1", "title")

    def __init__(self) -> None:
        super().__init__()
        self.inside: list[bool] = []
        self.texts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        known = dict(attrs)
        for name in ("title", "aria-label", "alt"):
            self.texts.append(known.get(name) or "")
        if tag not in ("meta", "br", "input", "hr", "link"):
            self.inside.append(tag in self.data or known.get("lang") == "en")

    def handle_endtag(self, tag: str) -> None:
        self.inside.pop()

    def handle_data(self, data: str) -> None:
        if not any(self.inside):
            self.texts.append(" ".join(data.split()))


def english_on(page: str) -> list[str]:
    """What is said in English on a page, and in its figures."""
    read = Read()
    read.feed(page)
    told = re.search(r'<script type="application/json" id="told">(.*?)</script>', page, re.DOTALL)
    assert told is not None
    texts = [*read.texts, *(one for one in strings(json.loads(told[1])["figures"]))]
    return [found[0] for one in texts if (found := ENGLISH.search(re.sub("「.*?」|`.*?`", "", one)))]


def strings(value: Any, key: str = "") -> Iterator[str]:
    """The texts of a figure; not the names of its settings."""
    if isinstance(value, str) and key in ("text", "hovertext", "name", "ticktext", "hovertemplate"):
        yield re.sub("<[^>]*>", " ", value)
    for name, one in (
        value.items() if isinstance(value, dict) else ((key, one) for one in value) if isinstance(value, list) else ()
    ):
        yield from strings(one, name)


def ended(name: str, **more: Any) -> dict[str, Any]:
    """A step that ended well; ``more`` is laid over it."""
    return {
        "s": 13, "event": "activity-ended", "activity": name, "phase": "method", "type": "probe", "module": "m",
        "func": "f", "status": "succeeded", "output": 1, "error": "", "error_kind": "", "tolerance": None,
        "tolerance_met": None, "duration_s": 1.0, **more,
    }  # fmt: skip


def opened(**more: Any) -> Callable[[Any], Any]:
    return lambda rows: [{**row, **more} if row["event"] == "drill-opened" else row for row in rows]


def and_then(*more: dict[str, Any]) -> Callable[[Any], Any]:
    return lambda rows: [*rows, *more]


WANTED = {"rto_s": 2.0, "availability_ratio": 0.99, "rpo_writes": 0, "rpo_s": 1, "budgets": {"dns-changed": 1}}
BAD = [
    ended("bad-step", status="failed", error="the disk of somebody is full", type="action"),
    ended("bad-probe", output="this is what it said", tolerance="that was to be said", tolerance_met=False),
    {"s": 14, "event": "safeguard-tripped", "safeguard": "alarm", "why": "is out of bounds, as it says"},
    {"s": 15, "event": "end-state", "state": "dark", "expected": f"serving({HOME})"},
    {"s": 16, "event": "fault-effect", "dropped": {"value": 3}, "dropped_before": 3},
    {"s": 17, "event": "clock-measured", "source": "locust-1", "offset_ns": 3_000_000_000, "uncertainty_ns": 5_000_000},
]


def missed(rows: Any) -> Any:
    return [*opened(objectives=WANTED, planned={"method": ["never-done"]})(rows), *BAD]


def two_lost(rows: Any) -> Any:
    lost = {"row": "found", "label": "after-failback", "state": "missing", "region": HOME, "seen_ns": ns(46)}
    kept = [row for row in rows if not (row.get("row") == "found" and row["seq"] in (60, 61))]
    return [*kept, *({**lost, "seq": seq, "id": f"id-{seq}"} for seq in (60, 61))]


def died(directory: Path) -> Path:
    """Its history stops halfway, its records are cut off, and one of them is of somebody else."""
    run = make_run(directory, stored=False)
    history = run / "history.jsonl"
    history.write_text("".join(history.read_text().splitlines(keepends=True)[:-4])[:-30])
    beats = run / "records" / "beats.jsonl"
    beats.write_text(beats.read_text()[:-40])
    (run / "records" / "ledger.jsonl").unlink()
    (run / "records" / "requests-others.jsonl").write_text("{}\n")
    return run


def imported(directory: Path) -> Path:
    journal = run_by_chaos_toolkit(directory, EXPERIMENT)
    journal["status"] = "aborted"
    (directory / "journal.json").write_text(json.dumps(journal))
    (directory / "runs").mkdir()
    return directory / "runs" / import_journal(directory / "journal.json", directory / "runs")


def of_a_newer_version(directory: Path) -> Path:
    run = make_run(directory)
    (run / "summary.json").write_text('{"version": 99}')
    return run


def refused(rows: Any) -> Any:
    gone = ("phase", "activity-started", "activity-ended")
    return [*(row for row in rows if row["event"] not in gone), {"s": 1, "event": "refused", "why": "we said no to it"}]


def nothing(rows: Any) -> Any:
    return None


NEVER_DONE = {"method": ["never-done"]}
RUNS: dict[str, Callable[[Path], Path]] = {
    "passed": make_run,
    "failed": lambda directory: make_run(directory, events_of=missed, ledger_of=two_lost),
    "without records": lambda directory: make_run(
        directory, events_of=missed, beats_of=nothing, ledger_of=nothing, requests_of=nothing
    ),
    "no end of the ledger": lambda directory: make_run(
        directory, events_of=opened(objectives=WANTED), ledger_of=lambda rows: rows[: len(rows) // 2]
    ),
    "interrupted": lambda directory: make_run(
        directory, events_of=and_then({"s": 12, "event": "interrupted", "signal": "SIGINT", "phase": "method"},
                                      {"s": 13, "event": "target-lost", "why": "it went away from us"},
                                      {"s": 14, "event": "crashed", "where": "opening", "why": "KeyError: it was so"})
    ),
    "refused": lambda directory: make_run(directory, events_of=refused),
    "dry": lambda directory: make_run(directory, events_of=opened(dry="activities", planned=NEVER_DONE)),
    "died": died,
    "imported": imported,
    "of a newer version": of_a_newer_version,
}  # fmt: skip


@pytest.mark.parametrize("state", first_of(RUNS, 3))
def test_no_page_of_a_run_says_anything_in_english(tmp_path: Path, state: str) -> None:
    assert english_on(report_of(RUNS[state](tmp_path), "ja")) == []


def test_the_runs_of_these_pages_say_much(tmp_path: Path) -> None:
    """Else there would be nothing to find."""
    said = [judge(read_run(make(tmp_path / str(number)))) for number, make in enumerate(RUNS.values()) if not
            (tmp_path / str(number)).mkdir()]  # fmt: skip
    assert {one.verdict for one in said} == {"passed", "failed", "invalid", "refused", "interrupted"}
    assert len({found.name for one in said for found in one.findings}) > 20


def test_english_is_found_where_it_is_said(tmp_path: Path) -> None:
    page = report_of(make_run(tmp_path), "ja")
    assert english_on(page.replace("<main", "<p>nothing was failed over</p><main")) == ["nothing was failed over"]
    assert english_on(report_of(tmp_path / "20260501T093000Z-failover-ab12")) != []


# Runs beside each other ---------------------------------------------------------------------------------------------


def run_id(day: int) -> str:
    return f"202605{day:02}T020000Z-failover-{day:04x}"


def unmeasured() -> dict[str, Any]:
    """A figure that a summary of today does not have, with what its sentence is made of."""
    how, why = sentence("heartbeat"), sentence("{n} accepted writes could not be read back", n=3)
    return Measured(None, "writes", how, why=why).as_json()


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    store = tmp_path / "runs"
    monkeypatch.setenv(RUNS_VARIABLE, str(store))
    for day in range(1, 11):
        told = judgement(9.3 + day, lost_writes_after_failback=unmeasured(), error_s=figure(33.0, about=0.0))
        told |= {"movements": [movement(), movement("fail-back")]}
        told["said"] = sentences_to_json(told)
        known = {"git commit": str(day), "version of some library": str(day), "variable users": day}
        told_of = {"judgement": told, "hypothesis": [probe(during=[0, 3])], "circumstances": known}
        more = {3: {"verdict": "invalid"}, 4: {"broken": ["two-writers"]}, 5: {"scale": 1}}.get(day, {})
        write_run(store, run_id(day), ["a" if day < 8 else "b"], **told_of, **more)
    (write_run(store, run_id(11)) / "summary.json").unlink()
    (write_run(store, run_id(12)) / "summary.json").write_text('{"version": 99}')
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            ("compare", run_id(1), run_id(2)),
            ["受付済みの書込み 3 件を照合できませんでした", "Git コミット", "変数 users"],
        ),
        (("compare", run_id(1), run_id(3)), [f"{run_id(3)} は対象外です: 判定が「無効」です"]),
        (("compare", run_id(1), run_id(5)), [f"{run_id(1)} と {run_id(5)} は倍率が異なります (0.2 と 1)"]),
        (("compare", "--last", "9"), ["判定が「無効」です", "倍率が 1 です", "受付済みの書込み 3 件"]),
        (("compare", "--baseline", "tag:a", "--candidate", "tag:b"), ["回が必要です", "両群では測定されていません"]),
        (("trend", "--all"), ["ラボを意図的に不正動作させています: two-writers", "サマリがありません", "版 99 です"]),
    ],
)
def test_no_page_of_a_comparison_says_anything_in_english(runs: Path, arguments: Any, words: list[str]) -> None:
    path = runs / "page.html"
    done = CliRunner().invoke(cli, [*arguments, "--html", str(path), "--lang", "ja"])
    assert done.output == f"{path}\n", done.output
    page = path.read_text()
    assert english_on(page) == []
    assert [one for one in words if one not in page] == []


def test_every_circumstance_has_a_japanese_name() -> None:
    known = summary_fields(
        "failover", [{"event": "drill-opened", "versions": {"moto": 5}, "configuration": {"users": 1}}], ""
    )
    names = {name: circumstance(name, JA) for name in known["circumstances"]}
    assert (names.pop("version of moto"), names.pop("variable users")) == ("moto のバージョン", "変数 users")
    assert [name for name, japanese in names.items() if not JAPANESE.search(japanese)] == []


def test_what_a_summary_of_before_says_is_quoted_in_english(runs: Path) -> None:
    for day in (1, 2):
        path = runs / "runs" / run_id(day) / "summary.json"
        said = json.loads(path.read_text())
        del said["judgement"]["said"]
        path.write_text(json.dumps(said))
    path = runs / "page.html"
    CliRunner().invoke(cli, ["compare", run_id(1), run_id(2), "--html", str(path), "--lang", "ja"])
    assert "未測定: 「3 accepted writes could not be read back」" in path.read_text()


# A sentence ---------------------------------------------------------------------------------------------------------


def test_a_sentence_is_its_english_text_and_is_said_in_japanese() -> None:
    phase, why = Name("moment", "dns-changed"), as_it_is("timed out")
    one = sentence("{objective} {wanted:g} cannot be judged: {why}", objective="rto_s", wanted=2.0, why=why)
    assert one == "rto_s 2 cannot be judged: timed out"
    assert (EN.say(one), JA.say(one)) == (str(one), "rto_s (目標 2) を判定できません: 「timed out」")
    both = together([one, sentence("counted from {since}", since=phase)])
    assert both == f"{one}; counted from dns-changed"
    assert JA.say(both) == f"{JA.say(one)}。「DNS 反映」からの時間"
    assert (JA.say(why), JA.can_say(why), JA.can_say(""), EN.can_say(why)) == ("timed out", False, True, True)
    assert {both, str(both)} == {both}


def test_what_somebody_else_wrote_costs_no_more_than_it_is_long() -> None:
    nested: Any = "x'\\"
    for _ in range(200):
        nested = [nested]
    (made,) = sentences_from_json([{"text": "t", "template": "{why}", "values": {"why": nested}}]).values()
    assert len(str(made.values)) < 100


def test_what_a_drill_writes_into_its_history_is_said_in_japanese_later(tmp_path: Path) -> None:
    history = History(tmp_path / "history.jsonl", hide=["hunter2-secret"])
    why = sentence("cannot be read: {why}", why=as_it_is("hunter2-secret was wrong"))
    plainly = history.append("safeguard-tripped", safeguard="alarm", why="of others")
    history.append("safeguard-tripped", safeguard="alarm", why=why)
    history.close()
    assert "said" not in plainly
    assert "hunter2" not in (tmp_path / "history.jsonl").read_text()
    _, told = read_history(tmp_path / "history.jsonl")
    assert told["why"] == "cannot be read: *** was wrong"
    (found,) = judge(Run((told,))).findings[:1]
    assert found.text == "safeguard alarm: cannot be read: *** was wrong"
    assert JA.say(found.text) == "安全装置「alarm」が作動しました: 読み取れません: 「*** was wrong」"


def test_a_drill_that_is_refused_says_why_in_japanese() -> None:
    record = DrillRecord()
    record.refused(
        Refused(sentence("cannot be read: {why}", why=sentence("no answer within {seconds:g} s", seconds=5.0)))
    )
    record.refused(Refused("by somebody else"))
    first, second = (sentence_at(event, "why") for event in record.events)
    assert (JA.say(first), JA.can_say(second)) == ("読み取れません: 5 秒以内に応答がありません", False)
    assert [first, second] == ["cannot be read: no answer within 5 s", "by somebody else"]


def test_what_a_summary_keeps_of_a_sentence_is_read_back() -> None:
    took = Measured(3.92, "s", sentence("heartbeat"), uncertainty=0.05).in_words()
    one = sentence(
        "clients were without service for {recovery}, the objective rto_s is {wanted:g} s", recovery=took, wanted=2.0
    )
    document = {"reasons": [one, one, as_it_is("of others")], "unit": "s"}
    said = json.loads(json.dumps(sentences_to_json(document)))
    assert [told["text"] for told in said] == [one]
    assert (
        JA.say(sentences_from_json(said)[one])
        == JA.say(one)
        == "クライアントの停止時間は 3.92 秒 ± 0.05 秒です (目標 rto_s は 2 秒)"
    )


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"n": "many"},
        {"n": None},
        {"n": {"template": "{n} more", "values": 3}},
        {"n": [[[]]]},
        {"n": 1 << 5000},
        None,
        [],
    ],
)
def test_whatever_a_summary_tells_of_its_sentences_is_read(values: Any) -> None:
    told = [{"text": "5 ms", "template": "{seconds:.1f} s", "values": values}, {"template": 1}, 7, None, "x", [[]]]
    for one in sentences_from_json(told).values():
        assert isinstance(JA.say(one), str)
    assert sentences_from_json({"text": 1}) == sentences_from_json(None) == {}
    assert JA.say(Sentence("5 ms", "{seconds:.1f} s", {"seconds": "5"})) == "5 ms"


# Titles -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", sorted((PACKAGE / "experiments").glob("*.[yj]*")), ids=lambda path: path.stem)
def test_every_experiment_of_ours_has_a_japanese_title(path: Path) -> None:
    title = yaml.safe_load(path.read_text())["title"]
    values = {"home_region": "ap-northeast-1", "standby_region": "us-gov-west-1"}
    resolved = re.sub(r"\$\{(\w+)\}", lambda found: values[found[1]], title)
    japanese = JA.title(resolved)
    assert JAPANESE.search(japanese)
    assert [one for one in values.values() if (one in resolved) != (one in japanese)] == []
    assert (EN.title(resolved), JA.title(f"{resolved}!")) == (resolved, f"{resolved}!")


def test_the_page_has_the_title_in_its_language(tmp_path: Path) -> None:
    run = make_run(tmp_path, events_of=opened(title=f"Clients survive a failover from {HOME} to x"))
    assert f"<h1>{HOME} から x への切替時のサービス継続</h1>" in report_of(run, "ja")
    assert f"<h1>Clients survive a failover from {HOME} to x</h1>" in report_of(run)
