"""One row of the output of ``chaosdrill topology check``."""

from dataclasses import dataclass


@dataclass(frozen=True)
class ReadPart:
    """A value of the topology that was checked.

    :param part: the topology's key.
    :param what: name of the value.
    :param value: the observed value; empty when it could not be read.
    :param trouble: why it could not be read, or does not match; empty when it is correct.
    :param advice: what to do about it.
    :param code: of ``error_codes``; empty when it is well.
    """

    part: str
    what: str
    value: str
    trouble: str = ""
    advice: str = ""
    code: str = ""

    @property
    def ok(self) -> bool:
        """Whether it could be read and matches."""
        return not self.trouble
