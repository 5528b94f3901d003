"""What every test may rely on, whoever runs it and from where."""

import signal

import pytest

# Whoever runs the tests in the background, or under nohup, ignores these; so would what the tests start.
for number in (signal.SIGINT, signal.SIGHUP):
    if signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)


@pytest.fixture
def no_proxy_of_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    """For tests of calls that leave the lab's reach: the user's own proxies are not part of them."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
