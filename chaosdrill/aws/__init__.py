"""Sessions, clients and the few AWS calls that several parts share."""

from chaosdrill.aws.sessions import client
from chaosdrill.aws.system import System, system_of

__all__ = ["System", "client", "system_of"]
