"""What a summary has that its JSON Schema does not allow."""

import json
from importlib import resources
from typing import Any

import jsonschema

SCHEMA = json.loads((resources.files("chaosdrill.runs") / "summary.schema.json").read_text())


def problems_of_summary(summary: Any) -> list[str]:
    """:returns: each, with where it stands; of something that is no summary at all, too."""
    validator = jsonschema.Draft202012Validator(SCHEMA)
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(summary)]
