"""DNS messages as the heartbeat reads them, against a library that writes them."""

import contextlib

import pytest
from dnslib import QTYPE, RCODE, RR, DNSRecord
from hypothesis import given
from hypothesis import strategies as st

from chaosdrill.heartbeat.dns_message import BadMessage, answer, question
from chaosdrill.heartbeat.resolver import system_nameservers

NAME = "api.example.com"


def reply(asked: bytes, *lines: str, rcode: str = "NOERROR", truncated: bool = False) -> bytes:
    made = DNSRecord.parse(asked).reply()
    for line in lines:
        made.add_answer(*RR.fromZone(line))
    made.header.rcode = getattr(RCODE, rcode)
    made.header.tc = int(truncated)
    return made.pack()


def test_the_question_is_one_for_addresses():
    asked = DNSRecord.parse(question("API.example.com.", 4711))
    assert (asked.header.id, str(asked.q.qname), QTYPE[asked.q.qtype]) == (4711, "API.example.com.", "A")
    assert asked.header.rd == 1


def test_addresses_come_in_their_order_with_the_shortest_ttl():
    asked = question(NAME, 1)
    said = answer(reply(asked, f"{NAME}. 60 A 10.100.5.165", f"{NAME}. 30 A 10.100.9.84"), asked)
    assert (said.addresses, said.ttl_s, said.trouble) == (("10.100.5.165", "10.100.9.84"), 30, "")


def test_an_alias_is_followed_and_its_ttl_counts():
    asked = question(NAME, 1)
    said = answer(reply(asked, f"{NAME}. 5 CNAME lb.example.net.", "lb.example.net. 60 A 10.0.0.1"), asked)
    assert (said.addresses, said.ttl_s) == (("10.0.0.1",), 5)


@pytest.mark.parametrize(
    ("rcode", "lines", "trouble"),
    [
        ("NXDOMAIN", (), "nxdomain"),
        ("SERVFAIL", (), "servfail"),
        ("NOERROR", (), "no-address"),
        ("NOERROR", (f"{NAME}. 60 AAAA ::1",), "no-address"),
    ],
)
def test_no_address_has_a_reason(rcode, lines, trouble):
    asked = question(NAME, 1)
    assert answer(reply(asked, *lines, rcode=rcode), asked).trouble == trouble


def test_what_does_not_fit_says_so():
    asked = question(NAME, 1)
    assert answer(reply(asked, truncated=True), asked).truncated


@pytest.mark.parametrize("other", [question(NAME, 2), question("other.example.com", 1)])
def test_an_answer_to_another_question_is_not_taken(other):
    with pytest.raises(BadMessage):
        answer(reply(other, f"{NAME}. 60 A 10.0.0.1"), question(NAME, 1))


def test_a_question_is_no_answer():
    with pytest.raises(BadMessage):
        answer(question(NAME, 1), question(NAME, 1))


@given(st.data())
def test_no_message_breaks_the_reader(data):
    asked = question(NAME, 1)
    whole = reply(asked, f"{NAME}. 5 CNAME lb.example.net.", "lb.example.net. 60 A 10.0.0.1")
    changed = bytearray(whole[: data.draw(st.integers(0, len(whole)))])
    for place in data.draw(st.lists(st.integers(0, max(0, len(changed) - 1)), max_size=5)) if changed else []:
        changed[place] = data.draw(st.integers(0, 255))
    with contextlib.suppress(BadMessage):
        answer(bytes(changed), asked)


@pytest.mark.parametrize("name", ["", "a..b", "x" * 64, ".".join(["x" * 60] * 5)])
def test_what_is_no_name_is_not_asked_for(name):
    with pytest.raises(BadMessage):
        question(name, 1)


def test_the_hosts_name_servers_are_read(tmp_path):
    path = tmp_path / "resolv.conf"
    path.write_text("# made by hand\nsearch example.com\nnameserver 10.0.0.2\nnameserver  fe80::1\noptions ndots:2\n")
    assert system_nameservers(path) == [("10.0.0.2", 53), ("fe80::1", 53)]
    assert system_nameservers(tmp_path / "none") == [("127.0.0.1", 53)]
