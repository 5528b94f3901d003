"""What `benchmarks/house.py` counts."""

import pytest

from benchmarks import house


def counted(**files: str) -> house.Figures:
    return house.figures(house.sources((name.replace("__", "/") + ".py", text) for name, text in files.items()))


@pytest.mark.parametrize(
    ("body", "pins"),
    [
        ('assert "is not there" in str(error)', True),
        ('assert "table-1" in str(error)', False),
        ('assert "chaosdrill lab up" in text', False),
        ('assert any("is not there" in line for line in lines)', True),
        ('assert text == "four words or more"', True),
        ('assert text == "three words only"', False),
        ('assert found == [("four words or more", 1)]', True),
        ('assert value("four words or more") == 4', False),
        ('assert text.startswith("is not")', True),
        ('with pytest.raises(ValueError, match=r"not\\s+there"):\n        pass', True),
        ('with pytest.raises(ValueError, match="table-1"):\n        pass', False),
        ('for words in ("one", "not there"):\n        assert words in text', True),
        ('print("is not there" in text)', False),
        ('tell(why="is not there")\n    assert "is not there" in text', False),
        ('why = "is not there"\n    assert why in text', True),
        ('why = "is not there"\n    tell(why)\n    assert why in text', False),
        ('"""Tell what is not there."""\n    assert "is not there" in text', True),
    ],
)
def test_an_assertion_pins_wording_if_a_sentence_of_the_test_decides_it(body, pins):
    assert bool(counted(tests__unit__test_x=f"def test_x():\n    {body}\n").wording) == pins


def test_cases_are_followed_to_the_assertion():
    cases = '@pytest.mark.parametrize(("size", "message"), [(1, "too small"), pytest.param(2, "fits")])\n'
    test = "def test_x(size, message):\n    assert message in f(size)\n"
    assert counted(tests__unit__test_x=cases + test).wording == ("tests/unit/test_x.py:3 'too small'",)
    assert counted(tests__unit__test_x=cases.replace(" ", "") + test).wording == ()


@pytest.mark.parametrize(
    ("body", "knows"),
    [
        ("add(['b', *row])", True),
        ("line.startswith(b'[\"b\"')", True),
        ("row[0] != 'b'", True),
        ("read = ('seq', 'due_ns', 'late_us')", True),
        ("columns = {'seq': 1, 'late_us': 2}", True),
        ("add([rows.BEAT, *row])", False),
        ("columns['due_ns']", False),
    ],
)
def test_who_writes_or_reads_a_beat_by_hand_knows_its_row(body, knows):
    assert bool(counted(chaosdrill__a__x=body).beat_schemas) == knows


def test_circles_names_and_docstrings_are_found():
    found = counted(
        chaosdrill__a__x="def f():\n    import chaosdrill.b.y\n\n\nclass Same: ...\n",
        chaosdrill__b__y="from chaosdrill import c\n\n\nclass Same: ...\n",
        chaosdrill__c__z='from chaosdrill.a import x\n\n\ndef f():\n    """:returns: it."""\n',
        chaosdrill__d__w="from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import chaosdrill.e.v\n",
        chaosdrill__e__v="import chaosdrill.d.w\n",
        chaosdrill__lab__w='""":param x: it."""\n',
    )
    assert found.circles == (("a", "b", "c"),)
    assert found.module_circles == (("chaosdrill.d.w", "chaosdrill.e.v"),), (
        "an import within a function is none of them"
    )
    assert found.names == ("Same: chaosdrill/a/x.py:5 chaosdrill/b/y.py:4",)
    assert found.docstrings == ("chaosdrill/c/z.py:4",)
    assert (found.statements, sum(found.lines.values())) == (14, 18)
