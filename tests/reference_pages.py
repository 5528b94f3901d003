"""Reference pages in docs/, written from the code: ``python -m tests.reference_pages`` writes all of them."""

import functools
import json
import re
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any

import click
import yaml
from chaoslib.types import DiscoveredActivities

from chaosdrill.activity_discovery import discovered
from chaosdrill.arguments import limits_of
from chaosdrill.cli import cli
from tests.codes_page import table
from tests.small_drills import REPOSITORY
from tests.summary_schema import SCHEMA as SUMMARY_SCHEMA

Schema = dict[str, Any]

DOCS = REPOSITORY / "docs"
TOPOLOGY_FILES = REPOSITORY / "chaosdrill" / "topology"
FURTHER_EXAMPLES = "tests/activity_examples.yaml"
EXAMPLES = (
    *(f"experiments/{name}.yaml" for name in ("failover", "failback", "auto-failover", "region-loss")),
    "experiments/packet-loss.json",
    FURTHER_EXAMPLES,
)
HELP_COLUMNS = 100
WRITTEN = "This page is written from the code by `python -m tests.reference_pages`; a test compares the two."
# a name for each rule that limits numbers by the end of an argument's name
LIMITED = ("rate_per_s", "window_s", "deadline_s", "timeout_s", "percent", "percentile", "ratio", "users", "count")

ACTIVITIES = f"""# Activities

Every action and probe of chaosdrill, by the part of the system that it belongs to.
{WRITTEN}

An **action** changes the system, and refuses to run outside a drill unless it has `standalone: true`. A **probe** only
reads. When an activity fails, the drill fails at that step: a value that cannot be read is an error, never 0 or false.

Arguments are checked before a drill begins and again at each call. A default of *none* means that the argument may be
left out; its description says what applies then. `${{name}}` in an example is a variable of the experiment's
`configuration:`. Numbers are limited by the end of the argument's name:

"""
COMMANDS = f"""# Commands

Every command of `chaosdrill`, as `--help` shows it.
{WRITTEN}
[ci.md](ci.md) has the exit codes of all commands and the environment variables.

"""
TOPOLOGY = f"""# Keys of the topology

Every key of the topology file.
{WRITTEN}
[topology.md](topology.md) explains the parts and how to find them in an account. `*` stands for any name, such as that
of a region, and `[]` for each item of a list. A key is required where the key above it is given.

{{}}
## The template

`chaosdrill init` writes this file, which says what each key is for:

```yaml
{{}}```
"""
SUMMARY = f"""# Fields of summary.json

Every run has a `summary.json`: what the drill was, what it proved, and the figures.
{WRITTEN}
The JSON Schema itself is `chaosdrill/runs/summary.schema.json`. [runs.md](runs.md#fields-of-a-summary) explains its
versions, [judging.md](judging.md) how the judgement is made. `*` stands for any name, `[]` for each item of a list.
"""


def activities_page() -> str:
    """Return docs/activities.md."""
    activities = [one for one in discovered()["activities"] if one["type"] != "control"]
    parts = dict.fromkeys(part_of(one) for one in activities)
    limits = table(("name ends with", "accepted"), [(f"`{name}`", str(limits_of(name))) for name in LIMITED])
    sections = (
        f"\n## chaosdrill.{part}\n" + "".join(_activity(one) for one in activities if part_of(one) == part)
        for part in parts
    )
    return ACTIVITIES + limits + "".join(sections)


def part_of(activity: DiscoveredActivities) -> str:
    """Return the package of an activity, such as ``packet_loss``."""
    return str(activity["mod"].split(".")[1])


@functools.cache
def examples() -> dict[tuple[str, str], tuple[str, dict[str, Any]]]:
    """Return for each module and function the first step of an experiment that uses it, with that experiment's path."""
    found: dict[tuple[str, str], tuple[str, dict[str, Any]]] = {}
    for path in EXAMPLES:
        for step in _steps(yaml.safe_load((REPOSITORY / path).read_text())):
            found.setdefault((step["provider"]["module"], step["provider"].get("func", "")), (path, step))
    return found


