"""Portable names of runs and of their files."""

import re

DEEPEST, LONGEST_NAME = 5, 200
_RUN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")


def good_run_name(name: str) -> bool:
    """Return whether a run's directory can have that name on any machine; such a name never leads out of the store."""
    return bool(_RUN.fullmatch(name)) and not name.endswith(".")


def problem_of_name(name: str) -> str:
    """Return why a file's path in a run cannot be written on every machine; empty when it can."""
    parts = name.split("/")
    if any(part in ("", ".", "..") for part in parts):
        return "its path leads elsewhere"
    if not name.isprintable() or any(sign in name for sign in '\\:*?"<>|'):
        return "its name has signs that are no part of a file's name everywhere"
    if len(parts) > DEEPEST or any(len(part.encode()) > LONGEST_NAME for part in parts):
        return "its path is too long"
    if any(part != part.rstrip(" .") for part in parts):
        return "its name ends with a dot or a blank, which is lost on some machines"
    return ""


def safe_name(name: str) -> str:
    """Return an untrusted name for a message: short, with control characters escaped."""
    text = ascii(name)
    return text if len(text) <= 120 else f"{text[:100]}…"
