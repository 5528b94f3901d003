"""A measured figure with its method, resolution and uncertainty, or why there is no value."""

import math
from dataclasses import dataclass, fields, replace
from typing import Any

from chaosdrill.messages import NOTHING, Name, Sentence, sentence

LEAST = 1e-12  # no figure is more exact: a smaller uncertainty does not come from a measurement of chaosdrill


@dataclass(frozen=True)
class Measured:
    """A figure. It is displayed no more exactly than its uncertainty, or if that is 0, than its resolution.

    :param value: None when it was not measured.
    :param unit: such as ``s``, ``ratio``, ``writes``.
    :param how: how it was obtained.
    :param resolution: the smallest difference that the method can show, in the same unit.
    :param uncertainty: the true value is within this much of ``value``, in the same unit.
    :param why: why there is no value, or a remark about it.
    :param at_least: the end was not observed: the true value is this or more.
    """

    value: float | None
    unit: str
    how: Sentence
    resolution: float | None = None
    uncertainty: float | None = None
    why: Sentence = NOTHING
    at_least: bool = False

    def as_json(self) -> dict[str, Any]:
        """Return the figure as JSON values, rounded as :meth:`in_words` rounds."""
        values = {one.name: getattr(self, one.name) for one in fields(self)}
        decimals = self._decimals()
        if decimals is not None and self.value is not None:
            values["value"] = round(self.value, decimals)
            values["uncertainty"] = _up(self.uncertainty, decimals) if self.uncertainty else self.uncertainty
        return values

    def in_words(self) -> Sentence:
        """Return a phrase such as ``4.20 s ± 0.05 s``, ``at least 3 s``, ``not measured: no beats``."""
        if self.value is None:
            return sentence("not measured: {why}", why=self.why or sentence("no reason is known"))
        figure = self._figure(self.value)
        return sentence("at least {figure}", figure=figure) if self.at_least else figure

    def in_short(self) -> Sentence:
        """Return a phrase such as ``4.2 s``, without the uncertainty, for reasons in plain words."""
        decimals = self._decimals()
        if self.value is None or decimals is None:
            return self.in_words()
        return replace(self, value=round(self.value, decimals) + 0.0, resolution=None, uncertainty=None).in_words()

    def _figure(self, value: float) -> Sentence:
        decimals = self._decimals()
        if decimals is None:
            return self._with_unit(_number(value))
        if not self.uncertainty:
            return self._with_unit(_number(round(value, decimals) + 0.0))  # -0.0 becomes 0.0
        shown = max(0, decimals)
        about = self._with_unit(f"{_up(self.uncertainty, decimals):.{shown}f}")
        figure = self._with_unit(f"{round(value, decimals) + 0.0:.{shown}f}")
        return sentence("{figure} ± {about}", figure=figure, about=about)

    def _with_unit(self, number: str) -> Sentence:
        if self.unit == "ratio":
            return sentence("{number}", number=number)
        return sentence("{number} {unit}", number=number, unit=Name("unit", self.unit))

    def _decimals(self) -> int | None:
        """Return the number of decimals that are known.

        That is one digit of the uncertainty (two if it begins with a 1), or of the resolution.
        """
        known = self.uncertainty or self.resolution
        if not known or not math.isfinite(known) or known < LEAST:
            return None
        decimals = -math.floor(math.log10(known) + 1e-9)
        return decimals + 1 if self.uncertainty and known * 10.0**decimals < 2 else decimals


def _up(uncertainty: float, decimals: int) -> float:
    """Round an uncertainty up; only an excess below a quarter of the last digit is rounded down."""
    unit = 10.0**-decimals
    return round(max(1, math.ceil(uncertainty / unit - 0.25)) * unit, max(0, decimals))


def _number(value: float) -> str:
    return f"{value:.0f}" if value == int(value) and abs(value) < 1e9 else f"{value:.4g}"
