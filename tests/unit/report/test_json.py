"""The report as JSON, and the schema that is shipped with it."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from jsonschema import Draft202012Validator
from support import reports

from envctl.model import finding as model
from envctl.report.json import SCHEMA, render

SHIPPED = json.loads(SCHEMA.read_text("utf-8"))
ALL = reports.reports() | {"ugly": reports.ugly_report()}


def closed(part: Any) -> Any:
    """The schema without room for further keys, which it leaves to later versions."""
    if isinstance(part, list):
        return [closed(item) for item in part]
    if not isinstance(part, dict):
        return part
    more = {"additionalProperties": False} if part.get("type") == "object" else {}
    return {key: closed(value) for key, value in part.items()} | more


def test_the_schema_is_one() -> None:
    Draft202012Validator.check_schema(SHIPPED)
    assert SHIPPED["$id"] == "urn:envctl:verify:1"


@pytest.mark.parametrize("kind", ALL)
def test_a_report_is_what_the_schema_says_and_nothing_more(kind: str) -> None:
    Draft202012Validator(closed(SHIPPED)).validate(json.loads(render(ALL[kind])))


@pytest.mark.parametrize(
    ("struct", "part"),
    [
        (model.Report, SHIPPED),
        (model.Finding, SHIPPED["$defs"]["finding"]),
        (model.PackageState, SHIPPED["$defs"]["package"]),
        (model.Signature, SHIPPED["$defs"]["signature"]),
        (model.Subject, SHIPPED["properties"]["subject"]),
        (model.LockReference, SHIPPED["properties"]["lock"]),
        (model.PackageSet, SHIPPED["properties"]["package_set"]),
        (model.Counts, SHIPPED["properties"]["counts"]),
    ],
)
def test_every_key_is_in_the_schema_and_always_there(struct: type[msgspec.Struct], part: dict[str, Any]) -> None:
    keys = set(struct.__struct_fields__)
    assert set(part["properties"]) == set(part["required"]) == keys


def test_the_words_of_the_schema_are_the_models() -> None:
    assert set(SHIPPED["$defs"]["verdict"]["enum"]) == {v.value for v in model.Verdict}
    assert SHIPPED["$defs"]["finding"]["properties"]["severity"]["enum"] == [s.value for s in model.Severity]


@pytest.mark.parametrize(
    "broken",
    [{"verdict": "fine"}, {"seconds": -1}, {"counts": {"packages": 1, "files": 1}}, {"lock": None}, {"packages": [{}]}],
)
def test_the_schema_refuses_what_is_no_report(broken: dict[str, Any]) -> None:
    data = json.loads(render(ALL["ok"])) | broken
    assert not Draft202012Validator(SHIPPED).is_valid(data)


def test_a_schema_of_this_number_accepts_keys_that_come_later() -> None:
    assert Draft202012Validator(SHIPPED).is_valid(json.loads(render(ALL["ok"])) | {"later": 1})
