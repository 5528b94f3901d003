"""A report of a made-up run, and a real Chromium to look at it."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.chromium import LONG_MS, started_chromium
from tests.synthetic_run import make_run

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Page


@dataclass
class Seen:
    """A page in Chromium, and what it did.

    :param said: what it wrote to the console, errors of scripts among it.
    :param asked: every address that it asked for.
    """

    page: "Page"
    said: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def run(self, script: str) -> Any:
        """:returns: what a script gives in the page."""
        return self.page.evaluate(script)

    def until(self, script: str, arg: Any = None) -> None:
        """Wait until a script gives something true.

        Playwright's ``wait_for_function`` evaluates its text in the page from the second poll on, which the page's
        Content-Security-Policy forbids: it fails wherever the page is not ready at the first.
        """
        deadline = time.monotonic() + LONG_MS / 1000
        while not self.page.evaluate(script, arg):
            assert time.monotonic() < deadline, f"not true after {LONG_MS} ms: {script}"
            self.page.wait_for_timeout(20)

    def figure(self, what: str) -> Any:
        """:returns: something of the figure, such as ``layout.xaxis.range``."""
        return self.run(f"document.getElementById('waterfall').{what}")


@pytest.fixture(scope="module")
def chromium() -> Iterator["BrowserContext"]:
    with started_chromium() as context:
        yield context


@pytest.fixture
def see(chromium: "BrowserContext") -> Iterator[Callable[..., Seen]]:
    """Look at a file in Chromium: ``see(path, color_scheme="dark")``; back when its figures are drawn."""
    pages = []

    def look(path: Path, drawn: bool = True, **media: Any) -> Seen:
        page = chromium.new_page()
        pages.append(page)
        page.emulate_media(**{"color_scheme": "light", "media": "screen", **media})
        seen = Seen(page)
        page.on("console", lambda message: seen.said.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: seen.said.append(f"error: {error}"))
        page.on("request", lambda request: seen.asked.append(request.url))
        page.goto(path.as_uri())
        if drawn:
            page.wait_for_selector("#waterfall .main-svg .bars")
        return seen

    yield look
    for page in pages:
        page.close()


@pytest.fixture(autouse=True)
def _reader_in_utc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHAOSDRILL_TZ", "UTC")
    monkeypatch.setenv("TZ", "UTC")


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A made-up run: a failover and the way back."""
    return make_run(tmp_path)
