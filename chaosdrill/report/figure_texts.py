"""Figures in the reader's language: no more exact than measured, or "not measured" with the reason."""

from dataclasses import dataclass

from chaosdrill.analysis.measurement import Measured
from chaosdrill.report.texts import Words

_LEAST, _PERCENT = "at least ", 100.0


@dataclass(frozen=True)
class FigureText:
    """A figure in words.

    :param value: the value with its unit; empty when it was not measured.
    :param about: its uncertainty, such as ``± 0.4 s``.
    :param missing: that it was not measured, and why; empty when it was.
    """

    value: str = ""
    about: str = ""
    missing: str = ""

    def __str__(self) -> str:
        return self.missing or " ".join(filter(None, (self.value, self.about)))


def figure_text(measured: Measured, t: Words) -> FigureText:
    """Return a figure in words; a ratio in percent."""
    if measured.value is None:
        return FigureText(missing=t("measured.not", why=t.quoted(measured.why) or t("measured.no-reason")))
    text = _times(_PERCENT, measured, "%").in_words() if measured.unit == "ratio" else measured.in_words()
    value, _, about = text.removeprefix(_LEAST).partition(" ± ")
    value = _in_unit(value, t)
    if measured.at_least:
        value = t("measured.at-least", value=value)
    if about:
        return FigureText(value, f"± {_in_unit(about, t)}")
    return FigureText(value, t("measured.exact") if measured.uncertainty == 0 else t("measured.about-unknown"))


def number(value: float, unit: str, t: Words) -> str:
    """Return a given number, such as an objective, with its unit."""
    if unit == "ratio":
        return _in_unit(f"{value * _PERCENT:g} %", t)
    return _in_unit(f"{value:g} {'write' if unit == 'writes' and value == 1 else unit}", t)


def in_milliseconds(measured: Measured, t: Words) -> FigureText:
    """Return a figure in seconds in words as milliseconds."""
    return figure_text(_times(1000, measured, "ms"), t)


def _times(factor: float, one: Measured, unit: str) -> Measured:
    parts = (one.value, one.resolution, one.uncertainty)
    value, resolution, uncertainty = (None if part is None else part * factor for part in parts)
    return Measured(value, unit, one.how, resolution, uncertainty, one.why, one.at_least)


def _in_unit(text: str, t: Words) -> str:
    number_, _, unit = text.rpartition(" ")
    return f"{number_} {t.of('unit', unit)}" if number_ else text
