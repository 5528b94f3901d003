"""The settings of each kind of channel, as JSON schemas: what ``gamedays.yaml`` may say of one.

A secret stands nowhere in the file: ``{secret: NAME}`` names the environment variable that has it.
"""

from collections.abc import Mapping
from typing import Any

SECRET: Mapping[str, Any] = {
    "type": "object",
    "required": ["secret"],
    "additionalProperties": False,
    "properties": {
        "secret": {
            "type": "string",
            "pattern": "^[A-Za-z_][A-Za-z0-9_]{0,200}$",
            "description": "the name of an environment variable, such as GAMEDAY_WEBHOOK_KEY",
        }
    },
    "description": "{secret: NAME}, the environment variable that has it",
}
_ADDRESS = {
    "type": "string",
    "pattern": "^[^@\\s,<>]+@[^@\\s,<>]+$",
    "description": "an address, such as sre@example.com",
}
_SECRET_URL = {**SECRET, "description": "{secret: NAME}, the environment variable that has the URL"}
_URL = {
    "type": ["string", "object"],
    # without TLS on this machine only, and without a password: what the file says is no secret
    "pattern": "^(https://|http://(localhost|127\\.0\\.0\\.1|\\[::1\\])[:/])[^\\s@]+$",
    "required": ["secret"],
    "additionalProperties": False,
    "properties": SECRET["properties"],
    "description": "an https:// URL, or {secret: NAME} when the URL itself is a secret",
}

SETTINGS: Mapping[str, Mapping[str, Any]] = {
    "webhook": {
        "type": "object",
        "required": ["url", "signing_key"],
        "additionalProperties": False,
        "properties": {"url": _URL, "signing_key": SECRET},
    },
    "smtp": {
        "type": "object",
        "required": ["host", "from", "to"],
        "additionalProperties": False,
        "dependentRequired": {"user": ["password"], "password": ["user"]},
        "properties": {
            "host": {"type": "string", "pattern": "^[A-Za-z0-9.:-]+$", "description": "the mail server's name"},
            "port": {"type": "integer", "minimum": 1, "maximum": 65535, "description": "a port, such as 587"},
            "security": {"enum": ["starttls", "tls", "none"], "description": "starttls (default), tls, or none"},
            "from": _ADDRESS,
            "to": {"type": "array", "minItems": 1, "items": _ADDRESS, "description": "a list of addresses"},
            "user": {"type": "string", "minLength": 1, "description": "the user of the mail server"},
            "password": SECRET,
        },
    },
    "sns": {
        "type": "object",
        "required": ["topic"],
        "additionalProperties": False,
        "properties": {
            "topic": {
                "type": "string",
                "pattern": "^arn:aws[a-z-]*:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]{1,256}(\\.fifo)?$",
                "description": "a topic: write its ARN, such as arn:aws:sns:ap-southeast-1:123456789012:gamedays",
            }
        },
    },
    "apprise": {
        "type": "object",
        "required": ["url"],
        "additionalProperties": False,
        "properties": {"url": _SECRET_URL},
    },
}
