"""Count what the house rules are about: how much code there is, and what in it still breaks a rule.

    python -m benchmarks.house                      # a Markdown table of this checkout
    python -m benchmarks.house --against COMMIT     # with a second column: that commit's figures
    python -m benchmarks.house --list wording       # each place, as FILE:LINE; also: docstrings, names, circles

Reads the files only and needs nothing but Python. "The package" is ``chaosdrill`` without ``lab``.

An assertion of a test **pins wording** if it compares a text with a sentence that is written in the test, so that it
breaks when only the wording changes:

- ``match=`` of ``pytest.raises`` or ``pytest.warns`` with two words or more in a row;
- an ``assert`` with such words on the left of ``in`` or ``not in``, or in ``startswith``, ``endswith``, ``re.search``
  and their like;
- an ``assert`` with ``==`` or ``!=`` and a text of four words or more on either side, in lists and tuples, too.

Names are followed to where they are bound: ``parametrize``, ``for``, an assignment or a constant of the module. A
command (``chaosdrill …``) is not wording, nor is a text that the test itself hands to the code, such as the reason of
an error that it raises. Each ``assert`` counts once, however many texts it has.
"""

import argparse
import ast
import io
import re
import statistics
import subprocess
import sys
import tarfile
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
FOLDERS = ("chaosdrill", "tests")
LAB = "chaosdrill/lab/"
WORD = re.compile(r"[A-Za-z]+(?:'[a-z]+)?")
COMMAND = re.compile(r"\s*(?:chaosdrill|chaos) [a-z]")
ROW_OF_BEATS = ('["b"', b'["b"')
WORDS_IN_TEXT, WORDS_EQUAL = 2, 4
RAISES = {"raises", "warns"}
TEXT_METHODS = {"startswith", "endswith", "search", "fullmatch", "match", "findall", "count", "index"}


@dataclass(frozen=True)
class Source:
    """One Python file.

    :param path: from the repository's root.
    """

    path: str
    text: str
    tree: ast.Module


@dataclass(frozen=True)
class Figures:
    """What is counted of one state of the repository; each place as ``FILE:LINE``."""

    statements: int
    lines: Mapping[str, int]
    names: tuple[str, ...]
    circles: tuple[tuple[str, ...], ...]
    module_circles: tuple[tuple[str, ...], ...]
    beat_schemas: tuple[str, ...]
    docstrings: tuple[str, ...]
    wording: tuple[str, ...]


def working_tree() -> list[Source]:
    """Read the files of this checkout, whether committed or not."""
    return sources(
        (path.relative_to(ROOT).as_posix(), path.read_text())
        for folder in FOLDERS
        for path in (ROOT / folder).rglob("*.py")
    )


def commit(name: str) -> list[Source]:
    """Read the files of a commit."""
    archive = subprocess.run(["git", "archive", name, *FOLDERS], cwd=ROOT, check=True, stdout=subprocess.PIPE).stdout
    with tarfile.open(fileobj=io.BytesIO(archive)) as files:
        members = [member for member in files if member.isfile() and member.name.endswith(".py")]
        return sources((member.name, files.extractfile(member).read().decode()) for member in members)  # type: ignore[union-attr]


def sources(files: Iterable[tuple[str, str]]) -> list[Source]:
    """Parse files, in the order of their paths."""
    return [Source(path, text, ast.parse(text, path)) for path, text in sorted(files)]


def figures(files: list[Source]) -> Figures:
    """Count everything of one state of the repository."""
    package = [one for one in files if one.path.startswith("chaosdrill/") and not one.path.startswith(LAB)]
    return Figures(
        statements=sum(isinstance(node, ast.stmt) for one in package for node in ast.walk(one.tree)),
        lines={one.path: len(one.text.splitlines()) for one in package},
        names=tuple(duplicate_classes(package)),
        circles=tuple(import_circles(package)),
        module_circles=tuple(import_circles_of_modules(package)),
        beat_schemas=tuple(one.path for one in package if knows_rows(one)),
        docstrings=tuple(place for one in package for place in docstrings_without_summary(one)),
        wording=tuple(place for one in files if one.path.startswith("tests/") for place in pinned_wording(one)),
    )


def duplicate_classes(files: list[Source]) -> Iterator[str]:
    """Public classes that share their name with another one: ``NAME: FILE:LINE FILE:LINE``."""
    places = defaultdict(list)
    for one in files:
        for node in one.tree.body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places[node.name].append(f"{one.path}:{node.lineno}")
    return (f"{name}: {' '.join(where)}" for name, where in sorted(places.items()) if len(where) > 1)


