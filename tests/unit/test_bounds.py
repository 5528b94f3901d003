"""Small files that stand for more than there is memory: refused before anything is made of them."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pyarrow
import pytest
import yaml
from chaoslib.exceptions import InvalidControl
from pyarrow import parquet

from chaosdrill.bounded_yaml import LONGEST_TEXT, MOST_VALUES, TooLarge, load_yaml
from chaosdrill.controls.drill import validate_control
from chaosdrill.experiment_files import configuration_of
from chaosdrill.records.rows import BEATS
from chaosdrill.rehearsal.rehearse import rehearse
from chaosdrill.runs.rebuilding import experiment_in
from chaosdrill.runs.records.pages import MOST_PAGES, unpacked_bytes
from chaosdrill.runs.records.tables import (
    FILES,
    SMALL_ROWS,
    ForeignRecords,
    arrow_schema,
    open_stored,
    parquet_path,
    read_records,
    sha256_of,
)
from chaosdrill.topology import load_topology
from tests.failing import fails_with
from tests.further import first_of
from tests.unit.test_topology import RIGHT


def aliases(levels: int) -> str:
    """Each level is ten of the one before: 40 lines stand for more values than there are atoms here."""
    lines = ["a0: &a0 [x]"]
    lines += [f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 10)}]" for level in range(1, levels)]
    return "\n".join(lines) + "\n"


def merges(levels: int) -> str:
    lines = ["m0: &m0 {k0: x}"]
    lines += [f"m{level}: &m{level} {{<<: [*m{level - 1}, *m{level - 1}], k{level}: x}}" for level in range(1, levels)]
    return "\n".join(lines) + "\n"


BOMBS = {
    "aliases": aliases(40),
    "merges": merges(40),
    "itself": "a: &a [*a]\n",
    "itself merged": "a: &a {<<: *a}\n",
    "deep": "a: " + "[" * 2_000 + "]" * 2_000 + "\n",
    "long": "# " + "x" * LONGEST_TEXT + "\na: 1\n",
}
each_bomb = pytest.mark.parametrize("bomb", BOMBS.values(), ids=BOMBS)
each_quick_bomb = pytest.mark.parametrize(  # what is deep takes a second; test_topology has such a file, too
    "bomb",
    [pytest.param(bomb, marks=pytest.mark.long if name == "deep" else ()) for name, bomb in BOMBS.items()],
    ids=BOMBS,
)


@each_quick_bomb
def test_a_bomb_is_no_yaml(bomb: str) -> None:
    with pytest.raises(yaml.YAMLError):
        load_yaml(bomb)


@each_quick_bomb
def test_a_bomb_is_no_topology(bomb: str, tmp_path: Path) -> None:
    (tmp_path / "topology.yaml").write_text(RIGHT + bomb)
    with fails_with("topology-invalid"):
        load_topology(tmp_path / "topology.yaml")


@each_quick_bomb
def test_a_bomb_is_no_experiment_of_a_stored_run(bomb: str, tmp_path: Path) -> None:
    (tmp_path / "experiment.yaml").write_text(bomb)
    assert experiment_in(tmp_path) == {}


@pytest.mark.long
@each_bomb
def test_a_bomb_is_no_experiment_to_rehearse_or_to_write_a_policy_for(bomb: str, tmp_path: Path) -> None:
    path = tmp_path / "failover.yaml"
    path.write_text(f"title: t\ndescription: d\nmethod: []\n{bomb}")
    with fails_with("experiment-invalid"):
        configuration_of(str(path))
    with fails_with("experiment-invalid"):
        rehearse(path, {}, None)


@pytest.mark.long
@each_bomb
def test_a_bomb_is_no_experiment_to_run(bomb: str, tmp_path: Path) -> None:
    path = tmp_path / "failover.yaml"
    path.write_text(bomb)
    control: Any = {"name": "drill", "provider": {"type": "python", "module": "chaosdrill.controls.drill"}}
    with click.Context(click.Command("run")) as context:
        context.params = {"source": str(path)}
        with pytest.raises(InvalidControl, match=r"failover\.yaml"):
            validate_control(control)


def test_aliases_within_the_bounds_are_what_they_stand_for() -> None:
    assert load_yaml("a: &a {x: 1}\nb: [*a, *a]\nc: {<<: *a, y: 2}\n") == {
        "a": {"x": 1},
        "b": [{"x": 1}, {"x": 1}],
        "c": {"x": 1, "y": 2},
    }
    thousand = f"- &a [{', '.join('x' * 999)}]\n"  # values, with the list
    many = thousand + "- *a\n" * (MOST_VALUES // 1000 - 2) + "- x\n" * 999
    assert len(load_yaml(many)) == MOST_VALUES // 1000 - 1 + 999
    with pytest.raises(TooLarge):
        load_yaml(f"{many}- x\n")
    assert load_yaml("") is None


def table(rows: int, **columns: pyarrow.Array) -> pyarrow.Table:
    """The columns of stored beats, all of one value but for those that are given."""
    wanted = arrow_schema(BEATS)
    constant = {
        field.name: pyarrow.array(["x"] if pyarrow.types.is_dictionary(field.type) else [1]).cast(field.type)
        for field in wanted
    }
    many = {name: one.take(pyarrow.array([0] * rows)) for name, one in constant.items()}
    return pyarrow.table({**many, **columns}).replace_schema_metadata({FILES: b"[]"})


def many_rows() -> pyarrow.Table:
    return table(2 * SMALL_ROWS)


def fat_texts() -> pyarrow.Table:
    return table(5, source=pyarrow.array([chr(97 + number) * 20_000_000 for number in range(5)]))


def nested() -> pyarrow.Table:
    values = pyarrow.array([0]).take(pyarrow.array([0] * 2 * SMALL_ROWS))
    return table(1, more=pyarrow.ListArray.from_arrays([0, len(values)], values))


def many_columns() -> pyarrow.Table:
    return table(1, **{f"c{number}": pyarrow.array([1]) for number in range(1_000)})


def other_columns() -> pyarrow.Table:
    return pyarrow.table({"x": [1]})


@pytest.mark.parametrize("make", first_of([other_columns, many_columns, nested, fat_texts, many_rows], 3))
def test_stored_records_that_would_become_much_more_than_they_are_are_not_read(
    make: Callable[[], pyarrow.Table], tmp_path: Path
) -> None:
    path = parquet_path(tmp_path, BEATS)
    path.parent.mkdir()
    parquet.write_table(make(), path, compression="zstd")
    assert path.stat().st_size < 500_000
    with pytest.raises(ForeignRecords):
        open_stored(path, BEATS)
    with pytest.raises(ForeignRecords):
        read_records(tmp_path, BEATS, {path.name: sha256_of(path)})


def test_stored_records_of_an_ordinary_size_are_read(tmp_path: Path) -> None:
    path = tmp_path / "beats.parquet"
    parquet.write_table(table(100_000), path, compression="zstd")
    with open_stored(path, BEATS) as stored:
        assert stored.metadata.num_rows == 100_000


def varint(number: int, length: int = 0) -> bytes:
    """A whole number as Thrift writes it, in that many bytes at the least."""
    value, found = number << 1, []
    while value or len(found) < max(1, length):
        found.append(value & 127)
        value >>= 7
    return bytes(part | 128 for part in found[:-1]) + bytes(found[-1:])


def with_lies(path: Path, *numbers: int) -> None:
    """Write 1 for each of these numbers in a Parquet file's footer; what its pages say stays."""
    data = bytearray(path.read_bytes())
    begins = len(data) - 8 - int.from_bytes(data[-8:-4], "little")
    for number in numbers:
        true = varint(number)
        assert true in data[begins:]
        data[begins:] = data[begins:].replace(true, varint(1, len(true)))
    path.write_bytes(data)


