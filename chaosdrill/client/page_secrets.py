"""Secrets of the pages on this machine that another process of this user started, such as a lab's Locust.

Each is stored in a file of ``$CHAOSDRILL_HOME/pages`` that is named after the page's port and readable by this user
only.
"""

import os
import re
import stat
from pathlib import Path
from urllib.parse import urlsplit

from chaosdrill.page_guard import OWN_HOSTS
from chaosdrill.paths import ensure_directory, home

_SECRET = re.compile(r"[A-Za-z0-9_-]{20,200}")


def keep_page_secret(url: str, secret: str) -> None:
    """Store the secret of a page.

    :param url: URL of the page, on 127.0.0.1.
    """
    path = _path(url)
    assert path is not None
    ensure_directory(path.parent)
    path.unlink(missing_ok=True)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "w") as file:
        file.write(secret)


def stored_page_secret(url: str) -> str:
    """Return the stored secret of a page; empty when there is none, or other users can access its file."""
    path = _path(url)
    if path is None:
        return ""
    try:
        with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)) as file:
            seen = os.fstat(file.fileno())
            own = stat.S_ISREG(seen.st_mode) and seen.st_uid == os.geteuid() and not stat.S_IMODE(seen.st_mode) & 0o077
            text = file.read(1_000) if own else ""
    except (OSError, ValueError):
        return ""
    return text if _SECRET.fullmatch(text) else ""


def _path(url: str) -> Path | None:
    parts = urlsplit(url)
    if parts.hostname not in OWN_HOSTS or parts.port is None:
        return None
    return home() / "pages" / str(parts.port)
