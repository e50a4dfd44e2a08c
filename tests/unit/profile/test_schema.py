from __future__ import annotations

import json
import os
from typing import Any

import jsonschema
import pytest
import tomli

from envctl.profile import json_schema, schema

GOOD = """
description  = "Train and serve the digits classifier"
extends      = ["base"]
python       = "3.11"
libc         = "glibc 2.28"
platforms    = ["linux/amd64", "!linux/arm64"]
dependencies = ["numpy>=2", "!torch"]
requirements = ["requirements.in", "pyproject.toml#serve"]
project      = { path = ".", extras = [], groups = [], editable = true }
default-variant = "cpu"
unset        = ["image.user"]
[resolver]
exclude-newer = "7 days"
index         = [{ name = "x", url = "https://index.example/simple", packages = ["acme-*"], exclude-newer = false }]
[image]
base     = "python:3.11.9-slim-bookworm"
python   = { url = { "linux/amd64" = "https://x.example/a" }, sha256 = "ab" }
env      = { OMP_NUM_THREADS = "1" }
files    = [{ source = "app", target = "/app" }, { source = "m", target = "/app/m", locked = true }]
user     = "app"
ports    = [8000]
command  = ["python", "-m", "serve"]
[commands]
train = ["python", "-m", "train"]
[policy]
startup-hooks = []
allow-seed    = false
[variants.cpu]
resolver.index = [{ name = "torch-cpu", url = "https://index.example/whl/cpu", packages = ["torch"] }]
[variants.cuda]
cuda = "12.8"
unset = ["image.env"]
image.base = "nvidia/cuda:12.8.1-base-ubuntu22.04"
"""


def test_the_shipped_schema_is_the_generated_one_golden() -> None:
    if os.environ.get("ENVCTL_GOLDEN") == "rewrite":
        json_schema.SHIPPED.write_bytes(json_schema.text())
    assert json.loads(json_schema.SHIPPED.read_text("utf-8")) == json.loads(json.dumps(schema()))


def test_the_schema_is_one_and_accepts_every_key_that_a_profile_has() -> None:
    jsonschema.Draft202012Validator.check_schema(schema())
    jsonschema.validate(tomli.loads(GOOD), schema(), jsonschema.Draft202012Validator)


@pytest.mark.parametrize(
    "text",
    [
        'pyton = "3.11"',
        "python = 3.11",
        'dependencies = "numpy"',
        'platforms = ["linux/x86"]',
        "image.ports = [0]",
        "image.user = -1",
        'resolver.index = [{ name = "x" }]',
        'variants.cpu.variants.x.python = "3.11"',
        'variants.cpu.extends = ["x"]',
        'variants.CPU.python = "3.11"',
        'extends = "base"',
    ],
)
def test_the_schema_refuses_what_the_program_refuses(text: str) -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(tomli.loads(text), schema(), jsonschema.Draft202012Validator)


def _undescribed(part: dict[str, Any], path: str, whole: dict[str, Any]) -> list[str]:
    missing = []
    for key, value in part.get("properties", {}).items():
        described = whole["$defs"][value["$ref"].rpartition("/")[2]] if "$ref" in value else value
        if not described.get("description"):
            missing.append(f"{path}.{key}")
    return missing


def test_every_key_has_a_description_for_editors() -> None:
    whole = schema()
    missing = _undescribed(whole, "", whole)
    for name, part in whole["$defs"].items():
        missing += _undescribed(part, name, whole)
    assert missing == []
    assert "null" not in json.dumps(whole)