@pytest.mark.long
def test_pages_that_become_more_than_the_footer_says_are_not_read(tmp_path: Path) -> None:
    path = parquet_path(tmp_path, BEATS)
    path.parent.mkdir()
    fat = table(1, source=pyarrow.array(["x" * 200_000_000]))
    parquet.write_table(fat, path, compression="zstd", use_dictionary=False, write_statistics=False)
    found = parquet.ParquetFile(path).metadata
    with_lies(path, found.row_group(0).column(0).total_uncompressed_size, found.row_group(0).total_byte_size)
    believed = parquet.ParquetFile(path).metadata.row_group(0).column(0)
    assert (believed.total_uncompressed_size, believed.total_compressed_size < 500_000) == (1, True)
    with pytest.raises(ForeignRecords):
        read_records(tmp_path, BEATS, {path.name: sha256_of(path)})


@pytest.mark.long
def test_rows_that_the_footer_does_not_count_are_not_read(tmp_path: Path) -> None:
    path = parquet_path(tmp_path, BEATS)
    path.parent.mkdir()
    parquet.write_table(table(4 * SMALL_ROWS), path, compression="zstd", row_group_size=SMALL_ROWS // 2)
    with_lies(path, 4 * SMALL_ROWS)
    assert parquet.ParquetFile(path).metadata.num_rows == 1
    with pytest.raises(ForeignRecords):
        read_records(tmp_path, BEATS, {path.name: sha256_of(path)})


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b"\x15\x00",  # cut off
        b"\x15\x00\x15\x01\x15\x02\x00",  # a negative size
        b"\x15\x00\x00",  # no size
        b"\x1c" * 60_000,  # structures within structures
        b"\x19\xfc" + b"\xff" * 9 + b"\x01",  # a list of 2^63 structures
        b"\x18\xff\xff\xff\xff\x0f",  # a text of 4 GB
        b"\x15" + b"\xff" * 20,  # a number without an end
        b"\x1b\x00",  # a map
        b"\x15\x00\x15\x00\x15\x00\x00" * (MOST_PAGES + 1),  # empty pages
    ],
)
def test_what_is_no_header_of_a_page_ends(header: bytes, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="page"):
        unpacked_bytes(io.BytesIO(header), 0, len(header) + 1)