def _steps(part: Any) -> Iterator[dict[str, Any]]:
    """Find all steps, also those in the arguments of a control."""
    if isinstance(part, Mapping) and part.get("provider", {}).get("type") == "python":
        yield dict(part)
    inner = part.values() if isinstance(part, Mapping) else part if isinstance(part, list) else ()
    for one in inner:
        yield from _steps(one)


def _activity(activity: DiscoveredActivities) -> str:
    text, fields = _docstring(activity["doc"])
    rows = [
        (f"`{one['name']}`", one["type"], _default(one), _cell(fields[f"param {one['name']}"]))
        for one in activity["arguments"]
        if one["name"] not in ("configuration", "secrets")
    ]
    facts = [
        f"- **Returns** ({activity['return_type']}): {fields['returns']}",
        f"- **Fails** {fields['raises ActivityFailed']}",
        *([f"- **Undone by** {_undo(fields['undo'])}"] if activity["type"] == "action" else []),
        f"- **Source**: {fields['source']}",
    ]
    path, step = examples()[activity["mod"], activity["name"]]
    origin = "Example:" if path == FURTHER_EXAMPLES else f"Example, from `{path}`:"
    return "\n".join(
        (
            f"\n### {activity['name']}\n",
            f"{activity['type'].capitalize()} in `{activity['mod']}`. {text}\n",
            table(("argument", "type", "default", "meaning"), rows),
            *facts,
            f"\n{origin}\n",
            f"```yaml\n{yaml.safe_dump([step], sort_keys=False, width=110)}```\n",
        )
    )


def _undo(text: str) -> str:
    """Return what undoes an action, with a link to it."""
    linked = re.sub(r"`?\b([a-z]+_[a-z_]+)\b`?", r"[`\1`](#\1)", text)
    return "nothing." if text == "none" else f"{linked.rstrip('.')}."


def _docstring(doc: str) -> tuple[str, dict[str, str]]:
    """Divide a docstring into its text and its fields, such as ``param region``, as Markdown."""
    text, *fields = re.split(r"^:(?=[a-z])", _markdown(doc), flags=re.MULTILINE)
    named = (field.partition(":") for field in fields)
    return text.strip(), {name: " ".join(meaning.split()) for name, _, meaning in named}


def _markdown(text: str) -> str:
    return re.sub(r":(?:mod|func|class|data|attr|meth):`~?([^`]+)`", r"`\1`", text).replace("``", "`")


def _default(argument: Mapping[str, Any]) -> str:
    if "default" not in argument:
        return "required"
    return "*none*" if argument["default"] is None else f"`{json.dumps(argument['default'])}`"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def commands_page() -> str:
    """Return docs/commands.md."""
    return COMMANDS + "\n".join(_command(context) for context in command_contexts())


def command_contexts(command: click.Command = cli, above: click.Context | None = None) -> Iterator[click.Context]:
    """List every command, those of a group after the group itself."""
    name = "chaosdrill" if above is None else command.name
    columns = {"terminal_width": HELP_COLUMNS, "max_content_width": HELP_COLUMNS}
    context = click.Context(command, above, name, **{**command.context_settings, **columns})
    yield context
    if isinstance(command, click.Group):
        found = (command.get_command(context, inner) for inner in command.list_commands(context))
        for one in found:
            if one is not None and not one.hidden:
                yield from command_contexts(one, context)


def _command(context: click.Context) -> str:
    return f"## {context.command_path}\n\n```text\n{context.get_help().rstrip()}\n```\n"


def topology_page() -> str:
    """Return docs/topology-keys.md."""
    schema = json.loads((TOPOLOGY_FILES / "schema.json").read_text())
    rows = [(f"`{key}`", needed, _cell(meaning)) for key, needed, _, meaning in _keys(schema, schema["$defs"])]
    return TOPOLOGY.format(table(("key", "required", "value"), rows), (TOPOLOGY_FILES / "template.yaml").read_text())


