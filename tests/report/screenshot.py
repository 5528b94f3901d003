"""Take the README's picture of a report: its first screen and its waterfall.

    python -m tests.report.screenshot RUN docs/report.png [--dark] [--lang ja]

RUN is a run directory. Needs Debian's chromium; the picture has a few hundred kilobytes at most.
"""

import argparse
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

from chaosdrill.report.build import write_report
from tests.chromium import CHROMIUM, SWITCHES

WIDTH, BELOW_PX = 940, 0


def main() -> None:
    """Write the picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("picture", type=Path)
    parser.add_argument("--dark", action="store_true")
    parser.add_argument("--lang", default="en")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        page = write_report(given.run, given.lang, Path(directory) / "report.html")
        take(page, given.picture, given.dark, Path(directory) / "profile")
    print(f"{given.picture}: {given.picture.stat().st_size / 1000:.0f} kB")


def take(page: Path, picture: Path, dark: bool, profile: Path) -> None:
    """Show the page, and take a picture from its top to the end of the figure."""
    with sync_playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(
            str(profile),
            executable_path=CHROMIUM,
            headless=True,
            args=SWITCHES,
            viewport={"width": WIDTH, "height": 900},
            color_scheme="dark" if dark else "light",
        )
        shown = context.new_page()
        shown.goto(page.as_uri())
        shown.wait_for_selector("#waterfall .main-svg .bars")
        bottom = shown.evaluate("document.getElementById('waterfall').getBoundingClientRect().bottom + scrollY")
        clip = {"x": 0, "y": 0, "width": WIDTH, "height": bottom + BELOW_PX}
        shown.screenshot(path=picture, full_page=True, clip=clip)
        context.close()


if __name__ == "__main__":
    main()
