"""The one message catalogue: by key the text in English and in Japanese, side by side."""

from collections.abc import Mapping

from chaosdrill.report.messages import comparison, findings, methods, names, page

MESSAGES: Mapping[str, tuple[str, str]] = {
    **page.MESSAGES,
    **names.MESSAGES,
    **findings.MESSAGES,
    **methods.MESSAGES,
    **comparison.MESSAGES,
}
