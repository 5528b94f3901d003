"""A Locust whose page has a login: ``--web-login``. Credentials are secrets, and stay where they were given."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chaosdrill.client import locust_page
from chaosdrill.client.load_generator import LoadGenerator
from chaosdrill.load.actions import start_load, stop_load
from chaosdrill.load.probes import failures, load_health
from tests.contract import load_rig
from tests.contract.activities_rig import drill
from tests.failing import fails_with
from tests.waiting import wait_for

pytestmark = pytest.mark.long

PASSWORD = "correct-horse-battery"
SECRETS = {"locust_user": "driller", "locust_password": PASSWORD}

LOGIN = (
    load_rig.TWO_CALLS
    + f"""
from flask import Blueprint, redirect, request, session, url_for
from flask_login import UserMixin, login_user
from locust import events

class Person(UserMixin):
    id = "driller"

@events.init.add_listener
def on_init(environment, **_):
    web_ui = environment.web_ui
    if web_ui is None:
        return
    web_ui.login_manager.user_loader(lambda name: Person())
    web_ui.app.config["SECRET_KEY"] = "a-key"
    web_ui.auth_args = {{"username_password_callback": FORM}}
    pages = Blueprint("auth", "auth")

    @pages.route("/enter", methods=["POST"])
    def enter():
        if (request.form["username"], request.form["password"]) == ("driller", "{PASSWORD}"):
            login_user(Person())
            return redirect(url_for("locust.index"))
        session["auth_error"] = "no such user"
        return redirect(url_for("locust.login"))

    web_ui.app.register_blueprint(pages)
"""
)


def script(directory: Path, form: str = "/enter") -> Path:
    return load_rig.script(directory, LOGIN.replace("FORM", repr(form)))


@pytest.fixture(scope="module")
def target() -> Iterator[load_rig.Target]:
    with load_rig.target() as server:
        yield server


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with load_rig.guarded_locust(tmp_path_factory.mktemp("locust"), script) as running:
        yield running


@pytest.fixture
def configuration(url: str, tmp_path: Path) -> dict[str, str]:
    locust_page.forget_logins()
    return {"topology": str(load_rig.write_topology(tmp_path / "topology.yaml", url))}


def test_the_load_is_driven_behind_the_login_and_the_password_is_nowhere(
    configuration: dict[str, str], target: load_rig.Target, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    given: dict[str, Any] = {"configuration": configuration, "secrets": SECRETS}
    with drill(tmp_path):
        start_load(2, 50, target.url, within_s=60, **given)
        assert failures(1, 1, **given) == 0
        assert load_health(configuration=configuration)["healthy"], "who asks later for the same page is logged in"
        stopped = stop_load(**given)
    assert stopped["report"]
    assert PASSWORD not in caplog.text + str(stopped)
    left = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    assert len(left) >= 4
    assert not any(PASSWORD.encode() in text for text in left)


def test_secrets_of_a_section_and_the_environment_are_taken(
    configuration: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    sections = {"aws": {"aws_access_key_id": "x"}, "locust": SECRETS}
    assert load_health(configuration=configuration, secrets=sections)["state"] in ("ready", "stopped")
    locust_page.forget_logins()
    monkeypatch.setenv(locust_page.USER, "driller")
    monkeypatch.setenv(locust_page.PASSWORD, PASSWORD)
    assert load_health(configuration=configuration)["state"] in ("ready", "stopped")


def test_without_credentials_it_says_where_to_give_them(configuration: dict[str, str]) -> None:
    with fails_with("locust-login-required"):
        load_health(configuration=configuration)


def test_a_wrong_password_is_told_and_not_repeated(configuration: dict[str, str]) -> None:
    wrong = {"locust_user": "driller", "locust_password": "wrong-horse"}
    with fails_with("locust-login-refused") as refused:
        load_health(configuration=configuration, secrets=wrong)
    assert "wrong-horse" not in str(refused.value)


def test_a_session_that_ended_is_begun_anew(url: str, configuration: dict[str, str]) -> None:
    generator = LoadGenerator(url, locust_page.credentials_of(SECRETS))
    assert generator.state().state in ("ready", "stopped")
    generator._page._login.cookies.clear()
    assert wait_for(generator.state, lambda load: load.now_s > 0, "an answer").workers == 1


def test_a_page_below_a_base_path_is_driven_by_its_whole_address(target: load_rig.Target, tmp_path: Path) -> None:
    with load_rig.guarded_locust(tmp_path, script, "/load/test") as url, drill(tmp_path):
        topology = {"topology": str(load_rig.write_topology(tmp_path / "topology.yaml", f"{url}/"))}
        given: dict[str, Any] = {"configuration": topology, "secrets": SECRETS}
        assert start_load(2, 50, target.url, within_s=20, **given)["url"] == url
        assert failures(1, 1, **given) == 0
        stopped = stop_load(**given)
        assert (stopped["state"], Path(stopped["report"]).exists()) == ("stopped", True)
        assert Path(stopped["statistics"]).exists()
        root = url.removesuffix("/load/test")
        for address in (root, f"{root}/load"):
            with fails_with("locust-plugin-missing"):
                load_health(configuration={"load_generator_url": address}, secrets=SECRETS)


def test_no_password_is_sent_to_another_server(target: load_rig.Target, tmp_path: Path) -> None:
    def leading_away(directory: Path) -> Path:
        return script(directory, f"{target.url}/enter")

    before = target.answered
    with load_rig.guarded_locust(tmp_path, leading_away) as url:
        configuration = {"topology": str(load_rig.write_topology(tmp_path / "topology.yaml", url))}
        with fails_with("locust-login-unsupported"):
            load_health(configuration=configuration, secrets=SECRETS)
    assert target.answered == before
