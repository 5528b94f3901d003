"""Who may make which request to a page of a drill."""

import os
from pathlib import Path

import pytest

from chaosdrill import page_guard
from chaosdrill.client import page_secrets
from chaosdrill.page_guard import SECRET_HEADER, SECRET_VARIABLE, PageGuard, PageRequest, take_secret

SECRET = "s" * 43
HOST = "127.0.0.1:8089"
URL = f"http://{HOST}"


@pytest.fixture
def guard() -> PageGuard:
    return PageGuard(SECRET, {"/", "/state"}.__contains__)


def request(method: str, path: str, **headers: str) -> PageRequest:
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    return PageRequest(method, path, {"host": HOST, **given})


def from_starter(method: str, path: str, **headers: str) -> PageRequest:
    known = request(method, path, **headers)
    return PageRequest(method, path, {**known.headers, SECRET_HEADER.lower(): SECRET})


def test_everybody_reads_and_the_starter_changes(guard: PageGuard) -> None:
    assert not guard.refusal(request("GET", "/"))
    assert not guard.refusal(request("HEAD", "/state"))
    assert not guard.refusal(from_starter("POST", "/swarm"))
    assert not guard.refusal(from_starter("GET", "/records"))


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/swarm"),
        ("POST", "/"),
        ("GET", "/stop"),
        ("GET", "/records"),
        ("GET", "//"),
        ("OPTIONS", "/"),
        ("", ""),
    ],
)
def test_a_stranger_does_nothing_but_read(guard: PageGuard, method: str, path: str) -> None:
    assert guard.refusal(request(method, path))
    assert guard.refusal(request(method, path, **{SECRET_HEADER.lower().replace("-", "_"): "t" * 43}))
    assert guard.refusal(request(method, path, **{SECRET_HEADER.lower().replace("-", "_"): "é"}))
    assert guard.refusal(request(method, path, cookie="chaosdrill=; x"))


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.1:1", "localhost:8089", "LOCALHOST", "[::1]:8089"])
def test_this_machines_names(guard: PageGuard, host: str) -> None:
    assert not guard.refusal(PageRequest("GET", "/", {"host": host}))


@pytest.mark.parametrize(
    "host",
    [
        "",
        "evil.example:8089",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "evil.example@127.0.0.1",
        "127.0.0.1, evil.example",
        "127.0.0.1/evil",
        "[::1",
        "0.0.0.0:8089",
        "127.0.0.1:99999999",
    ],
)
def test_another_name_that_leads_here_is_refused_even_to_the_starter(guard: PageGuard, host: str) -> None:
    assert guard.refusal(PageRequest("GET", "/", {"host": host}))
    assert guard.refusal(PageRequest("POST", "/swarm", {"host": host, SECRET_HEADER.lower(): SECRET}))
    assert guard.refusal(PageRequest("GET", "/", {}))


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "", "https://127.0.0.1:8089", "http://127.0.0.1:9999"]
)
def test_a_page_of_another_origin_neither_reads_nor_changes(guard: PageGuard, origin: str) -> None:
    assert guard.refusal(request("GET", "/", origin=origin))
    assert guard.refusal(from_starter("POST", "/swarm", origin=origin))
    assert not guard.refusal(from_starter("POST", "/swarm", origin=URL))


@pytest.mark.parametrize("site", ["cross-site", "same-site", "another-word"])
def test_what_another_site_makes_a_browser_request_is_refused_but_for_a_link(guard: PageGuard, site: str) -> None:
    assert guard.refusal(request("GET", "/", sec_fetch_site=site, sec_fetch_mode="no-cors"))
    assert guard.refusal(from_starter("GET", "/stop", sec_fetch_site=site, sec_fetch_mode="navigate"))
    assert not guard.refusal(request("GET", "/", sec_fetch_site=site, sec_fetch_mode="navigate"))
    assert not guard.refusal(request("GET", "/", sec_fetch_site="none", sec_fetch_mode="navigate"))


def test_a_key_lets_one_browser_in_once(guard: PageGuard) -> None:
    key = guard.new_key()
    assert not guard.new_cookie("")
    assert not guard.new_cookie(key[:-1])
    sets = guard.new_cookie(key)
    assert not guard.new_cookie(key), "once"
    pair, *rest = sets.split("; ")
    assert {"HttpOnly", "SameSite=Strict", "Path=/"} == set(rest)
    assert not guard.refusal(request("POST", "/swarm", cookie=f"other=1; {pair}", origin=URL))
    assert guard.refusal(request("POST", "/swarm", cookie=f"{pair}x", origin=URL))
    assert guard.refusal(request("POST", "/swarm", cookie=pair, origin="http://127.0.0.1:9999"))
    assert PageGuard(SECRET, bool).refusal(request("POST", "/swarm", cookie=pair, origin=URL)), "another page's cookie"


def test_without_a_secret_nobody_is_the_starter() -> None:
    guard = PageGuard("", {"/"}.__contains__)
    assert guard.refusal(request("POST", "/stop", **{SECRET_HEADER.lower().replace("-", "_"): ""}))
    assert guard.refusal(request("POST", "/stop"))
    assert not guard.refusal(request("GET", "/"))


def test_a_secret_is_taken_out_of_the_environment_and_known_the_second_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page_guard, "_secret", "")
    monkeypatch.setenv(SECRET_VARIABLE, SECRET)
    assert take_secret() == SECRET
    assert SECRET_VARIABLE not in os.environ
    assert take_secret() == SECRET


class TestKeptSecrets:
    @pytest.fixture(autouse=True)
    def _home(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("CHAOSDRILL_HOME", str(tmp_path / "home"))

    def test_only_this_user_reads_them(self, tmp_path: Path) -> None:
        before = os.umask(0)
        try:
            page_secrets.keep_page_secret(URL, SECRET)
        finally:
            os.umask(before)
        (file,) = (tmp_path / "home" / "pages").iterdir()
        assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o600, 0o700)
        assert page_secrets.stored_page_secret(f"{URL}/load") == SECRET
        assert not page_secrets.stored_page_secret("http://127.0.0.1:8090")
        page_secrets.keep_page_secret(URL, "t" * 43)
        assert page_secrets.stored_page_secret(URL) == "t" * 43

    @pytest.mark.parametrize("url", ["http://evil.example:8089", "http://10.0.0.1:8089", "http://127.0.0.1", "x"])
    def test_none_is_sent_to_another_machine(self, url: str) -> None:
        page_secrets.keep_page_secret(URL, SECRET)
        assert not page_secrets.stored_page_secret(url)

    def test_a_file_that_others_can_write_or_that_leads_elsewhere_is_not_used(self, tmp_path: Path) -> None:
        page_secrets.keep_page_secret(URL, SECRET)
        (file,) = (tmp_path / "home" / "pages").iterdir()
        file.chmod(0o640)
        assert not page_secrets.stored_page_secret(URL)
        file.chmod(0o600)
        file.rename(tmp_path / "elsewhere")
        file.symlink_to(tmp_path / "elsewhere")
        assert not page_secrets.stored_page_secret(URL)
        file.unlink()
        file.write_text("POST / HTTP/1.1\r\nX: y")
        file.chmod(0o600)
        assert not page_secrets.stored_page_secret(URL)
        file.unlink()
        os.mkfifo(file, 0o600)
        assert not page_secrets.stored_page_secret(URL)
