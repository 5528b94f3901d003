"""Printing of a report to PDF with this machine's Chromium or Chrome."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from chaosdrill.history.whole_files import draft_of
from chaosdrill.report.embedding import NoReport

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "microsoft-edge")
DEADLINE_S = 180
_SETTLE_MS = 20_000  # virtual time of the page, which runs faster than the clock, until its figures are drawn
_SWITCHES = (
    "--headless",
    "--disable-gpu",
    "--no-first-run",
    "--no-pdf-header-footer",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    f"--virtual-time-budget={_SETTLE_MS}",
)


def write_pdf(html: str, path: Path) -> Path:
    """Print a page to a PDF.

    :param html: the page; it must be self-contained.
    :param path: the file to write.
    :returns: the file.
    :raises NoReport: ``browser-missing`` or ``pdf-failed``.
    :raises OSError: when the file cannot be written.
    """
    browser = find_browser()
    with tempfile.TemporaryDirectory(prefix="chaosdrill-pdf-", ignore_cleanup_errors=True) as directory:
        page, printed = Path(directory, "report.html"), Path(directory, "report.pdf")
        page.write_bytes(html.encode("utf-8", "backslashreplace"))
        _print(browser, page, printed)
        with draft_of(path, private=False) as draft, open(printed, "rb") as source:
            shutil.copyfileobj(source, draft)
    return path


def find_browser() -> str:
    """Find a Chromium or Chrome on the PATH.

    :raises NoReport: ``browser-missing``.
    """
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        raise NoReport(
            f"a PDF needs Chromium or Chrome, and none of {', '.join(BROWSERS)} is on the PATH: install one "
            "(Debian: apt install chromium), or open the HTML report in any browser and print it",
            code="browser-missing",
        )
    return found


def _print(browser: str, page: Path, printed: Path) -> None:
    profile = page.with_name("profile")
    command = [browser, *_SWITCHES, f"--user-data-dir={profile}", f"--print-to-pdf={printed}", page.as_uri()]
    if os.geteuid() == 0:
        command.insert(1, "--no-sandbox")  # Chromium refuses to start as root otherwise; the page is our own
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=DEADLINE_S, check=False, text=True,
            errors="replace", cwd=page.parent,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NoReport(f"{browser} did not print the report: {error}", code="pdf-failed") from error
    if not printed.is_file() or not printed.stat().st_size:
        said = done.stderr.strip().splitlines()
        raise NoReport(
            f"{browser} exited with {done.returncode} and printed nothing: {said[-1] if said else 'no output'}; "
            "open the HTML report in a browser and print it",
            code="pdf-failed",
        )
