"""What all figures have in common: fonts, margins, axes, numbers in as few bytes as possible, words of the tool bar."""

import base64
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from chaosdrill.report.palette import role
from chaosdrill.report.words import Words

if TYPE_CHECKING:
    import numpy

FONTS = (
    'system-ui, -apple-system, "Segoe UI", Roboto, "Hiragino Sans", "Yu Gothic UI", Meiryo, '
    '"Noto Sans", "Noto Sans CJK JP", sans-serif'
)
# what Plotly's tool bar says, by Plotly's own words
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
    """:returns: the layout of a figure.

    :param height: in pixels.
    :param more: laid over it.
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
    """:returns: an axis.

    :param more: laid over it.
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
    """:returns: an array as Plotly reads it, in a fifth of the bytes that its digits would take."""
    import numpy

    array = numpy.ascontiguousarray(values)
    kinds = {"f": "f8", "i": "i4", "u": "i4", "b": "i4"}
    kind = "f4" if array.dtype == numpy.float32 else kinds[array.dtype.kind]
    return {"dtype": kind, "bdata": base64.b64encode(array.astype(f"<{kind}").tobytes()).decode()}


def milliseconds(times_ns: Any) -> Any:
    """:returns: UTC nanoseconds as an axis of dates has them."""
    return times_ns / 1e6


def locale(words: Words) -> Mapping[str, Any]:
    """:returns: what Plotly's tool bar says, in the page's language."""
    return {"name": words.language, "dictionary": {text: words(key) for text, key in _TOOL_BAR.items()}}