def import_circles(files: list[Source]) -> Iterator[tuple[str, ...]]:
    """Groups of packages (folders of ``chaosdrill``) each of which imports, directly or by others, all of its group.

    Imports within functions count; those for type checkers only do not.
    """
    imported: dict[str, set[str]] = defaultdict(set)
    packages = {one.path.split("/")[1] for one in files if one.path.count("/") > 1}
    for one in files:
        mine = one.path.split("/")[1]
        if mine in packages:
            imported[mine] |= {name for name in imports(one.tree) if name in packages and name != mine}
    yield from groups(packages, imported)


def import_circles_of_modules(files: list[Source]) -> Iterator[tuple[str, ...]]:
    """Groups of modules each of which imports all of its group, imports for type checkers included.

    Imports within functions do not count: they are how a program starts quickly.
    """
    modules = {one.path.removesuffix(".py").removesuffix("/__init__").replace("/", "."): one for one in files}
    imported: dict[str, set[str]] = {}
    for name, one in modules.items():
        body = [node for node in one.tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
        body += [
            child
            for node in one.tree.body
            if isinstance(node, ast.If)
            for child in node.body
            if isinstance(child, ast.Import | ast.ImportFrom)
        ]
        found: set[str] = set()
        for node in body:
            if isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
            elif node.module and not node.level:
                found |= {
                    full if (full := f"{node.module}.{alias.name}") in modules else node.module for alias in node.names
                }
        imported[name] = {other for other in found if other in modules and other != name}
    yield from groups(set(modules), imported)


def groups(names: set[str], imported: Mapping[str, set[str]]) -> Iterator[tuple[str, ...]]:
    """Groups of two names and more each of which reaches all of its group."""
    reached = {name: reachable(name, imported) for name in names}
    grouped: set[str] = set()
    for name in sorted(names):
        group = {other for other in reached[name] if name in reached[other]}
        if len(group) > 1 and name not in grouped:
            grouped |= group
            yield tuple(sorted(group))


def knows_rows(source: Source) -> bool:
    """Tell whether a module writes or reads a beat by the type of its row or by the places of its columns."""
    return any(
        (isinstance(node, ast.Constant) and node.value in ROW_OF_BEATS)
        or (
            isinstance(node, ast.List)
            and node.elts
            and isinstance(node.elts[0], ast.Constant)
            and node.elts[0].value == "b"
        )
        or (
            isinstance(node, ast.Compare)
            and any(isinstance(one, ast.Constant) and one.value == "b" for one in node.comparators)
        )
        or (isinstance(node, ast.Tuple) and [getattr(one, "value", None) for one in node.elts[:2]] == ["seq", "due_ns"])
        or (isinstance(node, ast.Dict) and {"seq", "late_us"} <= {getattr(one, "value", None) for one in node.keys})
        for node in ast.walk(source.tree)
    )


def imports(tree: ast.Module) -> Iterator[str]:
    """The first part of each name that a module imports from ``chaosdrill``."""
    todo: list[ast.AST] = [tree]
    while todo:
        node = todo.pop()
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            todo += node.orelse
            continue
        names: list[str] = []
        if isinstance(node, ast.ImportFrom) and not node.level and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        yield from (name.split(".")[1] for name in names if name.startswith("chaosdrill."))
        todo += ast.iter_child_nodes(node)


def reachable(name: str, imported: Mapping[str, set[str]]) -> set[str]:
    """What a package imports, directly or by others; itself, if it is in a circle."""
    found: set[str] = set()
    todo = list(imported.get(name, ()))
    while todo:
        one = todo.pop()
        if one not in found:
            found.add(one)
            todo += imported.get(one, ())
    return found


def docstrings_without_summary(source: Source) -> Iterator[str]:
    """Docstrings that begin with a field (``:param …:``) instead of a sentence."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            text = ast.get_docstring(node)
            if text is not None and text.lstrip().startswith(":"):
                yield f"{source.path}:{getattr(node, 'lineno', 1)}"


def pinned_wording(source: Source) -> Iterator[str]:
    """Assertions that compare a text with a sentence written in the test: ``FILE:LINE SENTENCE``."""
    outside = bindings(source.tree.body)
    inputs = "\n".join(input_texts(source.tree))
    for node in source.tree.body:
        for function in [node, *node.body] if isinstance(node, ast.ClassDef) else [node]:
            if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                known, used = outside | bindings([function]), names_used(function)
                names = {name: values for name, values in known.items() if name not in used}
                given = [text for name in used for one in known.get(name, ()) for text in literal_texts(one, {})]
                handed = "\n".join([inputs, *given])
                for one in ast.walk(function):
                    if pinned := next((text for text in sentences_of(one, names) if text not in handed), None):
                        yield f"{source.path}:{one.lineno} {pinned!r}"  # type: ignore[attr-defined]


def names_used(function: ast.AST) -> set[str]:
    """The names that a test uses otherwise than in its assertions: their values are its inputs."""
    return {
        one.id for one in outside_assertions(function) if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Load)
    }


def input_texts(tree: ast.Module) -> Iterator[str]:
    """The texts that a module hands to the code under test: arguments, values of mappings, returned values."""
    for node in outside_assertions(tree):
        if isinstance(node, ast.Call | ast.Dict | ast.keyword | ast.Return):
            for child in ast.iter_child_nodes(node):
                yield from literal_texts(child, {}) if isinstance(child, ast.expr) else ()


def outside_assertions(node: ast.AST) -> Iterator[ast.AST]:
    """A node and those within it, without assertions and decorators."""
    yield node
    skipped = getattr(node, "decorator_list", [])
    if isinstance(node, ast.withitem) and getattr(getattr(node.context_expr, "func", None), "attr", "") in RAISES:
        return
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, ast.Assert) and child not in skipped:
            yield from outside_assertions(child)


def bindings(nodes: Iterable[ast.AST]) -> dict[str, list[ast.expr]]:
    """What each name is bound to: by an assignment, a loop over literals or ``parametrize``."""
    found: dict[str, list[ast.expr]] = defaultdict(list)
    todo = list(nodes)
    functions = [node for node in todo if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    inner = [one for function in functions for one in ast.walk(function)]
    for node in inner or [one for statement in todo for one in (statement, *ast.iter_child_nodes(statement))]:
        if isinstance(node, ast.Assign) and is_literal(node.value):
            for target in node.targets:
                bind(target, [node.value], found)
        elif isinstance(node, ast.For | ast.comprehension) and isinstance(node.iter, ast.List | ast.Tuple | ast.Set):
            bind(node.target, node.iter.elts, found)
        elif isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "parametrize" and len(node.args) > 1:
            bind_parameters(node, found)
    return found


def bind_parameters(call: ast.Call, found: dict[str, list[ast.expr]]) -> None:
    """Bind the names of one ``pytest.mark.parametrize`` to the values of each case."""
    names, cases = call.args[:2]
    given = [names] if isinstance(names, ast.Constant) else getattr(names, "elts", [])
    wanted = [name.strip() for one in given for name in str(getattr(one, "value", "")).split(",")]
    target: ast.expr = ast.Tuple([ast.Name(name) for name in wanted])
    if len(wanted) == 1:
        target = ast.Name(wanted[0])
    values = [
        ast.Tuple(one.args) if isinstance(one, ast.Call) and len(wanted) > 1 else one
        for one in getattr(cases, "elts", [])
    ]
    bind(target, values, found)


def bind(target: ast.expr, values: Iterable[ast.expr], found: dict[str, list[ast.expr]]) -> None:
    if isinstance(target, ast.Name):
        found[target.id] += values
    elif isinstance(target, ast.Tuple):
        for position, name in enumerate(target.elts):
            chosen = [one.elts[position] for one in values if len(getattr(one, "elts", ())) > position]  # type: ignore[attr-defined]
            bind(name, chosen, found)


def is_literal(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant | ast.JoinedStr | ast.List | ast.Tuple | ast.Set | ast.BinOp)


def sentences_of(node: ast.AST, names: Mapping[str, list[ast.expr]]) -> Iterator[str]:
    """The sentences that one statement pins, if it is an ``assert`` or a ``with pytest.raises(…, match=…)``."""
    if isinstance(node, ast.With | ast.AsyncWith):
        for item in node.items:
            call = item.context_expr
            if isinstance(call, ast.Call) and getattr(call.func, "attr", "") in RAISES:
                patterns = [one.value for one in call.keywords if one.arg == "match"]
                yield from prose(patterns, names, WORDS_IN_TEXT)
    elif isinstance(node, ast.Assert):
        for one in ast.walk(node.test):
            if isinstance(one, ast.Compare):
                left = one.left
                for operator, right in zip(one.ops, one.comparators, strict=True):
                    if isinstance(operator, ast.In | ast.NotIn):
                        yield from prose([left], names, WORDS_IN_TEXT)
                    elif isinstance(operator, ast.Eq | ast.NotEq):
                        yield from prose([left, right], names, WORDS_EQUAL)
                    left = right
            elif isinstance(one, ast.Call) and getattr(one.func, "attr", "") in TEXT_METHODS:
                yield from prose(one.args[:1], names, WORDS_IN_TEXT)


def prose(nodes: Iterable[ast.expr], names: Mapping[str, list[ast.expr]], words: int) -> Iterator[str]:
    """Texts among literals that have so many words in a row."""
    for node in nodes:
        for text in literal_texts(node, names):
            if longest_prose(text) >= words and not COMMAND.match(text):
                yield text


def literal_texts(node: ast.expr, names: Mapping[str, list[ast.expr]], deep: bool = True) -> Iterator[str]:
    """The texts that a literal, or a name bound to literals, holds. Values within an f-string become ``{}``."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.JoinedStr):
        yield "".join(str(one.value) if isinstance(one, ast.Constant) else "{}" for one in node.values)
    elif isinstance(node, ast.BinOp):
        for side in (node.left, node.right):
            yield from literal_texts(side, names, deep)
    elif isinstance(node, ast.List | ast.Tuple | ast.Set):
        for element in node.elts:
            yield from literal_texts(element, names, deep)
    elif isinstance(node, ast.Dict):
        for value in node.values:
            yield from literal_texts(value, names, deep)
    elif isinstance(node, ast.Name) and deep:
        for value in names.get(node.id, ()):
            yield from literal_texts(value, names, deep=False)


def longest_prose(text: str) -> int:
    """The most words in a row: letters only, with a space between them and punctuation at most."""
    longest = row = 0
    for token in re.split(r"[ \n]|\\s\+?|\\ ", text):
        row = row + 1 if WORD.fullmatch(token.strip("\\.,;:!?()[]'\"^$*“”")) else 0
        longest = max(longest, row)
    return longest


def row(name: str, cells: Iterable[object]) -> str:
    return f"| {' | '.join([name, *map(str, cells)])} |"


def table(columns: Mapping[str, Figures]) -> str:
    """The figures as a Markdown table, one column for each state of the repository."""
    each = list(columns.values())
    largest = [max(one.lines.items(), key=lambda item: item[1]) for one in each]
    return "\n".join(
        (
            row("", columns),
            row("---", ["---:"] * len(each)),
            row("the package: statements", (one.statements for one in each)),
            row("the package: lines", (sum(one.lines.values()) for one in each)),
            row("the package: files", (len(one.lines) for one in each)),
            row("median file, lines", (f"{statistics.median(one.lines.values()):g}" for one in each)),
            row("largest file, lines", (f"{lines} ({path})" for path, lines in largest)),
            row("public class names that exist twice or more", (len(one.names) for one in each)),
            row("packages in import circles", (sum(map(len, one.circles)) for one in each)),
            row(
                "modules in import circles, imports for types included",
                (sum(map(len, one.module_circles)) for one in each),
            ),
            row("modules that know the row of a beat", (len(one.beat_schemas) for one in each)),
            row("docstrings without a summary sentence", (len(one.docstrings) for one in each)),
            row("assertions that pin wording, all tests", (len(one.wording) for one in each)),
            *(
                row(f"… in tests/{folder}", (folders(one)[folder] for one in each))
                for folder in sorted(set().union(*map(folders, each)))
            ),
        )
    )


def folders(one: Figures) -> Counter[str]:
    """How many assertions pin wording in each folder of the tests."""
    return Counter(place.split(":")[0].split("/")[1] for place in one.wording)


def main() -> None:
    """Print the table, or the places of one of its rows."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--against", metavar="COMMIT", help="a second column: the figures of that commit")
    parser.add_argument("--list", choices=("wording", "docstrings", "names", "circles"), help="print each place")
    given = parser.parse_args()
    here = figures(working_tree())
    if given.list:
        places = getattr(here, given.list)
        sys.stdout.write("".join(f"{one if isinstance(one, str) else ' '.join(one)}\n" for one in places))
        return
    columns = {"now": here}
    if given.against:
        columns[given.against] = figures(commit(given.against))
    print(table(columns))


if __name__ == "__main__":
    main()
