"""AWS sessions and clients, and the AWS calls that several parts share."""

from chaosdrill.aws.system import System, system_of

__all__ = ["System", "system_of"]
