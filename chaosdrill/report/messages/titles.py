"""Japanese titles of chaosdrill's own experiments. A user's own title is shown unchanged."""

import re
from collections.abc import Mapping

# English, with the experiment's variables in braces: Japanese
TITLES: Mapping[str, str] = {
    "Clients survive a failover from {home_region} to {standby_region}": (
        "{home_region} から {standby_region} への切替時のサービス継続"
    ),
    "Clients survive the failback from {standby_region} to {home_region}": (
        "{standby_region} から {home_region} への切戻し時のサービス継続"
    ),
    "The system fails over from {home_region} to {standby_region} by itself": (
        "{home_region} から {standby_region} への自動切替"
    ),
    "Clients get over packet loss without a failover": "パケット損失時のサービス継続 (切替なし)",
    "{standby_region} takes over when {home_region} is lost": "{home_region} 喪失時の {standby_region} による引継ぎ",
}
_VARIABLE = re.compile(r"\\\{(\w+)\\\}")


def japanese_title(title: str) -> str:
    """Translate a title of one of chaosdrill's own experiments; any other is returned unchanged."""
    for english, japanese in TITLES.items():
        pattern = _VARIABLE.sub(r"(?P<\1>[\\w$.{}-]+)", re.escape(english))
        if found := re.fullmatch(pattern, title):
            return japanese.format(**found.groupdict())
    return title
