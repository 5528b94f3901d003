"""Entry point of ``python -m chaosdrill.cli``."""

from chaosdrill.cli import main

main()
