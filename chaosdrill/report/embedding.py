"""Embedded contents of a page: Plotly, script and style, the figures' data, and the Content-Security-Policy."""

import base64
import hashlib
import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from chaosdrill.errors import DrillError
from chaosdrill.extras import install_command

FILES = Path(__file__).parent / "files"


def not_installed() -> str:
    """Return the message for an installation without the extra ``report``."""
    return f"the extra `report` is not installed: {install_command('report')}"


class NoReport(DrillError):
    """A report cannot be built on this machine, or from this run."""


def plotly_js() -> str:
    """Return Plotly's script, without importing the package.

    :raises NoReport: when the extra ``report`` is not installed.
    """
    found = find_spec("plotly")
    if found is None or not found.submodule_search_locations or find_spec("jinja2") is None:
        raise NoReport(not_installed(), code="report-not-installed")
    path = Path(found.submodule_search_locations[0]) / "package_data" / "plotly.min.js"
    try:
        return path.read_text(encoding="utf-8")  # with universal newlines, as a browser reads it
    except OSError as error:
        raise NoReport(
            f"Plotly's script cannot be read: {error}; install the extra `report` again", code="report-not-installed"
        ) from error


def data_block(value: Any) -> str:
    """Return JSON for a script element, escaped so that it cannot end that element or a line of a script."""
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def policy(scripts: list[str]) -> str:
    """Return a Content-Security-Policy that permits no requests, and no scripts except these.

    Plotly sets styles on its elements, and shows the picture that it saves as ``blob:`` or ``data:``.
    """
    hashes = " ".join(f"'sha256-{base64.b64encode(hashlib.sha256(one.encode()).digest()).decode()}'" for one in scripts)
    return (
        f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; img-src data: blob:; "
        "base-uri 'none'; form-action 'none'"
    )
