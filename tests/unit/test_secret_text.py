"""What looks like a secret is found by its name or its place, wherever it stands, and nothing else is hidden."""

import pytest

from chaosdrill.history import secrets_within, to_json_safe, without_secrets
from chaosdrill.secret_text import hide_secrets_in, names_a_secret


@pytest.mark.parametrize(
    "name",
    [
        *(
            "service_token",
            "Authorization",
            "proxy-authorization",
            "X-Api-Key",
            "apiKey",
            "api_key",
            "db_password",
            "pwd",
        ),
        *(
            "DB_PASSWD",
            "passphrase",
            "client_secret",
            "Cookie",
            "sig",
            "x-amz-signature",
            "X-Amz-Security-Token",
            "jwt",
        ),
        *("Ocp-Apim-Subscription-Key", "private-key"),
    ],
)
def test_a_name_of_a_secret(name):
    assert names_a_secret(name)
    assert to_json_safe({name: "canary"}) == {name: "***"}


@pytest.mark.parametrize("name", ["signal", "keyboard", "author", "cwd", "key", "signed_off", "design"])
def test_a_name_of_no_secret(name):
    assert not names_a_secret(name)


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("GET /blob?sv=2&sig=CANARY&se=1", "GET /blob?sv=2&sig=***&se=1"),
        ("https://h/a?X-Amz-Signature=CANARY", "https://h/a?X-Amz-Signature=***"),
        ("https://h/#access_token=CANARY", "https://h/#access_token=***"),
        ("/a?q=1&amp;token=CANARY", "/a?q=1&amp;token=***"),
        (r'{"name": "/a?q=1\u0026api_key=CANARY"}', r'{"name": "/a?q=1\u0026api_key=***"}'),
        ("redirect=%2Fa%3Ftoken%3DCANARY%26b", "redirect=%2Fa%3Ftoken%3D***%26b"),
        ("/maps?key=CANARY-CANARY-CANARY", "/maps?key=***"),
        ("amqp://drill:CANARY@host/x", "amqp://drill:***@host/x"),
        ("-H 'Authorization: Bearer CANARY' -v", "-H 'Authorization: Bearer ***' -v"),
        (r"Error(\u0027Authorization: Bearer CANARY\u0027)", r"Error(\u0027Authorization: Bearer ***\u0027)"),
        ("{'X-Api-Key': 'CANARY'}", "{'X-Api-Key': '***'}"),
        ("    Authorization: CANARY\n    b: c", "    Authorization: ***\n    b: c"),
    ],
)
def test_what_a_text_itself_shows_to_be_a_secret_is_hidden_and_known_from_then_on(text, hidden):
    assert hide_secrets_in(text) == without_secrets(text) == to_json_safe(text) == hidden
    assert hide_secrets_in(hidden) == hidden
    assert any("CANARY" in one for one in secrets_within([{"deep": text}]))


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("https://ghp_CANARYCANARYCANARY@github.com/o/r.git", "https://***@github.com/o/r.git"),
        ("http://user:p@CANARY@proxy:3128", "http://user:***@proxy:3128"),
        ("psql --password CANARY -l", "psql --password *** -l"),
        ("run --api-key=CANARY", "run --api-key=***"),
        ("PGPASSWORD=CANARY psql", "PGPASSWORD=*** psql"),
        ("export AWS_SECRET_ACCESS_KEY='CANARY'", "export AWS_SECRET_ACCESS_KEY='***'"),
        ('{"a": 1, "password": "CANARY"}', '{"a": 1, "password": "***"}'),
        (r'"{\"token\":\"CANARY\"}"', r'"{\"token\":\"***\"}"'),
    ],
)
def test_what_commands_and_answers_in_a_text_show_to_be_a_secret_is_hidden(text, hidden):
    assert hide_secrets_in(text) == without_secrets(text) == to_json_safe(text) == hidden
    assert hide_secrets_in(hidden) == hidden
    assert any("CANARY" in one for one in secrets_within([{"deep": text}]))


@pytest.mark.parametrize(
    "text",
    [
        "/transaction?account=17&quantity=1",
        "run --token ${token} --token -x",
        "TOKEN=$(cat token) tokens=12",
        '{"secret": "api_token", "token_url": "http://host/token"}',
        "token: see the documentation",
        "http://127.0.0.1:8089/ a@b.example",
        "/item?key=17",
        "/a?token=${token}",
        "Authorization: ${token}",
        "Authorization: Bearer ${token}",
        "2026-11-30T12:00:00Z author: suzuki",
        "arn:aws:iam::123456789012:role/drill",
        "mail me: a@example.com",
    ],
)
def test_what_is_no_secret_stays(text):
    assert hide_secrets_in(text) == text


def test_secrets_are_known_by_their_names_however_deep(monkeypatch):
    monkeypatch.setenv("ELSEWHERE", "canary-env")
    experiment = {
        "configuration": {
            "service_token": "canary-1",
            "other_token": {"type": "env", "key": "ELSEWHERE", "default": "canary-2"},
            "token_url": "http://host/token",
            "token_ttl_s": 3600,
        },
        "method": [
            {"provider": {"headers": {"Authorization": "Bearer canary-3", "X-Api-Key": "canary-4"}}},
            {"provider": {"secrets": ["bank"]}, "secrets": ["bank"]},
            {"provider": {"url": "http://host/?sig=canary%2B5", "headers": {"Authorization": "${service_token}"}}},
        ],
    }
    assert secrets_within(experiment) == {
        "canary-1", "canary-2", "canary-env", "Bearer canary-3", "canary-3", "canary-4", "canary%2B5", "canary+5",
    }  # fmt: skip
