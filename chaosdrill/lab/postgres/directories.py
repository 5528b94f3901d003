"""Removal of a data directory without blocking the event loop."""

from pathlib import Path

from chaosdrill.lab.postgres.binaries import run


async def removed(directory: Path) -> None:
    """Remove a directory and its contents, if it exists."""
    if directory.exists():
        await run("rm", "-rf", directory)
