"""The last lines of a drill on the terminal: the most important results, in at most six lines."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from chaosdrill.analysis.measurement import Measured
from chaosdrill.analysis.untrusted_json import mapping
from chaosdrill.errors import BadInput
from chaosdrill.languages import LANGUAGES, language_from
from chaosdrill.messages import as_it_is
from chaosdrill.report.texts import Words
from chaosdrill.terminal_text import one_line

LONGEST_REASON = 400  # characters; `chaosdrill runs show` has every reason in full
_FIGURES = {"recovery": "recovery_", "lost": "lost_writes_"}

Row = tuple[str, str]


def last_lines(said: Mapping[str, Any], language: str | None = None, owed: Sequence[str] = ()) -> list[Row]:
    """Return the at most six lines that end a drill, as labels and texts.

    :param said: the summary.
    :param language: the language of the lines; default: ``CHAOSDRILL_LANG``.
    :param owed: the steps that are not undone; how to undo them is then shown instead of where the details are.
    """
    words = Words(language or _language())
    figures = {name: Measured(**one) for name, one in ((said.get("judgement") or {}).get("figures") or {}).items()}
    rows = [("verdict", _verdict(words, said)), *_reason(words, said)]
    if owed:
        rows.append(("owed", words("end.rescue", steps=", ".join(owed), run=said["run_id"])))
    rows += [(kind, text) for kind, prefix in _FIGURES.items() if (text := _measured(words, figures, prefix))]
    if said.get("run_directory"):
        rows += _report(words, said)
    if said.get("run_directory") and not owed:
        rows.append(("details", f"chaosdrill runs show {said['run_id']}"))
    return [(words.of("end", label), one_line(text)) for label, text in rows]


def _language() -> str:
    try:
        return language_from()
    except BadInput:
        return LANGUAGES[0]  # the drill was refused for it; the reason is one of these lines


def _verdict(words: Words, said: Mapping[str, Any]) -> str:
    """Return the verdict; for a lab with the warning that its times are not those of a real system."""
    word = words.of("verdict", said["verdict"])
    if said.get("target") != "lab":
        return word
    notes = [words("end.broken", names=", ".join(said["broken"]))] if said.get("broken") else []
    if lenient := mapping(said.get("circumstances")).get("lenient lab"):
        notes.append(words("end.lenient", names=", ".join(lenient)))
    scale = said.get("scale")
    notes.append(words("end.lab") if scale in (None, 1) else words("end.lab-scaled", scale=f"{scale:g}"))
    return f"{word} ({'; '.join(notes)})"


def _reason(words: Words, said: Mapping[str, Any]) -> Iterator[Row]:
    """Yield the first reason, with the number of the others."""
    if not (reasons := said["reasons"]):
        return
    first, *more = words.say(as_it_is(reasons[0])).splitlines() or [""]  # a refusal has a line for each problem
    text = first if len(first) <= LONGEST_REASON else f"{first[: LONGEST_REASON - 1]}…"
    others = len(more) + len(reasons) - 1
    yield "why", text + (f" {words('end.more-reasons', number=others)}" if others else "")


def _measured(words: Words, figures: Mapping[str, Measured], prefix: str) -> str:
    """Return the figures of every transition, or of every read-back, in one line."""
    found = {name: one for name, one in figures.items() if name.startswith(prefix)}
    called = {name: words.of("end", name, name.removeprefix(prefix)) for name in found}  # read-back: its label
    return ", ".join(f"{called[name]} {_in_short(words, one)}" for name, one in found.items())


def _in_short(words: Words, figure: Measured) -> str:
    return words("end.not-measured") if figure.value is None else words.say(figure.in_words())


def _report(words: Words, said: Mapping[str, Any]) -> list[Row]:
    if said.get("report"):
        return [("report", str(Path(said["run_directory"]) / said["report"]))]
    return [("report", words("end.no-report", why=said["report_why"]))] if said.get("report_why") else []
