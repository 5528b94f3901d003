"""A real Chromium, and whether this machine has one."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext

CHROMIUM = "/usr/bin/chromium"
LONG_MS = 90_000  # a busy machine draws slowly
# as root it needs to be told to do without its sandbox; the rest keeps it from asking the internet for anything
SWITCHES = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
MISSING = not shutil.which(CHROMIUM) and not os.environ.get("CI")  # CI installs it: there it is started, or fails
needs_chromium = pytest.mark.skipif(MISSING, reason=f"not installed: {CHROMIUM} (Debian's package chromium)")


@contextmanager
def started_chromium(*switches: str) -> Iterator["BrowserContext"]:
    """Start Chromium with a fresh profile.

    While it is open its event loop runs in this thread, where tests of others want their own: for fixtures of a module.

    :param switches: further ones of its command line.
    """
    from playwright.sync_api import sync_playwright

    size, arguments = {"width": 1280, "height": 900}, [*SWITCHES, *switches]
    with sync_playwright() as playwright, tempfile.TemporaryDirectory(prefix="chromium-") as profile:
        context = playwright.chromium.launch_persistent_context(
            profile, executable_path=CHROMIUM, headless=True, args=arguments, viewport=size
        )
        context.set_default_timeout(LONG_MS)
        context.set_default_navigation_timeout(LONG_MS)
        try:
            yield context
        finally:
            context.close()
