"""The message catalogue: the text of each key in English and in Japanese."""

from collections.abc import Mapping

from chaosdrill.report.messages import comparison, findings, history, methods, names, page, terminal
from chaosdrill.report.messages.sentences import SENTENCES

__all__ = ["MESSAGES", "SENTENCES"]

MESSAGES: Mapping[str, tuple[str, str]] = {
    **page.MESSAGES,
    **names.MESSAGES,
    **findings.MESSAGES,
    **methods.MESSAGES,
    **comparison.MESSAGES,
    **terminal.MESSAGES,
    **history.MESSAGES,
}
