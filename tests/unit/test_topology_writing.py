import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from chaosdrill.discovery.findings import Candidate, Note, ToFillIn, TopologyFinding, the_one
from chaosdrill.discovery.writing import written


def test_what_was_found_is_a_value_and_what_was_not_is_a_line_to_fill_in() -> None:
    candidates = (Candidate("a", "the old one"), Candidate("on"))
    tables = {"ap-northeast-1": "Tokyo", "ap-northeast-3": ToFillIn("2 candidates", "aws dynamodb ...", candidates)}
    findings = {
        "accounts": TopologyFinding(["123456789012"], ""),
        "stop_flag": TopologyFinding({"tables": tables, "note": Note("seen twice")}, "", "The flag."),
        "domain": TopologyFinding(ToFillIn("no record", "ask somebody"), ""),
    }
    assert written("Head", findings) == (
        "# Head\n"
        "accounts:\n"
        "  - '123456789012'\n"
        "\n"
        "# The flag.\n"
        "stop_flag:\n"
        "  tables:\n"
        "    ap-northeast-1: Tokyo\n"
        "    # TODO ap-northeast-3: 2 candidates\n"
        "    # To find it: aws dynamodb ...\n"
        "    # ap-northeast-3: a  # the old one\n"
        "    # ap-northeast-3: 'on'\n"
        "  # seen twice\n"
        "# TODO domain: no record\n"
        "# To find it: ask somebody\n"
    )


def test_commands_in_comments_are_not_broken() -> None:
    command = "aws ssm start-session --target i-0123456789abcdef0 " + "--parameters portNumber=8089 " * 5
    assert f"# {command.strip()}\n" in written("Head", {"client": TopologyFinding({}, "", f"How:\n{command.strip()}")})


def test_one_candidate_is_the_value_and_none_or_several_are_not() -> None:
    assert the_one([Candidate("a")], "table", "look") == "a"
    assert the_one([], "table", "look") == ToFillIn("found no table", "look")
    several = [Candidate("a"), Candidate("b")]
    assert the_one(several, "table", "look") == ToFillIn("2 candidates for this: table", "look", tuple(several))


texts = st.text(max_size=40)


@example("\n", "", "", "'0:")  # a value that is a line break, before a label that begins with a quote
@given(texts, texts, texts, texts)
def test_whatever_an_account_holds_the_file_is_yaml_with_the_same_values(
    name: str, why: str, how: str, tag: str
) -> None:
    unknown = ToFillIn(why, how, (Candidate(name, tag), Candidate({"arn": name}, tag)))
    findings = {
        "found": TopologyFinding({"a": name, "b": unknown, "c": [{"url": name}]}, "", why),
        "not": TopologyFinding(unknown, ""),
    }
    assert yaml.safe_load(written(tag, findings)) == {"found": {"a": name, "c": [{"url": name}]}}
