"""The colours of a page, light and dark, for its style sheet and its figures, which name colours by role.

Colours that distinguish things differ in lightness as well as in hue (after Okabe and Ito, so that colour-blind people
can distinguish them). Whatever is red is also marked by its shape.
"""

from collections.abc import Mapping

Palette = Mapping[str, str]

LIGHT: Palette = {
    "paper": "#ffffff",
    "raised": "#f6f8fa",
    "line": "#d5dbe1",
    "grid": "#e9edf1",
    "ink": "#16202b",
    "faint": "#55616e",
    "link": "#0b5cad",
    "passed": "#17703f",
    "failed": "#b3261e",
    "invalid": "#8a5300",
    "interrupted": "#6b3fa0",
    "region-1": "#1f66b0",
    "region-2": "#0f8a80",
    "region-3": "#7a4fb5",
    "region-4": "#8a6d00",
    "bad": "#d0342c",
    "bad-faint": "#f2b8b3",
    "warn": "#c77700",
    "neutral": "#8793a0",
    "neutral-faint": "#cfd6dd",
    "dark": "#2a333d",
    "action": "#4b5b6c",
    "probe": "#a9b6c3",
    "phase": "#5d7fa6",
    "machine": "#6f6aa8",
    "fault": "#c77700",
    "p50": "#1f66b0",
    "p95": "#7a4fb5",
    "p99": "#b0467c",
    "most": "#8793a0",
    "on-colour": "#ffffff",
}
DARK: Palette = {
    "paper": "#12181f",
    "raised": "#1a222b",
    "line": "#35404c",
    "grid": "#26303a",
    "ink": "#e8edf2",
    "faint": "#a3b0bd",
    "link": "#79b8ff",
    "passed": "#5fd394",
    "failed": "#ff8a80",
    "invalid": "#f0b45a",
    "interrupted": "#c3a1f0",
    "region-1": "#5aa5ee",
    "region-2": "#35bfb2",
    "region-3": "#b594ea",
    "region-4": "#d2b446",
    "bad": "#ff6f61",
    "bad-faint": "#6e3a37",
    "warn": "#f0a63c",
    "neutral": "#7d8a98",
    "neutral-faint": "#3c4854",
    "dark": "#c9d2db",
    "action": "#8fa1b4",
    "probe": "#566473",
    "phase": "#7fa3cc",
    "machine": "#9a95d6",
    "fault": "#f0a63c",
    "p50": "#5aa5ee",
    "p95": "#b594ea",
    "p99": "#ee86b7",
    "most": "#7d8a98",
    "on-colour": "#0d1319",
}
REGIONS = 4
PREFIX = "theme:"


def role(name: str) -> str:
    """Return the name of a role's colour in a figure; the page replaces it by the colour of its theme.

    :raises KeyError: when there is no such role.
    """
    return PREFIX + name if LIGHT[name] else ""


def variables(palette: Palette) -> str:
    """Return a palette as the declarations of a style sheet."""
    return " ".join(f"--{name}: {colour};" for name, colour in palette.items())
