import json
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from chaosdrill.history import History, read_history
from chaosdrill.history.seal import NO_SEAL, broken_seals, sealed

LINES = 5


def history(directory: Path) -> list[bytes]:
    made = History(directory / "history.jsonl")
    for number in range(LINES):
        made.append("x", number=number, text='a "quoted" ü \udce4', nested={"seal": "1:0"})
    made.close()
    return made.path.read_bytes().splitlines()


def test_a_history_is_whole_also_when_it_was_gone_on_with(tmp_path: Path) -> None:
    lines = history(tmp_path)
    assert list(broken_seals(lines)) == []
    more = History(tmp_path / "history.jsonl")
    more.append("y")
    more.close()
    lines = more.path.read_bytes().splitlines()
    assert (len(lines), list(broken_seals(lines))) == (LINES + 1, [])
    assert all(json.loads(line)["seal"].startswith("1:") for line in lines)
    assert [row["event"] for row in read_history(more.path)] == ["x"] * LINES + ["y"]


def sealed_lines() -> list[bytes]:
    before, lines = "", []
    for number in range(LINES):
        line, before = sealed(json.dumps({"event": "x", "number": number, "text": "y" * 40}).encode(), before)
        lines.append(line)
    return lines


@given(
    first=st.integers(0, LINES - 1),
    second=st.integers(0, LINES - 1),
    place=st.integers(0, 60),
    how=st.integers(0, 3),
)
def test_a_line_that_is_changed_lost_doubled_or_moved_shows(first, second, place, how):
    lines = sealed_lines()
    changed = list(lines)
    if how == 0:
        changed[first] = lines[first][:place] + b"7" + lines[first][place + 1 :]
    elif how == 1:
        del changed[first]
    elif how == 2:
        changed.insert(second, lines[first])
    else:
        changed[first], changed[second] = changed[second], changed[first]
    end_is_missing = changed == lines[: len(changed)]  # what lacks only its last lines is told by the missing end
    assert bool(list(broken_seals(changed))) == (not end_is_missing)


def test_what_has_no_seal_or_one_of_the_future_is_told(tmp_path: Path) -> None:
    lines = history(tmp_path)
    newer = [line.replace(b'"seal": "1:', b'"seal": "2:') for line in lines]
    broken = dict(broken_seals([b'{"event": "x"}', *newer[:1]]))
    assert list(broken) == [1, 2]
    assert broken[1] == NO_SEAL
    assert {name: int(value) for name, value in broken[2].values.items()} == {"theirs": 2, "known": 1}
