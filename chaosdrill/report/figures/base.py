"""Common parts of all figures: fonts, margins, axes, compact arrays, texts of the tool bar."""

import base64
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from chaosdrill.report.palette import role
from chaosdrill.report.texts import Words

if TYPE_CHECKING:
    import numpy

FONTS = (
    'system-ui, -apple-system, "Segoe UI", Roboto, "Hiragino Sans", "Yu Gothic UI", Meiryo, '
    '"Noto Sans", "Noto Sans CJK JP", sans-serif'
)
# texts of Plotly's tool bar, by Plotly's own texts
_TOOL_BAR = {
    "Double-click to zoom back out": "tool.back",
    "Download plot as a PNG": "tool.download",
    "Pan": "tool.pan",
    "Reset axes": "tool.reset",
    "Zoom": "tool.zoom",
    "Zoom in": "tool.in",
    "Zoom out": "tool.out",
}


def layout(height: int, **more: Any) -> dict[str, Any]:
    """Return the layout of a figure.

    :param height: the height in pixels.
    :param more: settings that override it.
    """
    return {
        "height": height,
        "autosize": True,
        "margin": {"l": 70, "r": 12, "t": 24, "b": 36},
        "paper_bgcolor": role("paper"),
        "plot_bgcolor": role("paper"),
        "font": {"family": FONTS, "size": 12, "color": role("ink")},
        "hoverlabel": {
            "bgcolor": role("raised"),
            "bordercolor": role("line"),
            "align": "left",
            "font": {"family": FONTS, "size": 12, "color": role("ink")},
        },
        "legend": {"orientation": "h", "yanchor": "bottom", "y": 1.0, "xanchor": "left", "x": 0},
        "dragmode": "zoom",
        **more,
    }


def axis(**more: Any) -> dict[str, Any]:
    """Return an axis.

    :param more: settings that override it.
    """
    return {
        "gridcolor": role("grid"),
        "linecolor": role("line"),
        "tickcolor": role("line"),
        "zeroline": False,
        "automargin": False,
        **more,
    }


def numbers(values: "numpy.ndarray[Any, Any] | Sequence[float]") -> dict[str, str]:
    """Return an array in Plotly's binary form, which takes a fifth of the bytes of its digits."""
    import numpy

    array = numpy.ascontiguousarray(values)
    kinds = {"f": "f8", "i": "i4", "u": "i4", "b": "i4"}
    kind = "f4" if array.dtype == numpy.float32 else kinds[array.dtype.kind]
    return {"dtype": kind, "bdata": base64.b64encode(array.astype(f"<{kind}").tobytes()).decode()}


def milliseconds(times_ns: Any) -> Any:
    """Convert UTC nanoseconds to the unit of a date axis."""
    return times_ns / 1e6


def locale(words: Words) -> Mapping[str, Any]:
    """Return the texts of Plotly's tool bar in the page's language."""
    return {"name": words.language, "dictionary": {text: words(key) for text, key in _TOOL_BAR.items()}}
