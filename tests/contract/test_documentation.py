"""The documents keep up with the code: every command, variable, benchmark and file that they name, and the reverse."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
import yaml

from chaosdrill.activity_discovery import discovered
from chaosdrill.cli import cli
from chaosdrill.client.host.packing import HEARTBEAT, locust_needs
from chaosdrill.client.host.pythons import dotted
from chaosdrill.client.host.remote_program import CALL_EVERY_S
from tests.reference_pages import PAGES as GENERATED_PAGES

REPOSITORY = Path(__file__).parents[2]
PAGES = sorted((REPOSITORY / "docs").rglob("*.md"))
DOCUMENTS = sorted([*REPOSITORY.glob("*.md"), *(REPOSITORY / ".github").glob("*.md"), *PAGES])
GENERATED = {REPOSITORY / "docs" / name for name in GENERATED_PAGES}  # they list everything, and explain nothing
TEXT = "\n".join(document.read_text() for document in DOCUMENTS if document not in GENERATED)
LINK = re.compile(r"\]\(([^()\s]+)\)")


def commands(group: click.Group, path: str = "chaosdrill") -> Iterator[str]:
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, f"{path} {name}")
        else:
            yield f"{path} {name}"


@pytest.mark.parametrize("command", list(commands(cli)))
def test_every_command_is_in_the_documents_and_teaches(command):
    assert command in TEXT
    found: click.Command = cli
    for name in command.split()[1:]:
        assert isinstance(found, click.Group)
        found = found.commands[name]
    assert found.help, f"{command} --help says nothing"


@pytest.mark.parametrize("tutorial", ["docs/tutorial.md", "docs/tutorial.ja.md"])
def test_the_tutorial_explains_what_users_would_change(tutorial):
    experiment = yaml.safe_load((REPOSITORY / "experiments" / "failover.yaml").read_text())
    fixed = {"home_region", "standby_region", "domain", "rto_s"}  # of the system, not of a drill
    text = (REPOSITORY / tutorial).read_text()
    assert [name for name in experiment["configuration"] if name not in fixed and f"`{name}`" not in text] == []


def typed(name: str) -> list[str]:
    lines = (REPOSITORY / name).read_text().splitlines()
    return [line.split("  ")[0] for line in lines if line.startswith("$ ")]


@pytest.mark.parametrize("page", ["README", "docs/tutorial"])
def test_both_languages_give_the_same_commands(page):
    assert typed(f"{page}.ja.md") == typed(f"{page}.md")


@pytest.mark.parametrize("readme", ["README.md", "README.ja.md"])
def test_a_readme_is_short_and_its_commands_are_those_of_the_tutorial(readme):
    assert len((REPOSITORY / readme).read_text().splitlines()) <= 90
    assert [one for one in typed(readme) if one not in typed("docs/tutorial.md")] == ["$ make drill", "$ make test"]


@pytest.mark.parametrize("guide", ["aws.md", "aws.ja.md"])
def test_the_guide_says_of_every_activity_when_it_was_last_verified_on_aws(guide):
    rows = [
        line.split("|")[1:-1] for line in (REPOSITORY / "docs" / guide).read_text().splitlines() if line[:2] == "| "
    ]
    listed = {
        (part.strip(), name)
        for part, names, verified, by in (row for row in rows if len(row) == 4)
        for name in re.findall(r"`(\w+)`", names)
        if verified.strip() and by.strip()
    }
    activities = (one for one in discovered()["activities"] if one["type"] != "control")
    assert listed == {(one["mod"].split(".")[1], one["name"]) for one in activities}


def test_the_guide_to_the_topology_says_where_each_program_may_run():
    schema = json.loads((REPOSITORY / "chaosdrill" / "topology" / "schema.json").read_text())["properties"]
    text = (REPOSITORY / "docs" / "topology.md").read_text()
    section = text.partition("## Where load and heartbeat run")[2].partition("\n## ")[0]
    places = {name: schema[name]["properties"]["run"]["enum"] for name in ("client", "heartbeat")}
    assert places == {"client": ["attach", "local", "ssm"], "heartbeat": ["ssm", "local"]}
    table = [line.partition("|")[2].partition("|")[0] for line in section.splitlines() if line.startswith("| `run:")]
    assert [re.findall(r"`run: (\w+)`", place) for place in table] == [["attach"], ["ssm"], ["local"]]
    assert all(f"{{run: {place}}}" in section for place in places["heartbeat"])


def test_the_guide_to_the_load_gives_the_code_s_own_figures():
    text = (REPOSITORY / "docs" / "load.md").read_text()
    assert 1 / CALL_EVERY_S == 2
    assert re.search(r"\btwo a second\b", text)
    (heartbeat,) = re.findall(r"^\| the heartbeat \|([^|]*)\|$", text, re.MULTILINE)
    assert dotted(HEARTBEAT.python) in heartbeat.split()
    needs = locust_needs()
    assert needs.installed is not None
    (locust,) = re.findall(r"^\| Locust \|([^|]*)\|$", text, re.MULTILINE)
    assert f"{needs} {dotted(needs.installed.libc_version)}" in locust


EXPERIMENTS = sorted(path for path in (REPOSITORY / "experiments").iterdir() if path.is_file())


@pytest.mark.parametrize("experiment", EXPERIMENTS, ids=lambda path: path.name)
def test_the_head_of_every_experiment_says_what_must_be_known_before_it_is_run(experiment):
    text = experiment.read_text()
    head = text.partition("title:")[0] if experiment.suffix == ".yaml" else yaml.safe_load(text)["description"]
    words = ("touches:", "lasts:", "costs:", "undone", "verified on:")  # what it does comes first, in words of its own
    assert [word for word in words if word not in head.lower()] == []
    assert len(head.lower().partition("touches:")[0]) > 80


def test_every_activity_takes_a_region_and_those_it_is_not_obvious_of_are_explained():
    section = (REPOSITORY / "docs" / "drill.md").read_text().partition("## What an argument wins over")[2]
    told = set(
        re.findall(r"`(\w+)`", "".join(re.findall(r"^\| (`.+?) \|", section.partition("\n## ")[0], re.MULTILINE)))
    )
    activities = [one for one in discovered()["activities"] if one["type"] != "control"]
    assert [one["name"] for one in activities if "region" not in {given["name"] for given in one["arguments"]}] == []
    assert told - {one["name"] for one in activities} == set()
    on_hosts = ("load", "heartbeat", "dns", "region")
    assert {one["name"] for one in activities if one["mod"].split(".")[1] in on_hosts} - told == set()


@pytest.mark.parametrize("readme", ["README.md", "README.ja.md"])
def test_the_readme_leads_to_that_table(readme):
    (guide, heading) = re.findall(r"\((docs/aws[\w.]*)#([^)]+)\)", (REPOSITORY / readme).read_text())[0]
    headings = re.findall(r"^## (.+)$", (REPOSITORY / guide).read_text(), re.MULTILINE)
    assert heading in [one.lower().replace(" ", "-") for one in headings]


def headings(document: Path) -> set[str]:
    """The anchors of a document's headings, as GitHub makes them."""
    found = re.findall(r"^#+ (.+)$", document.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in found}


