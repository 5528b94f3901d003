"""What a heartbeat is told is checked as a whole."""

import json

import pytest

from chaosdrill.heartbeat.__main__ import main
from chaosdrill.heartbeat.config import BadConfig, config_of, read_config

ACCOUNT = {"X_ACCOUNT_ID": "{account}"}


def settings(place, **others):
    return {
        "run": "r",
        "url": "http://api.example.com",
        "directory": str(place),
        "read": {"method": "GET", "path": "/balance", "headers": ACCOUNT, "status": [200]},
        "write": {
            "method": "POST",
            "path": "/transaction/deposit",
            "headers": ACCOUNT,
            "body": {"quantity": "{quantity}"},
            "status": [200],
            "id": "transactionId",
        },
        "settled": {
            "method": "GET",
            "path": "/transaction/{id}",
            "headers": ACCOUNT,
            "status": [200],
            "field": "status",
            "settled": ["status#success"],
            "rolled_back": ["status#success_rollback"],
            "pending": ["status#pending"],
            "missing_status": [404],
        },
        "balance": {"method": "GET", "path": "/balance", "headers": ACCOUNT, "status": [200], "field": "balance"},
        "accounts": ["a1", "a2"],
        **others,
    }


def test_what_the_topology_says_is_understood(tmp_path):
    config = config_of(settings(tmp_path, nameserver="10.0.0.2:53", page_fd=None, lifeline_fd=None, max_s=60))
    assert [operation.name for operation in config.operations] == ["read", "write"]
    assert (config.nameserver, config.rate_per_s, config.deadline_s, config.timeout_s) == (("10.0.0.2", 53), 20, 1, 5)
    assert config.settled.missing_status == {404}
    assert config.write_id == "transactionId"


def test_without_accounts_it_only_reads(tmp_path):
    raw = settings(tmp_path, read={"method": "GET", "path": "/health"})
    for name in ("write", "settled", "balance", "accounts"):
        raw[name] = None
    config = config_of(raw)
    assert (config.write, config.settled, config.balance, config.accounts) == (None, None, None, ())


def test_all_that_is_wrong_is_told_at_once_each_with_its_fix(tmp_path):
    raw = settings(
        tmp_path,
        run="",
        url="ftp://x",
        nameserver="dns.example.com",
        deadline_s="1",
        timeout_s=0,
        rate_per_s=True,
        page_fd=987654,
        max_s=-1,
        accounts=["a", "a"],
        spare=1,
    )
    raw["read"] |= {"method": "get", "path": "balance", "headers": {"a b": "c"}, "body": {}}
    raw["write"] |= {"status": ["200"], "body": [1]}
    raw["settled"] |= {"settled": [], "path": "/{di}"}
    del raw["balance"]["field"]
    with pytest.raises(BadConfig) as caught:
        config_of(raw)
    named = {problem.split(":")[0] for problem in caught.value.problems}
    assert named >= {
        "run",
        "url",
        "nameserver",
        "deadline_s",
        "timeout_s",
        "rate_per_s",
        "page_fd",
        "max_s",
        "accounts",
    }
    assert named >= {"spare", "read.method", "read.path", "read.headers", "read.body", "write.status", "write.body"}
    assert named >= {"settled.settled", "settled", "balance.field"}
    assert all(problem.count(": ") >= 2 for problem in caught.value.problems), "each says what, why and the fix"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"accounts": []}, "accounts: are missing"),
        ({"timeout_s": 0.5}, "timeout_s: 0.5 is shorter than deadline_s (1)"),
        ({"directory": "/nowhere"}, "directory: /nowhere cannot be written to"),
        ({"read": None}, "read: is missing"),
        ({"read": []}, "read: is []"),
        ({"url": "http://x/?a=b"}, "more than a host, a port and a path"),
        ({"url": "http://x:99999"}, "url: is 'http://x:99999'"),
        ({"url": None}, "url: is missing"),
    ],
)
def test_what_cannot_be_meant_is_told(tmp_path, change, said):
    with pytest.raises(BadConfig, match=r"\w") as caught:
        config_of(settings(tmp_path, **change))
    assert said in str(caught.value)


def test_a_directory_that_has_records_is_not_used_again(tmp_path):
    (tmp_path / "beats.jsonl").touch()
    with pytest.raises(BadConfig, match=r"has a beats\.jsonl already"):
        config_of(settings(tmp_path))


@pytest.mark.parametrize("text", ["", "{", "[]", "\xff"])
def test_a_file_without_settings_is_told(tmp_path, text):
    path = tmp_path / "config.json"
    path.write_text(text, encoding="latin-1")
    with pytest.raises(BadConfig):
        read_config(path)


def test_the_process_says_what_is_wrong_and_ends_with_2(tmp_path, capsys):
    path = tmp_path / "config.json"
    path.write_text(json.dumps(settings(tmp_path, url="x", rate_per_s=0)))
    assert main([str(path)]) == 2
    said = capsys.readouterr().err.splitlines()
    assert [line.split(":")[0] for line in said] == ["url", "rate_per_s"]
    assert main([]) == 2
