"""HTTP as the heartbeat speaks it: requests with their gaps filled, answers however they are cut."""

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaosdrill.heartbeat.http_answer import MOST_KEPT, AnswerParser, BadAnswer
from chaosdrill.heartbeat.operation import Operation
from chaosdrill.heartbeat.target import target_of

LENGTH = b"HTTP/1.1 200 OK\r\nX-Region: osaka\r\nContent-Length: 5\r\n\r\nhello"
CHUNKED = (
    b"HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\nx-region: osaka\r\n\r\n"
    b"2;note=1\r\nhe\r\n3\r\nllo\r\n0\r\nTrailer: t\r\n\r\n"
)
INTERIM = b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + LENGTH


def parsed(pieces: list[bytes], to_head: bool = False) -> AnswerParser:
    parser = AnswerParser(to_head)
    for piece in pieces:
        parser.feed(piece)
    return parser


@pytest.mark.parametrize("answer", [LENGTH, CHUNKED, INTERIM])
@given(data=st.data())
def test_an_answer_is_the_same_however_it_is_cut(answer, data):
    cuts = sorted(data.draw(st.lists(st.integers(0, len(answer)), max_size=12)))
    pieces = [answer[a:b] for a, b in zip([0, *cuts], [*cuts, len(answer)], strict=True)]
    parser = parsed(pieces)
    assert parser.complete
    assert (parser.body, parser.headers["x-region"]) == (b"hello", "osaka")


@pytest.mark.parametrize("answer", [LENGTH, CHUNKED])
def test_half_an_answer_is_none(answer):
    for end in range(len(answer)):
        parser = parsed([answer[:end]])
        assert not parser.complete
        assert not parser.end(), answer[:end]
        assert parser.begun == (end > 0)


def test_without_a_length_the_answer_ends_with_the_connection():
    parser = parsed([b"HTTP/1.0 200 OK\r\n\r\n", b"hel", b"lo"])
    assert not parser.complete
    assert parser.end()
    assert parser.body == b"hello"


@pytest.mark.parametrize(
    ("answer", "to_head"),
    [
        (b"HTTP/1.1 204 No Content\r\n\r\n", False),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", False),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 17\r\n\r\n", True),
    ],
)
def test_an_answer_may_have_no_body(answer, to_head):
    assert parsed([answer], to_head).complete


@pytest.mark.parametrize(
    "answer",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
        b"HTTP/1.1 2OO OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nno size\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\n",
        b"x" * 70_000,
    ],
)
def test_what_is_no_http_is_named_so(answer):
    with pytest.raises(BadAnswer):
        parsed([answer])


@given(st.binary(max_size=200))
def test_nothing_that_arrives_breaks_the_parser(rubbish):
    for prefix in (b"", b"HTTP/1.1 200 OK\r\n", CHUNKED[:100]):
        with contextlib.suppress(BadAnswer):
            parsed([prefix, rubbish]).end()


def test_a_long_body_is_counted_and_not_kept():
    parser = parsed([b"HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n", b"x" * 150_000])
    assert not parser.complete
    assert parser.feed(b"x" * 50_000)
    assert len(parser.body) == MOST_KEPT


def test_a_request_has_its_gaps_filled():
    operation = Operation(
        "write",
        "POST",
        "/transaction/{id}/deposit",
        {"X_ACCOUNT_ID": "{account}"},
        frozenset({200}),
        {"quantity": "{quantity}", "note": "{quantity} for {account}", "deep": [{"n": "{quantity}"}], "as": "{it is}"},
    )
    request = operation.request(target_of("http://api.example.com:8080/v1/"), "a b", "x/y", 64).decode()
    head, _, body = request.partition("\r\n\r\n")
    first, *headers = head.split("\r\n")
    assert first == "POST /v1/transaction/x%2Fy/deposit HTTP/1.1"
    assert {"Host: api.example.com:8080", "X_ACCOUNT_ID: a b", "Connection: close"} < {*headers}
    assert f"Content-Length: {len(body)}" in headers
    assert json.loads(body) == {"quantity": 64, "note": "64 for a b", "deep": [{"n": 64}], "as": "{it is}"}
    assert operation.words == {"id", "account", "quantity", "it is"}


def test_a_read_has_no_body_and_its_own_headers_win():
    operation = Operation("read", "GET", "/health", {"user-agent": "me"}, frozenset({200}))
    request = operation.request(target_of("https://api.example.com")).decode()
    assert request == ("GET /health HTTP/1.1\r\nHost: api.example.com\r\nConnection: close\r\nuser-agent: me\r\n\r\n")
