"""The commands that check a system after its rescue, in one process: a second rescue, ``status`` and ``sweep``.

    python -m tests.kill.checks TOPOLOGY

Prints a JSON object: by command its exit code, the JSON that it printed, and what else it said.
"""

import json
import sys
from typing import Any

from click.testing import CliRunner

from chaosdrill.cli import cli

TRIES = 5  # of ``status``: a read may time out on a machine that has much to do
COMMANDS = (("rescue", "--yes"), ("status",), ("sweep",))


def check(command: str, topology: str, *options: str) -> dict[str, Any]:
    """Run one command of chaosdrill; again while the region state cannot be read."""
    for _ in range(TRIES):
        found = _run(command, topology, *options)
        if (found["json"].get("region") or {}).get("state") != "unknown":
            break
    return found


def _run(command: str, topology: str, *options: str) -> dict[str, Any]:
    done = CliRunner().invoke(cli, [command, topology, *options, "--json"])
    try:
        found = json.loads(done.stdout)
    except ValueError:
        found = {}
    return {"exit": done.exit_code, "json": found, "said": done.stderr + (repr(done.exception or ""))}


def main() -> None:
    """Run them, and print what they say."""
    (topology,) = sys.argv[1:]
    print(json.dumps({command: check(command, topology, *options) for command, *options in COMMANDS}))


if __name__ == "__main__":
    main()
