"""The JSON Schema of a profile file, generated from the classes that also check it (JSON Schema draft 2020-12)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from envctl.model.profile import Profile
from envctl.profile.shape import FileKeys

NAME = "envctl.schema.json"
"""The file's name in a project's `profiles/`, and with `./` before it in the first line of a profile."""
DIALECT = "https://json-schema.org/draft/2020-12/schema"
ID = "urn:envctl:profile:1"
SHIPPED = Path(__file__).with_name("profile.schema.json")
_ENTRIES = ("Index", "ImageFile")  # entries of lists are whole; tables are put together from several files


def schema() -> dict[str, Any]:
    """The schema of a file in `profiles/`: the merged profile's keys, none required, and what only files say."""
    _, parts = msgspec.json.schema_components([Profile, FileKeys], ref_template="#/$defs/{name}")
    definitions = {name: _plain(part) for name, part in sorted(parts.items())}
    keys, more = definitions.pop("Profile")["properties"], definitions.pop("FileKeys")["properties"]
    for name, part in definitions.items():
        if name not in _ENTRIES:
            part.pop("required", None)
    definitions["Variant"] = {
        "title": "Variant",
        "description": "What one variant changes: any keys of a profile, merged after the plain part of every file.",
        "type": "object",
        "properties": {**keys, "unset": more["unset"]},
        "additionalProperties": False,
    }
    names = {"pattern": "^[a-z0-9][a-z0-9_-]{0,99}$"}
    variants = {
        "description": "Variants, by name. A profile with variants has one target for each.",
        "type": "object",
        "propertyNames": names,
        "additionalProperties": {"$ref": "#/$defs/Variant"},
    }
    return {
        "$schema": DIALECT,
        "$id": ID,
        "title": "envctl profile",
        "description": "An environment as a team writes and reviews it; `envctl lock` makes the lockfile of it.",
        "type": "object",
        "properties": {**more, **keys, "variants": variants},
        "additionalProperties": False,
        "$defs": definitions,
    }


def text() -> bytes:
    """The schema as the file that is shipped, `profile.schema.json`."""
    return msgspec.json.format(msgspec.json.encode(schema()), indent=2) + b"\n"


def _plain(part: Any) -> Any:
    """Without null, which TOML has not, without the defaults that only say "nothing", descriptions on one line.

    Some releases of msgspec keep the indentation of docstrings and some do not.
    """
    if isinstance(part, (list, tuple)):
        return [_plain(item) for item in part]
    if not isinstance(part, dict):
        return part
    done = {key: _plain(value) for key, value in part.items() if not (key == "default" and _says_nothing(value))}
    if isinstance(done.get("description"), str):
        done["description"] = " ".join(done["description"].split())
    choices = done.get("anyOf")
    if choices is not None:
        left = [choice for choice in choices if choice != {"type": "null"}]
        if len(left) == 1:
            del done["anyOf"]
            done = {**left[0], **done}
        else:
            done["anyOf"] = left
    return done


def _says_nothing(value: object) -> bool:
    return value is None or value in ("", (), []) or isinstance(value, dict)
