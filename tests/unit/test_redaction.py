"""What a bundle of recorded answers tells no more."""

import pytest

from chaosdrill.rehearsal.redaction import Redaction


def test_what_belonged_together_still_does() -> None:
    redaction = Redaction("pay.bank.co.jp")
    raw = {
        "arn": "arn:aws:rds:ap-northeast-1:987654321098:cluster:core",
        "again": ["987654321098", "111122223333"],
        "host": "i-0a1b2c3d4e5f60718",
        "vpc": "vpc-0a1b2c3d4e5f60718",
        "url": "https://pay.bank.co.jp/ and db.bank.co.jp",
        "id": "0f8fad5b-d9cb-469f-a165-70867728950e",
    }
    assert redaction.value(raw) == {
        "arn": "arn:aws:rds:ap-northeast-1:000000000001:cluster:core",
        "again": ["000000000001", "000000000002"],
        "host": "i-00000000000000001",
        "vpc": "vpc-00000000000000002",
        "url": "https://api.example.com/ and db.example.com",
        "id": "00000000-0000-4000-8000-ffff00000001",
    }
    assert redaction.text("987654321098") == "000000000001", "later, too"


def test_private_addresses_stay_and_public_ones_become_those_of_documentation() -> None:
    redaction = Redaction("api.example.com")
    assert redaction.text("10.100.5.165,8.8.8.8,10.100.0.0/16,8.8.4.4,8.8.8.8") == (
        "10.100.5.165,203.0.113.1,10.100.0.0/16,203.0.113.2,203.0.113.1"
    )
    assert redaction.text("version 18.3.1") == "version 18.3.1"


def test_tags_but_the_name_and_whatever_is_called_secret_are_hidden() -> None:
    redaction = Redaction("api.example.com")
    tags = [{"Key": "Name", "Value": "bastion"}, {"Key": "Owner", "Value": "Taro Yamada"}]
    assert redaction.value({"Tags": tags, "nextToken": "abcdef"}) == {
        "Tags": [{"Key": "Name", "Value": "bastion"}, {"Key": "Owner", "Value": "redacted"}],
        "nextToken": "***",
    }


SSO = "AWSReservedSSO_Admin_0123456789abcdef"


@pytest.mark.parametrize(
    ("told", "hidden"),
    [
        (
            f"arn:aws:sts::987654321098:assumed-role/{SSO}/taro.yamada@bank.example",
            "arn:aws:sts::000000000001:assumed-role/role-1/session-1",
        ),
        ("AROAEXAMPLE1234567890:taro.yamada", "AROA00000000000000001:session-1"),
        ("arn:aws:iam::987654321098:user/staff/taro.yamada", "arn:aws:iam::000000000001:user/user-1"),
        ("AIDAEXAMPLE1234567890", "AIDA00000000000000001"),
        (
            "%7B%22SourceAccount%22%3A%20%22987654321098%22%7D",
            "%7B%22SourceAccount%22%3A%20%22000000000001%22%7D",
        ),
        ("ask hanako@bank.example", "ask person-1@example.com"),
        (
            f"controlpanel/{'8326b0140b344d52' * 2}/routingcontrol/936bab91de8e4f67",
            f"controlpanel/{1:032x}/routingcontrol/{2:016x}",
        ),
        ("loadbalancer/app/tokyo-app/ebd674babad309d3", "loadbalancer/app/tokyo-app/0000000000000001"),
        (
            "https://abcd1234.route53-recovery-cluster.us-west-2.amazonaws.com/v1",
            "https://00000001.route53-recovery-cluster.us-west-2.amazonaws.com/v1",
        ),
        (
            "core.cluster-c0ffee123abc.ap-northeast-1.rds.amazonaws.com",
            "core.cluster-000000000001.ap-northeast-1.rds.amazonaws.com",
        ),
        (
            "core-1.c0ffee123abc.ap-northeast-1.rds.amazonaws.com",
            "core-1.000000000001.ap-northeast-1.rds.amazonaws.com",
        ),
        (
            "internal-tokyo-app-1234567890.ap-northeast-1.elb.amazonaws.com",
            "internal-tokyo-app-0000000001.ap-northeast-1.elb.amazonaws.com",
        ),
        ("EXTAbCd1234EfGh567", "EXT000000000000001"),
        ("/hostedzone/Z0123456789ABCDEFGHIJ", "/hostedzone/Z00000000000000000001"),
        ("2400:cb00:2048:1::c629:d7a2, fd00::1", "2001:db8::1, fd00::1"),
        ("PAY.Bank.co.JP and DB.BANK.CO.JP", "api.example.com and DB.example.com"),
    ],
)
def test_what_tells_whose_it_is_is_gone(told: str, hidden: str) -> None:
    assert Redaction("pay.bank.co.jp").text(told) == hidden


@pytest.mark.parametrize(
    "kept",
    [
        "EXPERIMENTAL",
        "12:34:56",
        "2026-11-25T19:00:00Z",
        "arn:aws:ssm:ap-northeast-1::document/X",
        "arn:aws:iam::000000000001:user/*",
    ],
)
def test_what_only_looks_like_it_stays(kept: str) -> None:
    assert Redaction("api.example.com").text(kept) == kept


def test_a_session_has_one_name_wherever_it_stands() -> None:
    arn, user = "arn:aws:sts::1:assumed-role/driller/taro", "AROAEXAMPLE1234567890:taro"
    redaction = Redaction("api.example.com")
    assert redaction.text(arn).endswith("/session-1")
    assert redaction.text(user).endswith(":session-1")
    assert redaction.text("i-0a1b2c3d4e5f60718") == "i-00000000000000001", "not renamed twice"


def test_tags_that_are_a_mapping_are_hidden_too() -> None:
    raw = {
        "tags": {"Name": "exp", "Owner": "Taro", "chaosdrill-run": "rehearsal"},
        "resourceTags": {"Team": "A"},
        "pairs": [{"key": "o", "value": "T"}],
    }
    assert Redaction("api.example.com").value(raw) == {
        "tags": {"Name": "exp", "Owner": "redacted", "chaosdrill-run": "rehearsal"},
        "resourceTags": {"Team": "redacted"},
        "pairs": [{"key": "o", "value": "redacted"}],
    }