def leads_nowhere(document: Path, link: str) -> bool:
    path, _, anchor = link.partition("#")
    target = (document.parent / path).resolve() if path else document
    return not target.exists() or (anchor != "" and anchor not in headings(target))


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_links_and_named_files_exist(document):
    text = document.read_text()
    links = [link for link in LINK.findall(text) if "://" not in link]
    files = re.findall(r"`((?:benchmarks|experiments|docs|chaosdrill)/[\w./-]+)`", text)
    files += re.findall(r"(benchmarks/\w+\.py)", text)
    missing = [link for link in links if leads_nowhere(document, link)]
    missing += [name for name in files if not (REPOSITORY / name).exists()]
    assert missing == []


def test_the_index_has_every_page_once_with_a_sentence():
    index = REPOSITORY / "docs" / "index.md"
    items = re.findall(r"^- \[[^]]+\]\(([\w./-]+\.md)\): (.+)$", index.read_text(), re.MULTILINE)
    assert sorted(index.parent / page for page, _ in items) == [page for page in PAGES if page != index]
    assert [page for page, sentence in items if not re.match(r"[A-Z]", sentence)] == []


@pytest.mark.parametrize("start", ["README.md", "README.ja.md", "ARCHITECTURE.md"])
def test_the_index_is_reached_from_where_people_begin(start):
    assert "docs/index.md" in LINK.findall((REPOSITORY / start).read_text())


def test_the_hooks_before_a_commit_are_those_of_make_check():
    hooks = yaml.safe_load((REPOSITORY / ".pre-commit-config.yaml").read_text())["repos"][0]["hooks"]
    checks = re.findall(r"^\t\$\(BIN\)/(ruff.+|mypy)$", (REPOSITORY / "Makefile").read_text(), re.MULTILINE)
    assert [hook["entry"] for hook in hooks] == [
        f".venv/bin/{check.removesuffix(' .').replace(' --check', '')}" for check in checks
    ]


@pytest.mark.parametrize("benchmark", sorted((REPOSITORY / "benchmarks").glob("*.py")), ids=lambda path: path.name)
def test_every_benchmark_is_named_where_its_figures_are_used(benchmark):
    assert f"benchmarks/{benchmark.name}" in TEXT