def summary_page() -> str:
    """Return docs/summary.md."""
    sections = {"The summary": SUMMARY_SCHEMA, **SUMMARY_SCHEMA["$defs"]}
    return SUMMARY + "".join(_section(name, schema) for name, schema in sections.items())


def _section(name: str, schema: Schema) -> str:
    rows = [(f"`{key}`", kind, needed, _cell(meaning)) for key, needed, kind, meaning in _keys(schema)]
    fields = table(("field", "type", "required", "meaning"), rows) if rows else f"Values: {_kind(schema)}.\n"
    return "\n".join((f"\n## {name}\n", *([schema["description"], ""] if "description" in schema else []), fields))


def _keys(
    schema: Schema, definitions: Mapping[str, Schema] = MappingProxyType({}), above: str = ""
) -> Iterator[tuple[str, str, str, str]]:
    """List the keys of an object's JSON Schema, depth first: path, whether it is required, type, meaning.

    :param definitions: those whose keys are listed where they are used; others are types with a section of their own.
    """
    for name, value in _properties(schema).items():
        value = {**definitions.get(_reference(value), {}), **value}
        yield f"{above}{name}", _needed(name, schema), _kind(value), _meaning(name, schema, value)
        yield from _keys(value, definitions, f"{above}{name}.")
    for suffix, inner in (("*.", schema.get("additionalProperties")), ("[]", schema.get("items"))):
        if isinstance(inner, dict):
            inside = {**definitions.get(_reference(inner), {}), **inner}
            yield from _keys(inside, definitions, f"{above.rstrip('.')}[]." if suffix == "[]" else f"{above}*.")


def _properties(schema: Schema) -> dict[str, Schema]:
    """Return the properties of an object, and of each of its alternatives."""
    found: dict[str, Schema] = {}
    for one in (schema, *schema.get("oneOf", ())):
        for name, value in one.get("properties", {}).items():
            value = value if isinstance(value, dict) else {}
            found[name] = {**value, "anyOf": [found[name], value]} if name in found else value
    return found


def _needed(name: str, schema: Schema) -> str:
    branches = [*schema.get("oneOf", ()), *_conditional(schema)]
    required = [name in one.get("required", ()) for one in branches]
    if name in schema.get("required", ()) or (required and all(required)):
        return "yes"
    return "depends" if any(required) else "no"


def _conditional(schema: Schema) -> list[Schema]:
    """Return what holds under the conditions of a schema."""
    return [one[word] for one in (schema, *schema.get("allOf", ())) for word in ("then", "else") if word in one]


def _meaning(name: str, schema: Schema, value: Schema) -> str:
    """Return the description, with those of the conditions under which the key is forbidden."""
    forbidden = [one.get("properties", {}).get(name) or {} for one in _conditional(schema)]
    notes = [f"({one['description']})" for one in forbidden if "not" in one]
    return " ".join((value.get("description", ""), *notes)).strip()


def _kind(schema: Schema) -> str:
    """Return the type of a value, in the words of JSON."""
    if name := _reference(schema):
        return f"[{name}](#{name})"
    if values := schema.get("enum") or ([schema["const"]] if "const" in schema else []):
        return ", ".join(f"`{json.dumps(one)}`" for one in values)
    if kinds := schema.get("anyOf") or schema.get("oneOf"):
        return " or ".join(dict.fromkeys(_kind(one) for one in kinds))
    if schema.get("type") == "array":
        return f"list of {_kind(schema.get('items', {}))}"
    if isinstance(schema.get("additionalProperties"), dict):
        return f"object of {_kind(schema['additionalProperties'])}"
    named = schema.get("type", "any")
    return named if isinstance(named, str) else " or ".join(named)


def _reference(schema: Schema) -> str:
    return str(schema.get("$ref", "")).rpartition("/")[2]


PAGES: Mapping[str, Callable[[], str]] = {
    "activities.md": activities_page,
    "commands.md": commands_page,
    "summary.md": summary_page,
    "topology-keys.md": topology_page,
}

if __name__ == "__main__":
    for name, page in PAGES.items():
        (DOCS / name).write_text(page())
