"""One row of what ``chaosdrill topology check`` shows."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Seen:
    """Something of the topology that was read.

    :param part: the topology's key.
    :param what: what of it.
    :param value: what was seen; empty when nothing could be.
    :param trouble: why it could not be read, or does not fit; empty when it is well.
    :param advice: what to do about it.
    """

    part: str
    what: str
    value: str
    trouble: str = ""
    advice: str = ""

    @property
    def ok(self) -> bool:
        """Whether it could be read, and fits."""
        return not self.trouble
