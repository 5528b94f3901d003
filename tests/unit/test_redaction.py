"""What a bundle of recorded answers tells no more."""

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
